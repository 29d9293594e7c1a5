"""Each column by itself: how near the law of its values is, and how many cells have none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.columns import Column
from .jackknife import NUM_GROUPS, groups_of, jackknife_error


def column_shapes(real: np.ndarray, other: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    r"""(C,) of each column, 1 for the same law and 0 for laws that never meet; over the cells that have a value.

        coded:  1 - (1/2) sum_k |p_k - q_k|      one less the total variation
        other:  1 - sup_x |F(x) - G(x)|          one less the Kolmogorov-Smirnov distance

    Two samples of one law come out below 1, by about 1 / sqrt(n). NaN where one of the samples has no value in the column.

    - `real`, `other`: (n, C) and (m, C), as `Column.encode` gives them.
    """
    return np.asarray([_shape(real[:, place], other[:, place], column) for place, column in enumerate(columns)])


def column_shapes_without_groups(real: np.ndarray, other: np.ndarray, columns: Sequence[Column], seed: int = 0) -> np.ndarray:
    """(groups, C): the same without one group of rows each, for `jackknife_error`."""
    own, others = groups_of(len(real), seed), groups_of(len(other), seed + 1)
    return np.asarray([column_shapes(real[own != group], other[others != group], columns) for group in range(NUM_GROUPS)])


def _shape(real: np.ndarray, other: np.ndarray, column: Column) -> float:
    real, other = real[~np.isnan(real)], other[~np.isnan(other)]
    if not len(real) or not len(other):
        return float("nan")
    if column.is_coded:
        shares = [np.bincount(np.rint(codes).astype(int), minlength=column.num_codes) / len(codes) for codes in (real, other)]
        return 1.0 - 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    # SciPy's test works out a p-value too, which takes longer than all the rest.
    points = np.concatenate([real, other])
    below = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (real, other)]
    return 1.0 - float(np.abs(below[0] - below[1]).max())


def mean_shape(real: np.ndarray, other: np.ndarray, columns: Sequence[Column], seed: int = 0) -> tuple[float, float]:
    """The mean of `column_shapes` over columns, and its standard error."""
    value = _mean(column_shapes(real, other, columns)[None])[0]
    return float(value), float(jackknife_error(_mean(column_shapes_without_groups(real, other, columns, seed))))


def _mean(shapes: np.ndarray) -> np.ndarray:
    known = ~np.isnan(shapes)
    return np.where(known, shapes, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)


def missing_shares(rows: np.ndarray) -> np.ndarray:
    """(C,) the share of cells without a value in each column."""
    return np.isnan(rows).mean(axis=0)


def missing_agreement(real: np.ndarray, other: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The mean over columns of 1 - |difference of the shares of cells without a value|, and its standard error."""
    own, others = groups_of(len(real), seed), groups_of(len(other), seed + 1)

    def agreement(first: np.ndarray, second: np.ndarray) -> float:
        return 1.0 - float(np.abs(missing_shares(first) - missing_shares(second)).mean())

    left_out = [agreement(real[own != group], other[others != group]) for group in range(NUM_GROUPS)]
    return agreement(real, other), float(jackknife_error(np.asarray(left_out)))
