"""One look through rows that are not in memory: figures of all of them, and some of them as an array."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from ..columns.raw import RawTable, stacked
from ..spec import DataSpec
from .rows import AbstractRows

# Of the rows, so many numbers are looked at together for what takes more than one look: levels, quantiles, laws, kinds.
MOST_ELEMENTS = 1 << 24
_FEWEST_ROWS = 1000
# Of rows of so few elements at most, those with the extremes of each are among the sample.
_FEW_ELEMENTS = 512
# A deviation is that of values without their outliers where it is less than this share of that of all.
_OF_OUTLIERS = 0.5


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one look through some rows of a data set gives.

    - `rows`: the numbers of the sample's rows in the data set. `examples`: these rows. `table`: of a table of several kinds, the
      same as they were written.
    - `is_all`: whether the sample is all rows that were looked through, `count` of them.
    - `low`, `high`, `mean`, `std`, `whole`, `holes`: per element (flattened), over all rows: extremes, moments, whether every
      value is a whole number, the share without a value.
    """

    rows: np.ndarray
    examples: np.ndarray
    table: RawTable | None
    is_all: bool
    count: int
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    whole: np.ndarray
    holes: np.ndarray

    def of_columns(self, kept: list[int], table: RawTable) -> Sample:
        """The same of some columns of rows of numbers, which `table` says are of several kinds."""
        figures = {name: getattr(self, name)[kept] for name in ("low", "high", "mean", "std", "whole", "holes")}
        return dataclasses.replace(self, examples=self.examples[:, kept], table=table, **figures)

    @property
    def words(self) -> str:
        """What is looked at where it is not all: "(a sample of 1,000 of 20,000 rows)"."""
        return "" if self.is_all else f" (a sample of {len(self.rows):,} of {self.count:,} rows)"


def sample_of(source: AbstractRows, chosen: np.ndarray) -> Sample:
    """A look through the chosen rows, a block at a time; the sample is random, and the same for the same rows."""
    size = max(1, source.size // max(1, len(source)))
    count = min(len(chosen), max(_FEWEST_ROWS, MOST_ELEMENTS // size))
    is_all = count == len(chosen)
    taken = np.arange(count) if is_all else np.sort(np.random.default_rng(0).choice(len(chosen), count, replace=False))
    look, parts, tables, done = _Look(size), [], [], 0
    for numbers in source.blocks(chosen):
        block = source.read(numbers)
        look.add(block.reshape(len(block), -1), numbers)
        here = taken[(taken >= done) & (taken < done + len(numbers))] - done
        done += len(numbers)
        parts.append(block[here])
        if (table := source.table(numbers[here])) is not None:
            tables.append(table)
    rows, examples = chosen[taken], np.concatenate(parts)
    table = None if not tables else _joined(tables)
    if not is_all and size <= _FEW_ELEMENTS and table is None:
        numbers, extremes = look.extreme_rows(set(rows.tolist()))
        rows = np.concatenate([rows, numbers])
        examples = np.concatenate([examples, extremes.reshape(-1, *source.shape[1:]).astype(examples.dtype)])
    return Sample(rows, examples, table, is_all, len(chosen), *look.figures())


def with_figures(spec: DataSpec, sample: Sample) -> DataSpec:
    """The description of a sample with the figures of all rows; the same where the sample is all of them."""
    if sample.is_all:
        return spec
    own, std = ~spec.coded, np.asarray(spec.std)
    # Where the description left outliers out of the moments of the sample, it keeps those.
    plain = np.nanstd(sample.examples.reshape(len(sample.examples), -1), axis=0, dtype=np.float64)
    moved = own & (std >= _OF_OUTLIERS * plain)
    low, high = np.where(own, sample.low, spec.element_low), np.where(own, sample.high, spec.element_high)
    whole = np.where(own, sample.whole, spec.whole_elements)
    is_open = spec.kind == "continuous" and not spec.limits_known
    return dataclasses.replace(
        spec,
        mean=tuple(np.where(moved, sample.mean, spec.mean).tolist()),
        std=tuple(np.where(moved, sample.std, std).tolist()),
        element_low=tuple(low.tolist()),
        element_high=tuple(high.tolist()),
        low=float(low.min()) if is_open else spec.low,
        high=float(high.max()) if is_open else spec.high,
        is_whole=bool(whole.all()),
        not_whole=tuple(np.flatnonzero(~whole).tolist()) if whole.any() else (),
        holes=tuple(sample.holes.tolist()) if sample.holes.any() else (),
    )


def _joined(tables: list[RawTable]) -> RawTable:
    if len(tables) == 1:
        return tables[0]
    halves = _joined(tables[: len(tables) // 2]), _joined(tables[len(tables) // 2 :])
    return stacked(*halves)


class _Look:
    """The figures so far: means and squares joined block by block (Chan, Golub and LeVeque 1979), in double precision."""

    def __init__(self, size: int) -> None:
        self.count, self.seen = 0, np.zeros(size)
        self.low, self.high = np.full(size, np.inf), np.full(size, -np.inf)
        self.mean, self.squares, self.whole = np.zeros(size), np.zeros(size), np.ones(size, bool)
        self.rows: dict[tuple[str, int], tuple[int, np.ndarray]] = {}

    def add(self, flat: np.ndarray, numbers: np.ndarray) -> None:
        self.count += len(flat)
        values = flat.astype(np.float64)
        missing = np.isnan(values) if flat.dtype.kind == "f" else None
        seen = np.full(flat.shape[1], float(len(flat))) if missing is None else len(flat) - missing.sum(axis=0)
        with warnings.catch_warnings(), np.errstate(invalid="ignore", over="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
            if flat.dtype.kind == "f":
                self.whole &= ((values == np.rint(values)) | np.isnan(values)).all(axis=0)
            self._note(flat, numbers, "low", low < self.low, low)
            self._note(flat, numbers, "high", high > self.high, high)
            mean = (values.sum(axis=0) if missing is None else np.nansum(values, axis=0)) / np.maximum(seen, 1)
            away = np.square(values - mean)
            squares = away.sum(axis=0) if missing is None else np.nansum(away, axis=0)
            both = np.maximum(self.seen + seen, 1)
            shift = mean - self.mean
            self.mean = self.mean + shift * seen / both
            self.squares = self.squares + squares + shift**2 * self.seen * seen / both
        self.seen = self.seen + seen
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)

    def _note(self, flat: np.ndarray, numbers: np.ndarray, end: str, is_new: np.ndarray, extreme: np.ndarray) -> None:
        """Keep the rows in which elements have a new extreme."""
        if flat.shape[1] > _FEW_ELEMENTS:
            return
        for element in np.flatnonzero(is_new):
            place = int(np.argmax(flat[:, element] == extreme[element]))
            self.rows[end, int(element)] = int(numbers[place]), flat[place].copy()

    def extreme_rows(self, known: set[int]) -> tuple[np.ndarray, np.ndarray]:
        found = {number: row for number, row in self.rows.values() if number not in known}
        numbers = np.asarray(sorted(found), np.int64)
        return numbers, np.asarray([found[number] for number in numbers.tolist()]).reshape(len(numbers), len(self.low))

    def figures(self) -> tuple[np.ndarray, ...]:
        seen = np.maximum(self.seen, 1)
        std = np.where(self.low == self.high, 0.0, np.sqrt(self.squares / seen))
        return self.low, self.high, self.mean, std, self.whole, 1 - self.seen / max(1, self.count)
