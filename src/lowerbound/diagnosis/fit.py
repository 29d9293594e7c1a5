"""How training went: long enough, not too long, forwards, and to its end."""

from __future__ import annotations

import math

import numpy as np

from ..summaries import RunSummary, Score
from ..training import NOT_FINITE
from .finding import FEWEST_RECORDS, STANDARD_ERRORS, Check, Finding, retrain, short

# A gap of 0.05 nats an element: each element is 5 % less probable on new data. Bounds on log-probabilities have a natural zero,
# so there the gap is compared with the bound itself, of which it is a share.
GAP, SERIOUS_GAP = 0.05, 0.2
# The last tenth of training still added this much (per element, or as a share of the bound for log-probabilities).
RISE = {"lebesgue": 0.002, "mixed": 0.002, "counting": 0.005}
# Of Adam. After a divergence no higher one is proposed.
USUAL_RATE = 1e-3
# The bound ended this share of its whole climb below its best.
DIVERGED_SHARE = 0.05


def _per_element(summary: RunSummary, difference: float, bound: float) -> float:
    return difference / abs(bound) if summary.measure == "counting" else difference / summary.spec.num_elements


def _on_whole_training_examples(summary: RunSummary) -> Score | None:
    """The bound on training examples as held-out ones have it: nothing hidden, no dropout."""
    return summary.score("elbo_nats", "train") or summary.bound_on_training


def _train_and_held_out(summary: RunSummary) -> tuple[float, float, float, str]:
    """The bound on training data and on data not trained on, the standard error of their difference, and that split.

    The error is NaN where a single example was held out, of which nobody knows how far it is from others. Where cells were hidden
    the record of training is of other examples than the held-out ones, and says nothing here; where dropout was on it is lower
    than the bound of the model that is kept, and is the last resort.
    """
    hides = bool(summary.config.training.hide_elements)
    train = _on_whole_training_examples(summary)
    known = [train.standard_error] if train is not None and math.isfinite(train.standard_error) else []
    for split in ("validation", "test"):
        held_out = summary.score("elbo_nats", split)
        if train is not None and held_out is not None:
            return train.value, held_out.value, math.hypot(held_out.standard_error, *known), split
    epochs, bounds = summary.finite("validation_elbo_nats")
    train_epochs, train_bounds = summary.finite("train_elbo_nats")
    if not len(bounds) or (train is None and (hides or not len(train_bounds))):
        return math.nan, math.nan, math.nan, "validation"
    best = _kept_index(summary, epochs)
    errors = summary.finite("validation_standard_error_nats")[1]
    error = math.nan if "validation_standard_error_nats" in summary.history else 0.0
    error = float(errors[best]) if len(errors) == len(bounds) else error
    if train is not None:
        return train.value, float(bounds[best]), math.hypot(error, *known), "validation"
    at_best = train_bounds[int(np.argmin(np.abs(train_epochs - epochs[best])))]
    return float(at_best), float(bounds[best]), error, "validation"


def _kept_index(summary: RunSummary, epochs: np.ndarray) -> int:
    """Where in the record the weights that were kept stood."""
    if summary.config.training.early_stopping_patience > 0 and summary.best_epoch > 0:
        return int(np.argmin(np.abs(epochs - summary.best_epoch)))
    return len(epochs) - 1


def _overfitting(summary: RunSummary) -> Finding | None:
    train, held_out, error, split = _train_and_held_out(summary)
    gap = train - held_out
    if not gap > STANDARD_ERRORS * error:
        return None
    relative = _per_element(summary, gap, held_out)
    if relative < GAP:
        return None
    keep, settings = "", []
    if summary.config.training.early_stopping_patience == 0 and summary.has_validation:
        epochs, bounds = summary.finite("validation_elbo_nats")
        keep = f"Keep the best validated weights, here those of epoch {epochs[int(np.argmax(bounds))]:,.0f}. "
        settings.append("training.early_stopping_patience=50")
    dropout = summary.config.network.get("dropout", None)
    # The record of training is with dropout on, as no other bound is.
    is_thinned = dropout and _on_whole_training_examples(summary) is None
    thinned = " with dropout" if is_thinned else ""
    if dropout == 0:
        settings.append("network.dropout=0.2")
    how_much = f"{relative:.0%} of the bound" if summary.measure == "counting" else f"{relative:.2f} nats an element"
    return Finding(
        "serious" if relative > SERIOUS_GAP else "warning",
        f"Overfitting: the model explains its training examples better than new ones ({split}).",
        f"gap {short(gap)} ± {short(error)} nats: train {short(train)}{thinned}, {split} {short(held_out)} ({how_much})",
        f"{keep}Use {'dropout, ' if dropout == 0 else ''}a smaller network, or more data. Report the bound on data that were not "
        "trained on.",
        retrain(summary, *settings) if settings else "",
    )


