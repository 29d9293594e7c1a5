"""How near synthetic rows are to rows of training. It shows copies; that there are none proves no privacy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ...data.columns import Column
from .coding import as_numbers, is_category

# Every row is compared with every other: a hundred million pairs take seconds.
MOST_ROWS, MOST_TRAINING = 1000, 20_000
_BLOCK = 2**23
NO_PROOF = (
    "Distances to the nearest row of training show copies and near copies. They prove no privacy: a row that is far from all of "
    "them may still give a person away."
)


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """Of rows and their nearest rows of training.

    - `median`: the median distance, in [0, 1]. `median_error`: its standard error, from the order statistics about it.
    """

    median: float
    median_error: float


def nearest_rows(rows: np.ndarray, training: np.ndarray, columns: Sequence[Column], *, seed: int = 0) -> Neighbours:
    r"""The distance from each row to the nearest row of training.

        d(a, b) = (1/C) sum_j d_j,   d_j = |r(a_j) - r(b_j)| of numbers, r the share of training below; of categories [a_j != b_j]

    (Gower 1971, with ranks in place of ranges.) Two holes are 0 apart, a hole and a value 1. At most `MOST_ROWS` rows and
    `MOST_TRAINING` rows of training are compared, at random.
    """
    rng = np.random.default_rng(seed)
    rows = rows[rng.permutation(len(rows))[:MOST_ROWS]]
    near = training[rng.permutation(len(training))[:MOST_TRAINING]]
    coded = [_places(sample, training, columns) for sample in (rows, near)]
    size = max(1, _BLOCK // len(near))
    blocks = [_nearest(coded[0][start : start + size], coded[1], columns) for start in range(0, len(rows), size)]
    distances = np.sort(np.concatenate(blocks))
    # A normal interval of 1 standard error for the rank of the median (Serfling 1980, section 2.6).
    middle, width = 0.5 * len(distances), 0.5 * np.sqrt(len(distances))
    low, high = (int(np.clip(round(rank), 0, len(distances) - 1)) for rank in (middle - width, middle + width))
    return Neighbours(float(np.median(distances)), float(distances[high] - distances[low]) / 2)


def num_copies(rows: np.ndarray, training: np.ndarray) -> int:
    """How many of the rows are one of training, cell by cell, holes included: all rows are looked up, not some."""
    whole = {row.tobytes() for row in _comparable(training)}
    return sum(row.tobytes() in whole for row in _comparable(rows))


def _places(rows: np.ndarray, training: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Codes of categories as they are; numbers as the share of training's that lie below, ties in the middle."""
    found = np.array(rows, np.float64)
    numbers, others = as_numbers(rows, columns), as_numbers(training, columns)
    for place, column in enumerate(columns):
        if not is_category(column):
            known = np.sort(others[~np.isnan(others[:, place]), place])
            own = np.isnan(numbers[:, place])
            below, upto = (np.searchsorted(known, numbers[:, place], side=side) for side in ("left", "right"))
            found[:, place] = np.where(own, np.nan, (below + upto) / (2 * max(len(known), 1)))
    return found


def _nearest(rows: np.ndarray, training: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    total = np.zeros((len(rows), len(training)), np.float32)
    for place, column in enumerate(columns):
        own, others = rows[:, place, None].astype(np.float32), training[None, :, place].astype(np.float32)
        apart = (own != others).astype(np.float32) if is_category(column) else np.abs(own - others)
        holes, lacks = np.isnan(own), np.isnan(others)
        total += np.where(holes | lacks, (holes != lacks).astype(np.float32), apart) if holes.any() or lacks.any() else apart
    return total.min(axis=1).astype(np.float64) / len(columns)


def _comparable(rows: np.ndarray) -> np.ndarray:
    """Rows whose bytes are equal where their values are: one NaN, one zero."""
    return np.where(np.isnan(rows), np.nan, rows + 0.0)
