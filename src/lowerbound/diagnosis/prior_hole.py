"""Do the codes of the data, taken together, fill the prior?"""

from __future__ import annotations

import math

import numpy as np

from ..config.catalogue import first_with
from ..config.entry import KINDS
from ..summaries import RunSummary
from .collapse import is_collapsed
from .finding import Check, Finding, Severity, first_new, retrain, short

# E[mean²] of a latent is at most 1 where the codes, taken together, follow N(0, 1).
LARGEST_SECOND_MOMENT = 2.0
# The two laws differ by more than chance, and so many decoded samples lie beyond the farthest twentieth of reconstructions.
SIGNIFICANT = 0.01
NOTED_FAR, WARNED_FAR, SERIOUS_FAR = 0.25, 0.6, 0.8


def _hole(summary: RunSummary) -> Finding | None:
    examination = summary.examination
    assert examination is not None
    assert examination.discrepancy is not None
    assert examination.neighbours is not None
    discrepancy, neighbours, far = examination.discrepancy, examination.neighbours, examination.far_share
    differs = min(discrepancy.p_value, neighbours.p_value) <= SIGNIFICANT
    if is_collapsed(summary) or not differs or not far > NOTED_FAR:
        return None
    severity: Severity = "serious" if far > SERIOUS_FAR else "warning" if far > WARNED_FAR else "note"
    aggregate = examination.aggregate
    divergence = ""
    if aggregate is not None:
        at_most = "at most " if aggregate.is_saturated else ""
        divergence = f"; KL(q(z) || p(z)) {at_most}{short(max(aggregate.aggregate_kl_nats, 0.0))} nats"
    figure = (
        f"{far:.0%} of decoded samples lie farther from the data than 95% of reconstructions do (5% if there were no hole); "
        f"MMD² {short(discrepancy.value)} (p {short(discrepancy.p_value)}); of the nearest neighbours of codes and of prior "
        f"draws {neighbours.value:.0%} are of their own kind ({neighbours.expected:.0%} if the laws were equal, "
        f"p {short(neighbours.p_value)}){divergence}"
    )
    advice, command = _remedy(summary)
    sentence = "Prior hole: the prior has places where no example's code lies, and samples from there do not look like data."
    if severity == "note":
        sentence = "The codes do not quite fill the prior: some samples lie farther from the data than reconstructions do."
    return Finding(severity, sentence, figure, advice, command)


def _remedy(summary: RunSummary) -> tuple[str, str]:
    if not summary.has_bound:
        return (
            "Nothing ties the codes of an autoencoder to a prior: to draw samples, train with a posterior and the ELBO.",
            retrain(summary, *(f"{kind}.name={KINDS[kind].default}" for kind in ("objective", "posterior"))),
        )
    if summary.config.objective.get("beta", 1.0) < 1:
        return "The KL weight is below 1, which lets the codes leave the prior: train with 1.", retrain(
            summary, "objective.beta=1"
        )
    fewer = ("Train with fewer latents, or longer.", (f"model.latent_dim={max(summary.latent_dim // 2, 2)}",))
    if not _has_normal_prior(summary):
        return first_new(summary, fewer)
    learned = (f"prior.name={first_with('prior', is_made_of_posterior=True)}", "prior.num_components=100")
    return first_new(summary, ("Let the prior learn where the codes are.", learned), fewer)


def _moments(summary: RunSummary) -> Finding | None:
    moments = np.mean(np.asarray(summary.latent_means, np.float64) ** 2, axis=0)
    outside = np.flatnonzero(moments > LARGEST_SECOND_MOMENT)
    if not len(outside):
        return None
    advice, command = _remedy(summary)
    return Finding(
        "warning",
        "The codes spread more widely than the prior, so that samples from the prior miss where many examples lie.",
        f"{len(outside)} of {summary.latent_dim} latents; largest mean square {moments.max():.1f}, where the prior has 1",
        advice,
        command,
    )


def _has_normal_prior(summary: RunSummary) -> bool:
    return all(block.has_normal_prior for block in summary.latent_blocks)


def _can_compare(summary: RunSummary) -> bool:
    examination = summary.examination
    return examination is not None and examination.discrepancy is not None and math.isfinite(examination.far_share)


CHECKS = (
    Check("prior-hole", "codes that fill the prior", _hole, _can_compare, "data to encode, and samples of finite mean"),
    Check(
        "codes-outside-prior",
        "codes that fit the prior's scale",
        _moments,
        lambda s: len(s.latent_means) > 1 and _has_normal_prior(s),
        "data to encode, and a standard normal prior",
    ),
)
