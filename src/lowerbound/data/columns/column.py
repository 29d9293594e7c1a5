"""One column of a table: of what kind it is and why, and how its cells become numbers and numbers become cells again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Literal

import numpy as np

from ...errors import DataError, shortened
from .cells import with_point
from .raw import RawTable, is_missing

ColumnKind = Literal[
    "real",
    "positive",
    "zero-inflated",
    "count",
    "binary",
    "categorical",
    "ordinal",
    "date-time",
    "constant",
    "identifier",
    "text",
]
KINDS_IN_WORDS: dict[ColumnKind, str] = {
    "real": "any number",
    "positive": "numbers above 0",
    "zero-inflated": "0, or a number above it",
    "count": "whole numbers from 0 up, without a limit",
    "binary": "one of two values",
    "categorical": "one of several values without an order",
    "ordinal": "one of several numbers",
    "date-time": "a day, or a moment",
    "constant": "always the same value",
    "identifier": "a value of its own in each row",
    "text": "sentences",
}
# Each value is a number of its own: 0, 1, 2, ...
CODED: tuple[ColumnKind, ...] = ("binary", "categorical", "ordinal")
# Such columns are no part of an example.
LEFT_OUT: tuple[ColumnKind, ...] = ("constant", "identifier", "text")
UNSEEN = "(unseen)"
_DAY = 86_400_000_000


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table of rows, from the rows that a model is trained on.

    A cell becomes a number: of a coded column the place of its value among `categories`, `len(categories)` for a value that
    training did not see; of a date-time the days since 1970 began; of others the number itself. NaN stands for no value.

    - `kind`, and the `reason` for it, with the values that decided it.
    - `likelihood`: the name of its law where one is asked for; "" for that of its kind.
      `is_standardised`: whether that law is about the column at mean 0 and deviation 1, and not about its numbers as they are.
    - `categories`: the values of a coded column in the order of their codes: texts, or numbers. `counts`: how often each occurs.
    - `unseen`: of a coded column, the probability of a value that training did not see.
    - `missing`: the share of cells without a value.
    - `low`, `high`: the extremes. `decimals`: the digits after the point with which all numbers are written, -1 where too many.
    - `quantiles`: of a column that is not coded, from its lowest to its highest value in equal shares of the rows.
    """

    name: str
    kind: ColumnKind
    reason: str = ""
    likelihood: str = ""
    is_standardised: bool = False
    categories: tuple[float | str, ...] = ()
    counts: tuple[int, ...] = ()
    unseen: float = 0.0
    missing: float = 0.0
    low: float = 0.0
    high: float = 0.0
    decimals: int = -1
    quantiles: tuple[float, ...] = ()

    @property
    def is_coded(self) -> bool:
        """Whether its numbers are places among `categories`."""
        return self.kind in CODED

    @property
    def is_left_out(self) -> bool:
        """Whether it is no part of an example."""
        return self.kind in LEFT_OUT

    @property
    def is_discrete(self) -> bool:
        """Whether its values have probabilities and not densities."""
        return self.is_coded or self.kind == "count"

    @property
    def has_texts(self) -> bool:
        """Whether its values are texts."""
        return any(isinstance(category, str) for category in self.categories)

    @property
    def num_codes(self) -> int:
        """How many values a coded column has, that of unseen ones included."""
        return len(self.categories) + 1

    @property
    def words(self) -> str:
        """What its cells may hold."""
        if not self.is_coded:
            return KINDS_IN_WORDS[self.kind]
        shown = ", ".join(in_words(category) for category in self.categories[:8])
        return f"one of {shown}{f', ... ({len(self.categories):,} in all)' if len(self.categories) > 8 else ''}"

    def encode(self, table: RawTable) -> np.ndarray:
        """(n,) float64: the cells of this column of a table; NaN for no value.

        Raises `DataError`, with the line and the column, for a cell that is no number, or no time, where one is expected; and
        when the table lacks the column.
        """
        cells = table.column(self.name)
        missing = is_missing(cells)
        if self.kind == "date-time":
            return _days(_as_times(cells, missing, table, self.name))
        if not self.is_coded:
            return _as_numbers(cells, missing, table, self.name)
        values = _as_texts(cells) if self.has_texts else _as_numbers(cells, missing, table, self.name).tolist()
        place: dict[float | str | None, int] = {category: code for code, category in enumerate(self.categories)}
        if {str(category).lower() for category in self.categories} <= _BOOLEANS.keys():
            # Yes and no, however they are written: true, True, 1, 1.0.
            words = {str(text).lower(): code for text, code in place.items()}
            place |= words | {_BOOLEANS[word]: code for word, code in words.items()}
            values = [value if value in place else str(value).lower() for value in values]
        codes = np.asarray([place.get(value, len(self.categories)) for value in values], np.float64)
        return np.where(missing, np.nan, codes)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """The raw column, as `RawTable` has it, of numbers as `encode` gives them; numbers are rounded to `decimals`."""
        values = np.asarray(values, np.float64)
        missing = np.isnan(values)
        if self.is_coded:
            named = [*self.categories, UNSEEN if self.has_texts else np.nan]
            codes = np.clip(np.where(missing, 0, np.rint(values)), 0, len(self.categories)).astype(int)
            if self.has_texts:
                return np.asarray([None if lacks else named[code] for code, lacks in zip(codes, missing, strict=True)], object)
            return np.where(missing, np.nan, np.asarray(named, np.float64)[codes])
        if self.kind == "date-time":
            moments = np.full(len(values), np.datetime64("NaT", "us"))
            unit = 1 if self.decimals != 0 else _DAY
            moments[~missing] = (np.rint(values[~missing] * (_DAY / unit)).astype(np.int64) * unit).astype("datetime64[us]")
            return moments
        return values if self.decimals < 0 else np.round(values, self.decimals) + 0.0

    def shifted(self, origin: float) -> Column:
        """The column of values from which `origin` is subtracted."""
        if origin == 0:
            return self
        quantiles = tuple(value - origin for value in self.quantiles)
        return dataclasses.replace(self, low=self.low - origin, high=self.high - origin, quantiles=quantiles)

    def fitted(self, table: RawTable) -> Column:
        """The same kind of column with everything that is counted, of these rows alone."""
        cells = table.column(self.name)
        missing = is_missing(cells)
        share = float(missing.mean()) if len(missing) else 0.0
        if self.is_left_out:
            return dataclasses.replace(self, missing=share)
        if not self.is_coded:
            values = self.encode(table)[~missing]
            if not len(values):
                return dataclasses.replace(self, missing=share)
            return dataclasses.replace(
                self,
                missing=share,
                low=float(values.min()),
                high=float(values.max()),
                decimals=_date_decimals(values) if self.kind == "date-time" else _decimals(values),
                quantiles=tuple(np.quantile(values, np.linspace(0, 1, _QUANTILES)).tolist()),
            )
        found = np.asarray(_as_texts(cells) if self.has_texts else cells, object if self.has_texts else np.float64)[~missing]
        distinct, counts = np.unique(found.astype(str) if self.has_texts else found, return_counts=True)
        if not len(distinct):
            return dataclasses.replace(self, missing=share)
        if self.kind == "ordinal" and self.has_texts:
            # The order that a person stated.
            place = {category: code for code, category in enumerate(self.categories)}
            order = np.argsort([place.get(text, len(place)) for text in distinct.tolist()], kind="stable")
            distinct, counts = distinct[order], counts[order]
        # Good and Turing: values that occur once tell how many there are that do not occur.
        once, total = int((counts == 1).sum()), int(counts.sum())
        unseen = min(0.5, max(once, 1.0) / (total + 1)) if self.kind == "categorical" else 1.0 / (total + 1)
        return dataclasses.replace(
            self,
            missing=share,
            categories=tuple(distinct.tolist()),
            counts=tuple(counts.tolist()),
            unseen=unseen,
            low=0.0,
            high=float(len(distinct) - 1),
            decimals=0,
        )


