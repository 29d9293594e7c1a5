"""What a likelihood watches of itself: shares of its elements that are at some limit."""

from __future__ import annotations

import numpy as np

from ..summaries import RunSummary
from .finding import Check, Finding

# What each share is of.
WORDS = {
    "fraction_at_floor": "the decoder's scales at their floor",
    "fraction_saturated": "probabilities within 1e-6 of 0 or 1",
    "fraction_dispersion_held": "dispersions at an end of their range",
    "fraction_inflated": "counts said to be zeros whatever their rate",
}
# The share beyond that of elements which never change, from which it is worth knowing; why, and what to do.
LIMITS = {
    "fraction_saturated": (
        0.2,
        "Many elements are held to be certain: a new example that differs in one of them loses 14 nats or more by it.",
        "Harmless where they hardly ever change. Otherwise more examples, dropout or weight decay make them less certain.",
    ),
    "fraction_dispersion_held": (
        0.2,
        "The dispersion of many counts is held at an end of its range: they are Poisson counts there, or all but always 0.",
        "A likelihood of counts without a dispersion may say the same with fewer numbers: compare the evidence of both.",
    ),
    "fraction_inflated": (
        0.5,
        "Most counts are said to be zeros of another origin, of which the rate tells nothing.",
        "Compare the evidence with that of a likelihood of counts without them.",
    ),
}


def monitor_texts(summary: RunSummary) -> list[str]:
    """`1.2% of the decoder's scales at their floor`, for each share above 0."""
    return [f"{share:.1%} of {WORDS.get(name, name)}" for name, share in summary.monitors.items() if share > 0]


def _at_limit(summary: RunSummary) -> Finding | None:
    constant = float(np.mean(np.asarray(summary.spec.std) == 0))
    for name, (limit, sentence, advice) in LIMITS.items():
        share = summary.monitors.get(name, 0.0)
        if share - constant > limit:
            figure = f"{share:.1%} of {WORDS[name]}; {constant:.1%} of elements never change, and up to {limit:.0%} more is usual"
            return Finding("note", sentence, figure, advice)
    return None


CHECKS = (
    Check("monitors", "what the likelihood watches", _at_limit, lambda s: bool(s.monitors), "a likelihood that watches itself"),
)
