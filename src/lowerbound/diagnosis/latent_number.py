"""Too many latents, or too few, with the number that the run itself suggests."""

from __future__ import annotations

import numpy as np

from ..assembly.automatic import default_latents
from ..summaries import RunSummary
from .collapse import information_text, is_collapsed, kl_nats
from .finding import Check, Finding, ranges, retrain, short

# With fewer than a quarter of the latents in use, the model is far smaller than was asked for.
FEW_ACTIVE_SHARE = 0.25
# Burda's statistic calls a latent active that hardly tells anything when its mean still trembles.
LEAST_NATS = 0.1
# A latent with less than this is hardly missed, so a model that has one has latents enough.
FULL_LATENT_NATS = 1.0
# The share of the residuals' variance that moves along one direction; independent noise leaves it to no direction.
LEADING_SHARE = 0.1
# Directions of residuals bend in a deep decoder, so far more of them may show than latents are missing.
MOST_GROWTH = 4
# Where there are few, one direction hides others: one more than one latent, and two more than two, were still too few, and so
# were three times as many in tables (docs/results.md). So up to eight are tripled, and tables get the number of the default.
FEW_LATENTS, LEAST_GROWTH = 8, 3


def used_latents(summary: RunSummary) -> np.ndarray:
    """Which latents carry something: active by Burda's statistic, and worth `LEAST_NATS` where the KL of each is known."""
    used = np.asarray(summary.latent_is_active)
    return used if summary.kl_by_latent_nats is None else used & (summary.kl_by_latent_nats >= LEAST_NATS)


def _unused(summary: RunSummary) -> Finding | None:
    used, active, dim = used_latents(summary), int(np.sum(summary.latent_is_active)), summary.latent_dim
    number = int(used.sum())
    unused = dim - number
    if not unused or is_collapsed(summary):
        return None
    number = max(number, 1)
    kl = f", KL {short(kl_nats(summary))} nats" if summary.has_bound else ""
    carrying = f", {number} with {LEAST_NATS:g} nats or more" if unused > dim - active else ""
    dead = ranges(np.flatnonzero(~used).tolist())
    figure = f"{active} of {dim} latents active{carrying}{kl}{information_text(summary)}; dead: {dead}"
    smaller = retrain(summary, *_latent_dim_settings(summary, number))
    if number < FEW_ACTIVE_SHARE * dim:
        sentence = f"Most latents are dead: {unused} of {dim} carry nothing, and the decoder ignores them."
        otherwise = "Otherwise"
        if summary.config.objective.get("warmup_epochs", None) == 0:
            otherwise = "If the samples look too alike, raise the KL weight slowly (objective.warmup_epochs); otherwise"
        return Finding("warning", sentence, figure, f"{otherwise} a model with {number} does as well.", smaller)
    are = "latent is" if unused == 1 else "latents are"
    sentence = f"{unused} {are} not used. This is harmless: the model has switched off what it does not need."
    return Finding("note", sentence, figure, f"A model with {number} would give much the same bound.", smaller)


def _too_few(summary: RunSummary) -> Finding | None:
    examination = summary.examination
    assert examination is not None
    predictive, dim = examination.predictive, summary.latent_dim
    kl = summary.kl_by_latent_nats
    least = float(np.min(kl)) if kl is not None else kl_nats(summary) / dim
    if not np.all(summary.latent_is_active) or least < FULL_LATENT_NATS or not predictive.num_directions:
        return None
    if predictive.leading_share < LEADING_SHARE:
        return None
    more, least_more = min(dim + predictive.num_directions, MOST_GROWTH * dim), min(LEAST_GROWTH * dim, FEW_LATENTS)
    if more < least_more:
        more = least_more if summary.spec.is_image else max(least_more, default_latents(summary.spec))
    directions = "one direction" if predictive.num_directions == 1 else f"{predictive.num_directions} directions"
    return Finding(
        "warning",
        "Too few latents: all of them are full, and what the decoder gets wrong still moves together.",
        f"{dim} of {dim} latents active, the least with {short(least)} nats; residuals share {directions} beyond noise, the "
        f"first with {predictive.leading_share:.0%} of their variance",
        f"Try {more} latents; those that are not needed will switch themselves off.",
        retrain(summary, f"model.latent_dim={more}"),
    )


def _latent_dim_settings(summary: RunSummary, wanted: int) -> tuple[str, ...]:
    """`model.latent_dim`, and the posterior's sizes that cannot be larger."""
    number = max(wanted, *(block.least_dim for block in summary.latent_blocks))
    sizes = {key: summary.config.posterior.get(key, 0) for key in ("num_directions", "rank")}
    return f"model.latent_dim={number}", *(f"posterior.{key}={number}" for key, size in sizes.items() if size > number)


CHECKS = (
    Check("unused-latents", "latents that are not used", _unused, lambda s: len(s.latent_means) > 1, "data to encode"),
    Check(
        "too-few-latents",
        "latents enough",
        _too_few,
        lambda s: s.has_bound and s.examination is not None and len(s.latent_means) > 1,
        "a model with a density, and its training data",
    ),
)
