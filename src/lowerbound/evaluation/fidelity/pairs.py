"""Pairs of columns: how near what one tells of the other is to what it tells in real rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import scipy.special

from ...data.columns import Column
from .coding import HOLE, Grouping, as_numbers, is_category
from .jackknife import NUM_GROUPS, groups_of, jackknife_error


@dataclasses.dataclass(frozen=True)
class PairCounts:
    """All that the figures of pairs need of some rows: sums over rows, so that those of a group of rows can be taken off.

    - `joint`: (S, S), S the number of groups of all columns together: how many rows are in both; one without a value is in none.
    - `sums`: (4, M, M) of the M columns of numbers, over the rows that have both: 1, x_i, x_i^2 and x_i x_j.
    - `starts`: (C,) the first group of each column.
    """

    joint: np.ndarray
    sums: np.ndarray
    starts: np.ndarray

    def without(self, other: PairCounts) -> PairCounts:
        """Those of the rows that are not among others."""
        return dataclasses.replace(self, joint=self.joint - other.joint, sums=self.sums - other.sums)

    @property
    def shares(self) -> np.ndarray:
        """(S, S) the share of rows in both groups, among the rows that have a value in both columns; 0 where there is no row."""
        totals = self._blocks(self.joint)
        sizes = np.diff([*self.starts, len(self.joint)])
        return self.joint / np.maximum(np.repeat(np.repeat(totals, sizes, axis=0), sizes, axis=1), 1)

    def _blocks(self, values: np.ndarray) -> np.ndarray:
        """(C, C) the sums over the groups of each pair of columns."""
        return np.add.reduceat(np.add.reduceat(values, self.starts, axis=0), self.starts, axis=1)

    @property
    def correlations(self) -> np.ndarray:
        """(M, M) Pearson's, over the rows that have both; 0 where one of the two does not vary in them."""
        count, total, square, product = self.sums / np.maximum(self.sums[0], 1)
        variance = square - total**2
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (product - total * total.T) / np.sqrt(variance * variance.T)
        return np.clip(np.where((count > 0) & (np.minimum(variance, variance.T) > 1e-12), found, 0.0), -1, 1)

    def total_variation(self, other: PairCounts) -> np.ndarray:
        """(C, C) (1/2) sum_ab |p_ab - q_ab| of each pair of columns."""
        return 0.5 * self._blocks(np.abs(self.shares - other.shares))

    @property
    def information(self) -> np.ndarray:
        r"""(C, C) the mutual information of each pair of columns in groups, over the mean of their entropies, in [0, 1].

            2 I(j; k) / (H(j) + H(k))

        0 where neither varies.
        """
        shares = self.shares
        both = self._blocks(scipy.special.entr(shares))
        # Of the groups of one column among the rows that have a value in the other one too.
        alone = np.add.reduceat(scipy.special.entr(np.add.reduceat(shares, self.starts, axis=1)), self.starts, axis=0)
        total = alone + alone.T
        return np.where(total > 1e-12, 2 * (total - both) / np.maximum(total, 1e-12), 0.0)


class PairFigures:
    """Pair trends and information of two samples, in groups and scales that training rows decide."""

    def __init__(self, training: np.ndarray, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._grouping = Grouping(training, columns)
        self._numeric = np.flatnonzero([not is_category(column) for column in columns])
        numbers = as_numbers(training, columns)[:, self._numeric]
        # Far from 0, sums of squares lose their digits.
        present = ~np.isnan(numbers)
        count = np.maximum(present.sum(axis=0), 1)
        self._center = np.where(present, numbers, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(present, (numbers - self._center) ** 2, 0).sum(axis=0) / count)
        self._scale = np.where(spread > 0, spread, 1.0)

    def counts(self, rows: np.ndarray) -> PairCounts:
        """The sums over these rows."""
        groups, sizes = self._grouping.groups(rows), self._grouping.sizes
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        member = np.zeros((len(rows), int(sizes.sum())))
        row, column = np.nonzero(groups != HOLE)
        member[row, starts[column] + groups[row, column]] = 1
        x = (as_numbers(rows, self.columns)[:, self._numeric] - self._center) / self._scale
        present = (~np.isnan(x)).astype(np.float64)
        x = np.where(present > 0, x, 0.0)
        sums = np.stack([present.T @ present, x.T @ present, (x**2).T @ present, x.T @ x])
        return PairCounts(member.T @ member, sums, starts)

    def by_group(self, rows: np.ndarray, seed: int) -> tuple[PairCounts, list[PairCounts]]:
        """The sums over these rows, and over those without each group of them."""
        group = groups_of(len(rows), seed)
        parts = [self.counts(rows[group == number]) for number in range(NUM_GROUPS)]
        whole = dataclasses.replace(parts[0], joint=sum(each.joint for each in parts), sums=sum(each.sums for each in parts))
        return whole, [whole.without(part) for part in parts]

    def trends(self, real: PairCounts, other: PairCounts) -> np.ndarray:
        r"""(C, C) of each pair of columns, 1 where they depend on each other alike; the diagonal is NaN.

            two columns of numbers:  1 - |r - s| / 2                     r, s the correlations
            others:                  1 - (1/2) sum_ab |p_ab - q_ab|      of the groups of `Grouping`

        The definitions of the SDMetrics library, but for the groups of numbers: theirs are of equal widths, so that a skewed
        column is nearly all in one; these are of equal counts. Ordinal columns are numbers here.
        """
        found = 1.0 - real.total_variation(other)
        similarity = 1.0 - np.abs(real.correlations - other.correlations) / 2
        found[np.ix_(self._numeric, self._numeric)] = similarity
        np.fill_diagonal(found, np.nan)
        return found


def information_agreement(real: PairCounts, other: PairCounts) -> float:
    r"""How much of what real columns tell of each other others tell too: 1 for all of it, about 0 for independent columns.

        1 - sum_{j<k} N_jk |N_jk - M_jk| / sum_{j<k} N_jk^2

    N is the matrix of normalised mutual information of the real rows (`PairCounts.information`) and M that of the others: each
    pair is weighted by what there is to be lost. Below 0 where columns tell of each other what is not so.
    """
    upper = np.triu_indices(len(real.starts), 1)
    own, others = real.information[upper], other.information[upper]
    square = float((own**2).sum())
    return 1.0 - float((own * np.abs(own - others)).sum()) / square if square > 0 else float("nan")


def mean_trend(figures: PairFigures, real: PairCounts, other: PairCounts) -> float:
    """The mean of `PairFigures.trends` over pairs."""
    return float(figures.trends(real, other)[np.triu_indices(len(figures.columns), 1)].mean())


def with_error_of_groups(
    statistic: Callable[[PairCounts, PairCounts], float],
    real: tuple[PairCounts, list[PairCounts]],
    other: tuple[PairCounts, list[PairCounts]],
) -> tuple[float, float]:
    """A figure of two samples, as `by_group` gives them, and its standard error."""
    left_out = [statistic(first, second) for first, second in zip(real[1], other[1], strict=True)]
    return statistic(real[0], other[0]), float(jackknife_error(np.asarray(left_out)))