def _past_best(summary: RunSummary) -> Finding | None:
    epochs, bounds = summary.finite("validation_elbo_nats")
    kept, best = _kept_index(summary, epochs), int(np.argmax(bounds))
    lost = float(bounds[best] - bounds[kept])
    # The validation examples are the same at each look, so what is left of chance is the draw of z alone.
    if len(bounds) < FEWEST_RECORDS or _per_element(summary, lost, float(bounds[best])) < 5 * RISE[summary.measure]:
        return None
    if lost < STANDARD_ERRORS * _noise(bounds):
        return None
    return Finding(
        "warning",
        f"The validation bound was best at epoch {epochs[best]:,.0f} and fell afterwards; the weights kept are those of the end.",
        f"{short(lost)} nats lost since",
        "Keep the best validated weights.",
        retrain(summary, "training.early_stopping_patience=50"),
    )


def _undertrained(summary: RunSummary) -> Finding | None:
    column = "validation_elbo_nats" if summary.has_validation else "train_elbo_nats"
    bounds = summary.finite(column)[1]
    tenth = len(bounds) // 10
    if len(bounds) < FEWEST_RECORDS or summary.stop_reason == "early stopping":
        return None
    last, before = bounds[-tenth:], bounds[-2 * tenth : -tenth]
    rise = float(last.mean() - before.mean())
    chance = _noise(bounds) * math.sqrt(2 / tenth)
    if rise < STANDARD_ERRORS * chance or _per_element(summary, rise, float(last.mean())) < RISE[summary.measure]:
        return None
    return Finding(
        "warning",
        "Training ended too soon: the bound was still rising.",
        f"{short(rise)} nats gained in the last tenth of the epochs",
        "Go on from here.",
        f"{summary.resume_command} --epochs {2 * max(round(summary.epochs_run), 1)}",
    )


def _noise(bounds: np.ndarray) -> float:
    """The standard deviation of one look about the trend, from the second differences of the second half of the record."""
    settled = bounds[len(bounds) // 2 :]
    second = np.diff(settled, 2)
    # Var(a - 2b + c) = 6 sigma²; 1.4826 makes the median absolute deviation a standard deviation.
    return 1.4826 * float(np.median(np.abs(second))) / math.sqrt(6) if len(second) else 0.0


def _diverging(summary: RunSummary) -> Finding | None:
    column = "train_elbo_nats" if summary.has_bound else "train_reconstruction_nats"
    bounds = np.asarray(summary.history.get(column, ()), float)
    training = summary.config.training
    gentler = retrain(
        summary, f"training.learning_rate={min(training.learning_rate / 3, USUAL_RATE):.2g}", "training.gradient_clip=100"
    )
    advice = ["lower the learning rate", *(["clip the gradient"] if not training.gradient_clip else [])]
    not_finite = int((~np.isfinite(bounds)).sum())
    if not_finite or summary.stop_reason == NOT_FINITE:
        looks = f"{not_finite} of {len(bounds)} looks"
        return Finding(
            "serious",
            "Training diverged: the loss was not a number.",
            looks if not_finite else f"training ended at epoch {summary.epochs_run:,.4g}: {NOT_FINITE}",
            f"{_sentence(advice)}, and look for extreme values in the data.",
            gentler,
        )
    is_constant = training.learning_rate_schedule == "constant"
    falling = ["let the rate fall (training.learning_rate_schedule=cosine)"] if is_constant else []
    if len(bounds) < FEWEST_RECORDS or (summary.has_bound and not summary.loss_is_bound):
        # The bound may fall by right where something else is trained.
        return None
    tenth = len(bounds) // 10
    end, best = float(np.median(bounds[-tenth:])), float(bounds.max())
    climb = best - float(np.median(bounds[:tenth]))
    fall = best - end
    if fall < DIVERGED_SHARE * max(climb, 0.0) or fall < 2 * STANDARD_ERRORS * _noise(bounds) or climb <= 0:
        return None
    return Finding(
        "serious",
        "Training went backwards: the bound on the training data ended well below its best.",
        f"{short(fall)} nats below the best",
        f"{_sentence(advice + falling)}.",
        gentler,
    )


def _sentence(steps: list[str]) -> str:
    """`Lower the learning rate, or clip the gradient`."""
    text = ", or ".join(steps)
    return text[0].upper() + text[1:]


def _stopped(summary: RunSummary) -> Finding | None:
    if summary.is_finished or summary.stop_reason == NOT_FINITE:
        return None
    return Finding(
        "warning",
        "Training was stopped before its end; everything here is about the last checkpoint.",
        f"epoch {summary.epochs_run:,.4g} of {summary.config.training.epochs:,}",
        "Go on from here.",
        summary.resume_command,
    )


DIVERGENCE = Check(
    "divergence",
    "divergence of the training",
    _diverging,
    lambda s: len(s.history.get("train_elbo_nats", ())) > 0 or s.stop_reason == NOT_FINITE,
    "a record of training",
    needs_training=False,
)
CHECKS = (
    Check(
        "overfitting",
        "overfitting",
        _overfitting,
        lambda s: bool(np.isfinite(_train_and_held_out(s)[1:3]).all()),
        "a bound on whole examples that were trained on, and on two or more that were held out",
    ),
    Check("past-best", "the weights kept being the best ones", _past_best, lambda s: s.has_validation, "a validation split"),
    Check("stopped", "training stopped early by hand or signal", _stopped),
    Check(
        "under-training",
        "training long enough",
        _undertrained,
        lambda s: len(s.finite("train_elbo_nats")[1]) >= FEWEST_RECORDS,
        f"a bound at {FEWEST_RECORDS} looks or more",
    ),
)
