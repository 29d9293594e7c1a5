"""How good probabilities of classes are: accuracy, calibration error, log loss, each with its error bar."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..errors import DataError
from .estimates import JsonRecord

# Bins of equally many rows, as most papers have, and so many rows in each at least.
NUM_BINS, FEWEST_IN_BIN = 15, 10
_RESAMPLES = 1000
# A probability of 0 that comes true would make any mean infinite.
_SMALLEST = 1e-6


@dataclasses.dataclass(frozen=True)
class Classification(JsonRecord):
    r"""Classes with their probabilities beside the true ones, of rows that the model was not trained on.

    - `accuracy`: the share of rows whose most probable class is the true one.
    - `calibration_error`: the expected calibration error, sum over bins b of (n_b / n) |accuracy_b - confidence_b|, where a row's
      confidence is the probability of its most probable class and the `num_bins` bins hold equally many rows in the order of
      confidence (Naeini et al. 2015; Nguyen and O'Connor 2015 for equal mass).
    - `calibration_error_by_chance`: the mean of that error were each confidence just right, with as few rows: it is never 0.
    - `log_loss`: the mean of -log P(true class) in nats.
    - Each `..._standard_error` is that of the figure over rows; that of the calibration error from bootstrap samples of the rows.
    """

    num_rows: int
    accuracy: float
    accuracy_standard_error: float
    calibration_error: float
    calibration_error_standard_error: float
    calibration_error_by_chance: float
    num_bins: int
    log_loss: float
    log_loss_standard_error: float


def classification(probabilities: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Classification:
    """The figures of (n, K) `probabilities` beside the numbers of the true classes `labels`, (n,).

    Raises `DataError` where there is no row.
    """
    if not len(labels):
        raise DataError("no example has a label; expected one at least, to count errors.")
    rng = np.random.default_rng(seed)
    confidence = probabilities.max(axis=1)
    is_right = (probabilities.argmax(axis=1) == labels).astype(float)
    order = np.argsort(confidence, kind="stable")
    confidence, is_right = confidence[order], is_right[order]
    count = len(labels)
    num_bins = max(1, min(NUM_BINS, count // FEWEST_IN_BIN))
    bins = np.arange(count) * num_bins // count
    resampled = [
        _expected_error(confidence, is_right, bins, w) for w in rng.multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    ]
    by_chance = [_expected_error(confidence, rng.random(count) < confidence, bins) for _ in range(_RESAMPLES)]
    accuracy = float(is_right.mean())
    losses = -np.log(np.maximum(probabilities[np.arange(count), labels], _SMALLEST))
    return Classification(
        num_rows=count,
        accuracy=accuracy,
        accuracy_standard_error=(accuracy * (1 - accuracy) / count) ** 0.5,
        calibration_error=_expected_error(confidence, is_right, bins),
        calibration_error_standard_error=float(np.std(resampled)),
        calibration_error_by_chance=float(np.mean(by_chance)),
        num_bins=num_bins,
        log_loss=float(losses.mean()),
        log_loss_standard_error=float(losses.std() / count**0.5),
    )


def _expected_error(confidence: np.ndarray, is_right: np.ndarray, bins: np.ndarray, weight: np.ndarray | None = None) -> float:
    gap = is_right - confidence if weight is None else weight * (is_right - confidence)
    return float(np.abs(np.bincount(bins, gap)).sum() / len(gap))