def whole_columns(columns: Iterable[Column]) -> list[str]:
    """The names of the columns that hold whole numbers."""
    return [column.name for column in columns if column.decimals == 0 and column.kind != "date-time"]


_BOOLEANS = {"true": "1", "false": "0"}
_QUANTILES = 17
_MOST_DECIMALS = 12


def in_words(category: float | str) -> str:
    """A category as it is shown and typed."""
    return category if isinstance(category, str) else f"{category:.15g}"


def _as_texts(cells: np.ndarray) -> list[str | None]:
    """Numbers and times of a raw column as texts; texts as they are."""
    if cells.dtype.kind == "O":
        return cells.tolist()
    return [in_words(cell) if isinstance(cell, float) else str(cell) for cell in cells.tolist()]


def _as_numbers(cells: np.ndarray, missing: np.ndarray, table: RawTable, name: str) -> np.ndarray:
    if cells.dtype.kind == "f":
        return cells
    if cells.dtype.kind == "M":
        row = int(np.argmax(~missing))
        raise DataError(f"{table.where(row, name)} is the time {cells[row]}; expected a number, as in the rows of training.")
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells.tolist()):
        if cell is None:
            continue
        try:
            (values[row],) = with_point([_BOOLEANS.get(str(cell).lower(), str(cell))])
            if np.isinf(values[row]):
                raise ValueError(cell)
        except ValueError as error:
            raise DataError(
                f"{table.where(row, name)} is the text {shortened(cell, 40)!r}; expected a number. {table.instead_of(cell, name)}"
            ) from error
    return values


def _as_times(cells: np.ndarray, missing: np.ndarray, table: RawTable, name: str) -> np.ndarray:
    from .times import parse_times

    if cells.dtype.kind == "M":
        return cells
    if cells.dtype.kind == "f":
        if missing.all():
            return np.full(len(cells), np.datetime64("NaT", "us"))
        row = int(np.argmax(~missing))
        raise DataError(f"{table.where(row, name)} is the number {cells[row]:g}; expected a day or a moment, such as 2024-12-31.")
    times = parse_times(cells)
    if times is None:
        row = next(
            row for row, cell in enumerate(cells.tolist()) if cell is not None and parse_times(cells[row : row + 1]) is None
        )
        raise DataError(
            f"{table.where(row, name)} is {shortened(str(cells[row]), 40)!r}; expected a day or a moment, such as 2024-12-31 or "
            "2024-12-31 23:59:59."
        )
    return times


def _days(times: np.ndarray) -> np.ndarray:
    days = times.astype("datetime64[us]").astype(np.int64) / _DAY
    return np.where(np.isnat(times), np.nan, days)


def _decimals(values: np.ndarray) -> int:
    """The fewest digits after the point with which all values are written; -1 for more than twelve."""
    some = values[: 10**5]
    # Numbers near the largest overflow on the way, and are not written with so many digits.
    with np.errstate(over="ignore", invalid="ignore"):
        for decimals in range(_MOST_DECIMALS + 1):
            if np.allclose(np.round(some, decimals), some, rtol=1e-15, atol=0.0):
                return decimals
    return -1


def _date_decimals(days: np.ndarray) -> int:
    """0 for whole days, -1 for moments."""
    return 0 if bool((days == np.rint(days)).all()) else -1
