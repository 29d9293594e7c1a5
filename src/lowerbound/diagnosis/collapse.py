"""Does the code tell anything, and are the samples more than one average?"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.distance import pdist

from ..summaries import RunSummary
from .finding import Check, Finding, first_new, is_new, retrain, short

# A code worth less than a nat cannot tell more than two or three groups of examples apart.
COLLAPSED_KL_NATS = 1.0
# Different real examples lie further apart than samples of a healthy model by a little; below 60 % the samples repeat each other.
LEAST_DIVERSITY = 0.6


def kl_nats(summary: RunSummary) -> float:
    """The mean KL(q(z|x) || p(z)): of the scores, of the latents, or of the record, whichever there is."""
    score = summary.score("kl_nats")
    if score is not None and math.isfinite(score.value):
        return score.value
    if summary.kl_by_latent_nats is not None:
        return float(np.sum(summary.kl_by_latent_nats))
    validation = summary.last("validation_kl_nats")
    return validation if math.isfinite(validation) else summary.last("train_kl_nats")


def is_collapsed(summary: RunSummary) -> bool:
    """No latent is active, or the code is worth less than a nat; a deterministic code collapses when it is one point.

    KL(q(z|x) || p(z)) is what the code tells, I(x;z), and how far the codes of all examples lie from the prior: where that was
    measured, it is I(x;z) that counts.
    """
    if not len(summary.latent_means):
        return False
    aggregate = None if summary.examination is None else summary.examination.aggregate
    told = kl_nats(summary)
    if aggregate is not None and not aggregate.is_saturated and aggregate.most_nats > 2 * COLLAPSED_KL_NATS:
        told = min(told, aggregate.mutual_information_nats + 2 * aggregate.mutual_information_error)
    return not np.any(summary.latent_is_active) or (summary.has_bound and told < COLLAPSED_KL_NATS)


def information_text(summary: RunSummary) -> str:
    """`I(x;z) 0.02 nats`, or nothing where it was not measured."""
    aggregate = None if summary.examination is None else summary.examination.aggregate
    if aggregate is None:
        return ""
    information = aggregate.mutual_information_nats
    if aggregate.is_saturated:
        limit = f"{short(aggregate.most_nats)} that {aggregate.num_examples:,} examples can show"
        return f", I(x;z) at least {short(information)} nats (of {limit})"
    # An estimate of what is at least 0 may lie a little below.
    return f", I(x;z) {short(max(information, 0.0))} ± {short(aggregate.mutual_information_error)} nats"


def _collapse(summary: RunSummary) -> Finding | None:
    if not is_collapsed(summary):
        return None
    active, dim = int(np.sum(summary.latent_is_active)), summary.latent_dim
    kl = f", KL {short(kl_nats(summary))} nats" if summary.has_bound else ""
    advice, command = _remedy(summary)
    return Finding(
        "serious",
        "Posterior collapse: the code tells next to nothing about an example, and every sample is the same average.",
        f"{active} of {dim} latents active{kl}{information_text(summary)}",
        advice,
        command,
    )


def _remedy(summary: RunSummary) -> tuple[str, str]:
    """What undoes a collapse, the likeliest cause first, and the command."""
    objective, training = summary.config.objective, summary.config.training
    if objective.get("beta", 1.0) > 1:
        return "A part of the KL term has a weight above 1, which pays for collapse: train with 1.", retrain(
            summary, "objective.beta=1"
        )
    has_floor = "scale_floor" in summary.config.likelihood.values
    floor = " Check that likelihood.scale_floor is not far above the data's own precision." if has_floor else ""
    longer = (f"training.learning_rate={training.learning_rate / 3:.2g}", f"training.epochs={2 * training.epochs}")
    was_warmed = any(config.objective.get("warmup_epochs", 0) for config in (summary.config, *summary.tried))
    if "warmup_epochs" in objective.values and not was_warmed:
        text = f"Raise the KL weight slowly from 0; if that is not enough, train longer or with a lower learning rate.{floor}"
        return text, retrain(summary, f"objective.warmup_epochs={max(training.epochs // 2, 1)}")
    advice, command = first_new(summary, ("Train longer and with a lower learning rate.", longer))
    return f"{advice}{floor}", command


def _alike(summary: RunSummary) -> Finding | None:
    ratio = diversity(summary)
    if ratio >= LEAST_DIVERSITY:
        return None
    settings = f"training.epochs={2 * max(round(summary.epochs_run), 1)}", f"model.latent_dim={2 * summary.latent_dim}"
    return Finding(
        "serious" if ratio < LEAST_DIVERSITY / 2 else "warning",
        "The samples are more alike than real examples are.",
        f"two samples differ by {ratio:.0%} of what two real examples differ by",
        "Look at the samples beside the data: if they repeat one average, see posterior collapse; "
        "if whole kinds of examples are missing, train longer or with more latents.",
        # What undoes a collapse undoes this.
        "" if is_collapsed(summary) or not is_new(summary, *settings) else retrain(summary, *settings),
    )


def diversity(summary: RunSummary) -> float:
    """The mean distance between two samples, as a share of that between two real examples; NaN where either is not known.

    In images the likelihood's own noise makes even copies of one average differ, so their means are compared where they are
    known. In a table the noise is part of what the model says, and each column counts in its own standard deviations.
    """
    if summary.spec.is_image:
        made = summary.samples if summary.sample_means is None else summary.sample_means
        real = summary.real
    else:
        std = np.asarray(summary.spec.std).reshape(summary.spec.event_shape)
        made, real = (examples / np.where(std > 0, std, 1.0) for examples in (summary.samples, summary.real))
    between_real = mean_distance(real)
    return mean_distance(made) / between_real if between_real > 0 else math.nan


def mean_distance(examples: np.ndarray) -> float:
    """The mean Euclidean distance between two different examples, from all pairs of at most 200; NaN for fewer than two."""
    if len(examples) < 2:
        return math.nan
    return float(pdist(np.asarray(examples[:200], np.float64).reshape(min(len(examples), 200), -1)).mean())


CHECKS = (
    Check("posterior-collapse", "posterior collapse", _collapse, lambda s: len(s.latent_means) > 1, "data to encode"),
    Check(
        "samples-alike", "samples as varied as the data", _alike, lambda s: math.isfinite(diversity(s)), "samples and examples"
    ),
)
