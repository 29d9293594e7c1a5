"""Elements of the data that tell nothing, or to which the encoder does not listen."""

from __future__ import annotations

import numpy as np

from ..likelihoods.remedies import better_likelihoods
from ..summaries import RunSummary
from .collapse import is_collapsed
from .finding import Check, Finding, named_elements

# An element that moves the code by less than this share of what a typical one does is not listened to.
IGNORED_SHARE = 0.02
# A column with residuals far from normal in the data themselves costs latents even where they can explain it.
_SKEWED = 3.0


def _constant(summary: RunSummary) -> Finding | None:
    constant = np.flatnonzero(np.asarray(summary.spec.std) == 0)
    if not len(constant):
        return None
    what = f"{summary.spec.element_word}s"
    reason = (
        "The density there is limited by the scale's floor alone and tells nothing."
        if summary.measure == "lebesgue"
        else "They cost next to nothing once learnt, and flatter the bits per dimension."
    )
    return Finding(
        "note",
        f"Some {what} never change in the training data. {reason}",
        f"{len(constant)} of {summary.spec.num_elements} {what}: {named_elements(summary, constant)}",
        "Drop them if the score should not count them.",
    )


def _ignored(summary: RunSummary) -> Finding | None:
    assert summary.examination is not None
    sensitivity, varies = summary.examination.sensitivity, (np.asarray(summary.spec.std) > 0) & ~summary.spec.coded
    if is_collapsed(summary) or varies.sum() < 2:
        return None
    typical = float(np.sqrt(np.mean(sensitivity[varies] ** 2)))
    ignored = np.flatnonzero(varies & (sensitivity < IGNORED_SHARE * typical))
    if not len(ignored):
        return None
    return Finding(
        "note",
        f"The encoder does not listen to some {summary.spec.element_word}s, though they vary: the code tells nothing of them.",
        f"{len(ignored)} of {int(varies.sum())}: {named_elements(summary, ignored)}, with less than {IGNORED_SHARE:.0%} of the "
        "typical effect on the code",
        "Harmless where they are noise. Where they matter, look whether a few extreme values stretch their scale.",
    )


def _skewed(summary: RunSummary) -> Finding | None:
    rows = np.asarray(summary.real, np.float64).reshape(len(summary.real), -1)
    centred = rows - rows.mean(axis=0)
    second = (centred**2).mean(axis=0)
    skewness = np.divide((centred**3).mean(axis=0), second**1.5, out=np.zeros_like(second), where=second > 0)
    positive = np.asarray(summary.spec.element_low) > 0
    found = np.flatnonzero(positive & (skewness > _SKEWED))
    if not len(found):
        return None
    found = found[np.argsort(-skewness[found], kind="stable")]
    tried = {config.likelihood.name for config in (summary.config, *summary.tried)}
    better = better_likelihoods("positive-skew", summary.spec, tried) if positive.all() else []
    return Finding(
        "note",
        "Some columns are positive and strongly skewed: a Gaussian spends latents on their shape that could tell examples apart.",
        f"{named_elements(summary, found)}, skewness up to {skewness[found[0]]:.1f}",
        "Train on their logarithm, and subtract it from the log-density to come back to your units"
        + (f"; or with likelihood.name={better[0]}." if better else "."),
    )


CHECKS = (
    Check("constant-inputs", "elements that never change", _constant, needs_training=False),
    Check("ignored-inputs", "elements that the encoder ignores", _ignored, lambda s: s.examination is not None, "data to encode"),
    Check(
        "skewed-columns",
        "columns of a table that are strongly skewed",
        _skewed,
        lambda s: (
            not s.spec.is_image
            and len(s.real) > 20
            and bool(s.spec.element_low)
            and s.measure == "lebesgue"
            and not s.spec.is_whole
        ),
        "a table of real numbers",
        needs_training=False,
    ),
)
