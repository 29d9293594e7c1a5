"""What a person should worry about in a run, in plain words, the most important first."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from .summary import RunSummary

Severity = Literal["serious", "warning", "note"]
_ORDER: dict[str, int] = {"serious": 0, "warning": 1, "note": 2}

# A code worth less than a nat cannot tell more than two or three groups of examples apart.
COLLAPSED_KL_NATS = 1.0
# With fewer than a quarter of the latents in use, the model is far smaller than was asked for.
FEW_ACTIVE_SHARE = 0.25
# Different real examples lie further apart than samples of a healthy model by a little; below 60 % the samples repeat each other.
LEAST_DIVERSITY = 0.6
# Below one in a hundred, an element that never changes or a dark corner explains it; from one in five the bound is mostly the
# floor's doing.
FLOOR_SHARE, SERIOUS_FLOOR_SHARE = 0.01, 0.2
# A gap of 0.05 nats an element: each element is 5 % less probable on new data. Bounds on log-probabilities have a natural zero,
# so there the gap is compared with the bound itself.
GAP_NATS_PER_ELEMENT, SERIOUS_GAP_NATS_PER_ELEMENT = 0.05, 0.2
GAP_SHARE_OF_BOUND, SERIOUS_GAP_SHARE_OF_BOUND = 0.05, 0.2
# A difference of less than three of its standard errors may be chance.
STANDARD_ERRORS = 3.0
# The last tenth of training still added this much (per element, or as a share of the bound for log-probabilities).
RISE_NATS_PER_ELEMENT, RISE_SHARE_OF_BOUND = 0.002, 0.005
# The bound ended this share of its whole climb below its best.
DIVERGED_SHARE = 0.05
# E[mean²] of a latent is at most 1 where the codes, taken together, follow N(0, 1).
LARGEST_SECOND_MOMENT = 2.0
# A record too short to speak of its trend.
FEWEST_RECORDS = 20


@dataclasses.dataclass(frozen=True)
class Worry:
    """- `severity`: "serious" (the numbers or samples mislead), "warning" (worth acting on) or "note" (worth knowing).
    - `sentence`: what is wrong, in plain words. `figure`: the number that shows it. `advice`: what to do.
    """

    severity: Severity
    sentence: str
    figure: str
    advice: str


@dataclasses.dataclass(frozen=True)
class Check:
    """- `title`: what is looked at. `find`: the worry, or None. `possible`: whether the run recorded what it takes."""

    title: str
    find: Callable[[RunSummary], Worry | None]
    possible: Callable[[RunSummary], bool] = lambda summary: True


def worries(summary: RunSummary) -> list[Worry]:
    """Every worry that the run gives cause for, the most serious first."""
    found = [worry for check in CHECKS if check.possible(summary) and (worry := check.find(summary)) is not None]
    return sorted(found, key=lambda worry: _ORDER[worry.severity])


def checked(summary: RunSummary) -> tuple[list[str], list[str]]:
    """What was looked at, and what could not be for want of data (no validation split, for example)."""
    done = [check.title for check in CHECKS if check.possible(summary)]
    return done, [check.title for check in CHECKS if check.title not in done]


def _kl_nats(summary: RunSummary) -> float:
    score = summary.score("kl_nats")
    if score is not None and math.isfinite(score.value):
        return score.value
    if summary.kl_by_latent_nats is not None:
        return float(np.sum(summary.kl_by_latent_nats))
    validation = summary.last("validation_kl_nats")
    return validation if math.isfinite(validation) else summary.last("train_kl_nats")


def _collapse(summary: RunSummary) -> Worry | None:
    active, dim, kl = int(np.sum(summary.latent_is_active)), summary.latent_dim, _kl_nats(summary)
    unused = dim - active
    figure = f"{active} of {dim} latents active, KL {_short(kl)} nats"
    if active == 0 or kl < COLLAPSED_KL_NATS:
        return Worry(
            "serious",
            "Posterior collapse: the code tells next to nothing about an example, and every sample is the same average.",
            figure,
            "Raise the KL weight slowly (--set objective.warmup_epochs=100), train longer, or lower the learning rate; "
            "check that likelihood.scale_floor is not far above the data's own precision.",
        )
    if active < FEW_ACTIVE_SHARE * dim:
        return Worry(
            "warning",
            f"Most latents are dead: {unused} of {dim} carry nothing, and the decoder ignores them.",
            figure,
            "If the samples look too alike, raise the KL weight slowly (--set objective.warmup_epochs=100); "
            f"otherwise a smaller model does as well (--set model.latent_dim={max(active, 1)}).",
        )
    if unused:
        are = "latent is" if unused == 1 else "latents are"
        return Worry(
            "note",
            f"{unused} {are} not used. This is harmless: the model has switched off what it does not need.",
            figure,
            f"--set model.latent_dim={active} would give much the same bound.",
        )
    return None


def _alike(summary: RunSummary) -> Worry | None:
    ratio = diversity(summary)
    if ratio >= LEAST_DIVERSITY:
        return None
    return Worry(
        "serious" if ratio < LEAST_DIVERSITY / 2 else "warning",
        "The samples are more alike than real examples are.",
        f"two samples differ by {ratio:.0%} of what two real examples differ by",
        "Look at the samples beside the data: if they repeat one average, see posterior collapse; "
        "if whole kinds of examples are missing, train longer or with more latents.",
    )


def _floor(summary: RunSummary) -> Worry | None:
    share = summary.last("fraction_at_floor")
    if not share > FLOOR_SHARE:
        return None
    likelihood = summary.config.get("likelihood", {})
    floor = likelihood.get("scale_floor")
    advice = "Compare bounds only between models with the same floor."
    if summary.spec.is_discrete and likelihood.get("name") == "gaussian":
        advice += " The data have levels, so a likelihood without a floor exists: --set likelihood.name=" + (
            "bernoulli." if summary.spec.kind == "binary" else "discretized-logistic."
        )
    return Worry(
        "serious" if share > SERIOUS_FLOOR_SHARE else "warning",
        "Some of the decoder's scales lie at their floor: there the bound is set by the floor rather than by the data, "
        "and would grow without limit if the floor were lower.",
        f"{share:.1%} of elements at the floor" + (f" of {floor:g}" if isinstance(floor, float | int) else ""),
        advice,
    )


def _per_element(summary: RunSummary, difference: float, bound: float) -> float:
    return difference / abs(bound) if summary.measure == "counting" else difference / summary.spec.num_elements


def _train_and_held_out(summary: RunSummary) -> tuple[float, float, float, str]:
    """The bound on training data and on data not trained on, the standard error of their difference, and that split."""
    train = summary.score("elbo_nats", "train")
    for split in ("validation", "test"):
        held_out = summary.score("elbo_nats", split)
        if train is not None and held_out is not None:
            errors = [score.standard_error for score in (train, held_out) if math.isfinite(score.standard_error)]
            return train.value, held_out.value, math.hypot(*errors), split
    epochs, bounds = summary.finite("validation_elbo_nats")
    train_epochs, train_bounds = summary.finite("train_elbo_nats")
    if not len(bounds) or not len(train_bounds):
        return math.nan, math.nan, math.nan, "validation"
    best = _kept_index(summary, epochs)
    at_best = train_bounds[int(np.argmin(np.abs(train_epochs - epochs[best])))]
    errors = summary.finite("validation_standard_error_nats")[1]
    return float(at_best), float(bounds[best]), float(errors[best]) if len(errors) == len(bounds) else 0.0, "validation"


def _kept_index(summary: RunSummary, epochs: np.ndarray) -> int:
    """Where in the record the weights that were kept stood."""
    if summary.config.get("training", {}).get("early_stopping_patience", 0) > 0 and summary.best_epoch > 0:
        return int(np.argmin(np.abs(epochs - summary.best_epoch)))
    return len(epochs) - 1


def _overfitting(summary: RunSummary) -> Worry | None:
    train, held_out, error, split = _train_and_held_out(summary)
    gap = train - held_out
    if not gap > STANDARD_ERRORS * error:
        return None
    relative = _per_element(summary, gap, held_out)
    counting = summary.measure == "counting"
    least, serious = (
        (GAP_SHARE_OF_BOUND, SERIOUS_GAP_SHARE_OF_BOUND) if counting else (GAP_NATS_PER_ELEMENT, SERIOUS_GAP_NATS_PER_ELEMENT)
    )
    if relative < least:
        return None
    keeps_best = summary.config.get("training", {}).get("early_stopping_patience", 0) > 0
    keep = "" if keeps_best else "Keep the best validated weights (--set training.early_stopping_patience=50). "
    how_much = f"{relative:.0%} of the bound" if counting else f"{relative:.2f} nats an element"
    return Worry(
        "serious" if relative > serious else "warning",
        f"Overfitting: the model explains its training examples better than new ones ({split}).",
        f"gap {_short(gap)} nats: train {_short(train)}, {split} {_short(held_out)} ({how_much})",
        f"{keep}Use dropout (--set network.dropout=0.2), a smaller network, or more data. "
        "Report the bound on data that were not trained on.",
    )


def _past_best(summary: RunSummary) -> Worry | None:
    epochs, bounds = summary.finite("validation_elbo_nats")
    kept, best = _kept_index(summary, epochs), int(np.argmax(bounds))
    lost = float(bounds[best] - bounds[kept])
    least = RISE_SHARE_OF_BOUND if summary.measure == "counting" else RISE_NATS_PER_ELEMENT
    # The validation examples are the same at each look, so what is left of chance is the draw of z alone.
    if len(bounds) < FEWEST_RECORDS or _per_element(summary, lost, float(bounds[best])) < 5 * least:
        return None
    if lost < STANDARD_ERRORS * _noise(bounds):
        return None
    return Worry(
        "warning",
        f"The validation bound was best at epoch {epochs[best]:,.0f} and fell afterwards; the weights kept are those of the end.",
        f"{_short(lost)} nats lost since",
        "Keep the best validated weights: --set training.early_stopping_patience=50.",
    )


def _undertrained(summary: RunSummary) -> Worry | None:
    column = "validation_elbo_nats" if summary.has_validation else "train_elbo_nats"
    bounds = summary.finite(column)[1]
    tenth = len(bounds) // 10
    if len(bounds) < FEWEST_RECORDS or summary.stop_reason == "early stopping":
        return None
    last, before = bounds[-tenth:], bounds[-2 * tenth : -tenth]
    rise = float(last.mean() - before.mean())
    least = RISE_SHARE_OF_BOUND if summary.measure == "counting" else RISE_NATS_PER_ELEMENT
    chance = _noise(bounds) * math.sqrt(2 / tenth)
    if rise < STANDARD_ERRORS * chance or _per_element(summary, rise, float(last.mean())) < least:
        return None
    return Worry(
        "warning",
        "Training ended too soon: the bound was still rising.",
        f"{_short(rise)} nats gained in the last tenth of the epochs",
        f"Go on from here: {summary.resume_command} --epochs {2 * max(round(summary.epochs_run), 1)}.",
    )


def _noise(bounds: np.ndarray) -> float:
    """The standard deviation of one look about the trend, from the second differences of the second half of the record."""
    settled = bounds[len(bounds) // 2 :]
    second = np.diff(settled, 2)
    # Var(a - 2b + c) = 6 sigma²; 1.4826 makes the median absolute deviation a standard deviation.
    return 1.4826 * float(np.median(np.abs(second))) / math.sqrt(6) if len(second) else 0.0


def _diverging(summary: RunSummary) -> Worry | None:
    bounds = np.asarray(summary.history.get("train_elbo_nats", ()), float)
    if len(bounds) and not np.isfinite(bounds).all():
        return Worry(
            "serious",
            "Training diverged: the loss was not a number.",
            f"{int((~np.isfinite(bounds)).sum())} of {len(bounds)} looks",
            "Lower training.learning_rate or set training.gradient_clip=100, and look for extreme values in the data.",
        )
    if len(bounds) < FEWEST_RECORDS:
        return None
    tenth = len(bounds) // 10
    end, best = float(np.median(bounds[-tenth:])), float(bounds.max())
    climb = best - float(np.median(bounds[:tenth]))
    fall = best - end
    if fall < DIVERGED_SHARE * max(climb, 0.0) or fall < 2 * STANDARD_ERRORS * _noise(bounds) or climb <= 0:
        return None
    return Worry(
        "serious",
        "Training went backwards: the bound on the training data ended well below its best.",
        f"{_short(fall)} nats below the best",
        "Lower training.learning_rate, use training.learning_rate_schedule=cosine, or set training.gradient_clip=100.",
    )


def _kl_weight(summary: RunSummary) -> Worry | None:
    objective = summary.config.get("objective", {})
    beta, last = float(objective.get("beta", 1.0)), summary.last("kl_weight")
    if beta != 1.0:
        return Worry(
            "warning",
            "The KL term was weighted, so what was minimised is not a bound on the evidence. "
            "The bounds on this page are: they are computed with weight 1.",
            f"objective.beta = {beta:g}",
            "Compare this model with others by its ELBO or evidence, never by its loss.",
        )
    if math.isfinite(last) and last < 0.999:
        return Worry(
            "warning",
            "The KL warm-up had not ended when training did: the weights are those of an easier objective.",
            f"KL weight {last:.2f} at the end",
            f"Train beyond epoch {objective.get('warmup_epochs', 0)}, or set a smaller objective.warmup_epochs.",
        )
    return None


def _stopped(summary: RunSummary) -> Worry | None:
    if summary.is_finished:
        return None
    planned = summary.config.get("training", {}).get("epochs", 0)
    return Worry(
        "warning",
        "Training was stopped before its end; everything here is about the last checkpoint.",
        f"epoch {summary.epochs_run:,.4g}" + (f" of {planned:,}" if planned else ""),
        f"Go on from here: {summary.resume_command}.",
    )


def _mismatch(summary: RunSummary) -> Worry | None:
    moments = np.mean(np.asarray(summary.latent_means, np.float64) ** 2, axis=0)
    outside = int((moments > LARGEST_SECOND_MOMENT).sum())
    if not outside:
        return None
    return Worry(
        "warning",
        "The codes spread more widely than the prior, so that samples from the prior miss where many examples lie.",
        f"{outside} of {summary.latent_dim} latents; largest mean square {moments.max():.1f}, where the prior has 1",
        "Train longer with the full KL weight, or raise it a little; judge the samples with your own eyes.",
    )


def _constant(summary: RunSummary) -> Worry | None:
    number = int(np.sum(np.asarray(summary.spec.std) == 0))
    if number == 0:
        return None
    what = "pixels" if summary.spec.is_image else "columns"
    reason = (
        "The density there is limited by the scale's floor alone and tells nothing."
        if summary.measure == "lebesgue"
        else "They cost next to nothing once learnt, and flatter the bits per dimension."
    )
    return Worry(
        "note",
        f"Some {what} never change in the training data. {reason}",
        f"{number} of {summary.spec.num_elements} {what}",
        "Drop them if the score should not count them.",
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
    flat = np.asarray(examples[:200], np.float64).reshape(min(len(examples), 200), -1)
    if len(flat) < 2:
        return math.nan
    squares = (flat**2).sum(axis=1)
    squared = np.maximum(squares[:, None] + squares[None, :] - 2 * flat @ flat.T, 0)
    pairs = len(flat) * (len(flat) - 1)
    return float(np.sqrt(squared).sum() - np.sqrt(np.diag(squared)).sum()) / pairs


def _short(value: float) -> str:
    digits = f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return digits.replace("-", "\N{MINUS SIGN}")


CHECKS: tuple[Check, ...] = (
    Check("posterior collapse and unused latents", _collapse),
    Check("divergence of the training", _diverging, lambda s: len(s.history.get("train_elbo_nats", ())) > 0),
    Check(
        "samples as varied as the data",
        _alike,
        lambda s: math.isfinite(diversity(s)),
    ),
    Check("overfitting", _overfitting, lambda s: math.isfinite(_train_and_held_out(s)[1])),
    Check("the weights kept being the best ones", _past_best, lambda s: s.has_validation),
    Check("scales at their floor", _floor, lambda s: math.isfinite(s.last("fraction_at_floor"))),
    Check("training stopped early by hand or signal", _stopped),
    Check("training long enough", _undertrained, lambda s: len(s.finite("train_elbo_nats")[1]) >= FEWEST_RECORDS),
    Check("a KL weight of 1", _kl_weight),
    Check("codes that fit the prior", _mismatch, lambda s: len(s.latent_means) > 1),
    Check("elements that never change", _constant),
)
