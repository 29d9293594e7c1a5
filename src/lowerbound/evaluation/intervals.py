"""Intervals for hidden elements that hold: quantiles of the model, corrected by how far off they are where the truth is known."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from ..config.rules import Real
from ..data.spec import DataSpec
from .estimates import JsonRecord
from .hidden_cells import HiddenCells

# A group of rows needs so many known cells of a column: coverage given n of them varies by a standard deviation of .3 / sqrt(n).
FEWEST_OF_A_GROUP = 100
_MOST_GROUPS, _FOLDS = 4, 5
# Of the spread of a column, the width below which an interval counts as no narrower.
_LEAST_WIDTH = 0.05
_INTERVAL = Real(0.0, below=1.0, strictly_above=True)


def levels_of(interval: float) -> tuple[float, float]:
    """The lower and the upper quantile of a central interval; raises `ConfigurationError` for none between 0 and 1.

    >>> levels_of(0.5)
    (0.25, 0.75)
    """
    tail = (1 - _INTERVAL.convert("interval", interval)) / 2
    return tail, 1 - tail


class _Group(NamedTuple):
    """Cells of rows of which at most this share is missing: how far the quantiles move apart, in their own widths."""

    largest_share: float
    correction: float
    num_cells: int


@dataclasses.dataclass(frozen=True)
class ColumnCoverage(JsonRecord):
    """How intervals of one column hold, on cells that the model was not shown.

    - `num_cells`: of the column, that were hidden. `num_groups`: of rows, by how much of them is missing.
    - `own_coverage`: of the model's own quantiles. `coverage`: of corrected ones, where the cells of each fifth of the rows are
      judged by the others; `coverage_error`: its standard error.
    - `width`: the mean width of corrected intervals over that of the column's own quantiles.
    - `error`: of the filled values, root mean square over the column's standard deviation; of categories the share that is wrong.
    """

    name: str
    kind: str
    num_cells: int
    num_groups: int
    own_coverage: float
    coverage: float
    coverage_error: float
    width: float
    error: float


class Intervals:
    r"""Conformalised quantiles for each column (Romano et al. 2019, arXiv 1905.03222; scaled as by Sesia and Candes 2020).

        s = max(q_low - x, x - q_high) / max(q_high - q_low, u),   [q_low - Q w, q_high + Q w],   w = max(q_high - q_low, u)

    with Q the \lceil (n + 1) c \rceil-th smallest of the scores s of n hidden cells of the column, c the coverage that is wanted
    and u a least width. Rows are taken apart by how much of them is missing, where there are cells enough. Where the cells to be
    filled are missing like the hidden ones were, at random, an interval holds its cell with a probability of c or more, over both
    the cells and the rows to calibrate with, whatever the model is. Of a picture all elements share one correction.

    - `cells`: known cells that were hidden, with the quantiles at the `levels_of(interval)`.
    """

    def __init__(self, cells: HiddenCells, spec: DataSpec, interval: float) -> None:
        self.interval, self.spec = interval, spec
        self.fewest = math.ceil(interval / (1 - interval) - 1e-9)
        self._least = _least_widths(spec)
        self._groups = {unit: self._grouped(cells[self._unit_of(cells.element) == unit]) for unit in range(self.num_units)}
        self.coverage = tuple(self._coverage(cells, unit) for unit in range(self.num_units) if self._groups[unit])

    @property
    def num_units(self) -> int:
        """Columns of a table; 1 where all elements share one correction."""
        return self.spec.num_elements if len(self.spec.event_shape) == 1 else 1

    def around(self, low: np.ndarray, high: np.ndarray, element: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The corrected ends, (m,), of cells with these quantiles; from -inf to inf where too few cells of a column are known.

        - `element`: of each cell, `share`: of its row that is missing.
        """
        unit = self._unit_of(element)
        correction = np.full(len(element), np.inf)
        for number, groups in self._groups.items():
            correction[unit == number] = _of_groups(groups, share[unit == number])
        width = np.maximum(high - low, self._least[element])
        with np.errstate(invalid="ignore"):
            return self._possible(low - correction * width, high + correction * width, element)

    def _unit_of(self, element: np.ndarray) -> np.ndarray:
        return element if self.num_units > 1 else np.zeros_like(element)

    def _scores(self, cells: HiddenCells) -> np.ndarray:
        width = np.maximum(cells.high - cells.low, self._least[cells.element])
        return np.maximum(cells.low - cells.truth, cells.truth - cells.high) / width

    def _grouped(self, cells: HiddenCells) -> tuple[_Group, ...]:
        """The corrections, from rows of which little is missing to those of which much is."""
        if not len(cells):
            return ()
        scores = self._scores(cells)
        fewest = max(FEWEST_OF_A_GROUP, 2 * self.fewest)
        for count in range(min(_MOST_GROUPS, len(cells) // fewest), 0, -1):
            ends = np.unique(np.quantile(cells.share, np.arange(1, count) / count, method="lower"))
            # Few rows may have many of one number of holes.
            ends = ends[ends < cells.share.max()]
            number = np.searchsorted(ends, cells.share, side="left")
            sizes = np.bincount(number, minlength=len(ends) + 1)
            if sizes.min() >= fewest:
                return tuple(
                    _Group(float(end), _conformal(scores[number == group], self.interval), int(sizes[group]))
                    for group, end in enumerate([*ends, np.inf])
                )
        return (_Group(np.inf, _conformal(scores, self.interval), len(cells)),)

    def _coverage(self, cells: HiddenCells, unit: int) -> ColumnCoverage:
        own = cells[self._unit_of(cells.element) == unit]
        fold = own.row % _FOLDS
        low, high = own.low.copy(), own.high.copy()
        for number in range(_FOLDS):
            test = fold == number
            correction = _of_groups(self._grouped(own[~test]), own.share[test])
            width = np.maximum(own.high[test] - own.low[test], self._least[own.element[test]])
            with np.errstate(invalid="ignore"):
                low[test], high[test] = self._possible(
                    own.low[test] - correction * width, own.high[test] + correction * width, own.element[test]
                )
        covered = float(np.mean((low <= own.truth) & (own.truth <= high)))
        ends = np.quantile(own.truth, levels_of(self.interval))
        spread = float(own.truth.std())
        column = self.spec.columns[unit] if self.spec.columns else None
        is_named = column is not None and column.kind in ("binary", "categorical")
        with np.errstate(invalid="ignore", divide="ignore"):
            error = np.mean(own.point != own.truth) if is_named else np.sqrt(np.mean((own.point - own.truth) ** 2)) / spread
            width = float(np.mean(high - low) / (ends[1] - ends[0]))
        return ColumnCoverage(
            name=self.spec.element_name(unit).strip("'") if self.num_units > 1 else f"every {self.spec.element_word}",
            kind=self.spec.kind if column is None else column.kind,
            num_cells=len(own),
            num_groups=len(self._groups[unit]),
            own_coverage=float(np.mean((own.low <= own.truth) & (own.truth <= own.high))),
            coverage=covered,
            coverage_error=math.sqrt(covered * (1 - covered) / len(own)),
            width=width,
            error=float(error),
        )

    def _possible(self, low: np.ndarray, high: np.ndarray, element: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ends inside what a value can be, and whole where every value is: no cell leaves its interval by that."""
        least, most = _range_of(self.spec)
        whole = self.spec.whole_elements[element]
        middle = np.rint((low + high) / 2)
        low, high = np.where(whole, np.ceil(low - 1e-6), low), np.where(whole, np.floor(high + 1e-6), high)
        # Between two whole numbers there is none: the nearest one.
        low, high = np.where(low > high, middle, low), np.where(low > high, middle, high)
        return np.clip(low, least[element], most[element]), np.clip(high, least[element], most[element])


def _conformal(scores: np.ndarray, interval: float) -> float:
    """The score that the next one is at most, with this probability or more; infinite where too few are known."""
    place = math.ceil((len(scores) + 1) * interval - 1e-9)
    return float(np.partition(scores, place - 1)[place - 1]) if place <= len(scores) else math.inf


def _of_groups(groups: tuple[_Group, ...], share: np.ndarray) -> np.ndarray:
    if not groups:
        return np.full(len(share), np.inf)
    number = np.searchsorted([group.largest_share for group in groups[:-1]], share, side="left")
    return np.asarray([group.correction for group in groups])[number]


def _least_widths(spec: DataSpec) -> np.ndarray:
    """Of each element, the width below which a model that is sure of a value is not taken at its word."""
    step = np.broadcast_to(np.asarray(spec.step, np.float64), (spec.num_elements,)).copy()
    std = np.asarray(spec.std, np.float64)
    least = np.where(spec.whole_elements, np.maximum(step, 1.0), np.maximum(step, _LEAST_WIDTH * std))
    return np.where(least > 0, least, 1.0)


def _range_of(spec: DataSpec) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value that each element can have at all."""
    size = spec.num_elements
    least, most = np.full(size, -np.inf), np.full(size, np.inf)
    if spec.limits_known or spec.is_discrete:
        return np.full(size, spec.low), np.full(size, spec.high)
    for place, column in enumerate(spec.columns):
        if column.kind in ("positive", "zero-inflated", "count"):
            least[place] = 0.0
        if column.is_coded:
            least[place], most[place] = 0.0, len(column.categories) - 1.0
    return least, most
