"""Of what kind each column of a table is, and the values that decide it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import DataError, shortened
from ..tables import is_number
from .column import Column, ColumnKind
from .raw import RawTable, is_missing
from .times import parse_times

# Numbers with so few different values are levels, each with a probability of its own, where each occurs often enough.
_MOST_LEVELS, _FEW_LEVELS, _ROWS_A_LEVEL = 256, 10, 20
# From so many rows on, a value of its own in each row is an identifier and no category.
_FEWEST_ROWS_FOR_IDENTIFIER = 20
_MOST_DISTINCT_SHARE = 0.5
_WORDS_OF_A_TEXT = 3.0
# Of texts, so large a share of numbers makes the others mistakes and not categories.
_NUMBERS_AMONG_TEXTS = 0.9
_LEAST_ZEROS = 0.05
_STRONG_SKEWNESS = 1.0
# Counts come near to 0; whole numbers that do not are measured, as prices are.
_LARGEST_LEAST_COUNT = 5
_FEWEST_ROWS_FOR_KINDS, _MOST_ROWS_FOR_KINDS, _MOST_COLUMNS_OF_KINDS = 100, 20_000, 100
_ID_NAME = re.compile(r"(?i)(^|[_\s.-])(id|uuid|guid|key|index)$|^unnamed: ?\d+$")


def infer_columns(table: RawTable, known: Mapping[str, Column] = {}) -> tuple[Column, ...]:
    """A `Column` for each of the table's, of the kind that its cells show, with everything counted of all rows.

    - `known`: columns whose kind is stated, by name.

    Raises `DataError`, with the line and the column, for a column of numbers in which some cells are texts.
    """
    return tuple((known[name] if name in known else _kind_of(table, name)).fitted(table) for name in table.names)


def is_of_several_kinds(table: RawTable) -> bool:
    """Whether columns that all hold numbers are of several kinds, so that no one law does for them.

    Plain are real and positive numbers, counts alone, and zeros and ones alone; and all tables that are short, or so wide that
    their columns are rather pixels, words or genes.
    """
    if len(table) < _FEWEST_ROWS_FOR_KINDS or len(table.names) > _MOST_COLUMNS_OF_KINDS:
        return False
    some = table.rows(slice(0, _MOST_ROWS_FOR_KINDS))
    kinds = {column.kind for column in infer_columns(some) if not column.is_left_out}
    return bool(kinds - {"real", "positive"}) and kinds not in ({"count"}, {"binary"})


def refitted(columns: Sequence[Column], table: RawTable) -> tuple[Column, ...]:
    """The same kinds, with everything counted of these rows alone."""
    return tuple(column.fitted(table) for column in columns)


def _kind_of(table: RawTable, name: str) -> Column:
    cells = table.column(name)
    present = cells[~is_missing(cells)]
    if not len(present):
        return Column(name, "constant", "no cell has a value")
    if cells.dtype.kind == "M":
        return _of_times(name, present)
    if cells.dtype.kind == "O":
        return _of_texts(table, name, present)
    return _of_numbers(name, present, len(present) == len(cells))


def _of_times(name: str, times: np.ndarray) -> Column:
    if times.min() == times.max():
        return Column(name, "constant", f"every cell is {_short(times[0])}")
    return Column(name, "date-time", f"times from {_short(times.min())} to {_short(times.max())}")


def _short(moment: np.datetime64) -> str:
    text = str(moment.astype("datetime64[s]"))
    return text.removesuffix("T00:00:00")


def _of_texts(table: RawTable, name: str, texts: np.ndarray) -> Column:
    if (times := parse_times(texts)) is not None:
        return _of_times(name, times)
    distinct, counts = np.unique(texts.astype(str), return_counts=True)
    shown = ", ".join(shortened(text, 20) for text in distinct[np.argsort(-counts, kind="stable")][:3])
    if len(distinct) == 1:
        return Column(name, "constant", f"every cell is {shortened(str(distinct[0]), 20)!r}")
    _refuse_numbers(table, name, distinct, counts)
    if len(distinct) == 2:
        return Column(name, "binary", f"two values: {shown}", categories=tuple(distinct.tolist()))
    share = len(distinct) / len(texts)
    if len(texts) >= _FEWEST_ROWS_FOR_IDENTIFIER and share > _MOST_DISTINCT_SHARE:
        words = float(np.mean([len(text.split()) for text in distinct[:1000].tolist()]))
        kind: ColumnKind = "text" if words >= _WORDS_OF_A_TEXT else "identifier"
        return Column(name, kind, f"{len(distinct):,} different values in {len(texts):,} rows, such as {shown}")
    return Column(name, "categorical", f"{len(distinct):,} different texts, such as {shown}", categories=tuple(distinct.tolist()))


def _refuse_numbers(table: RawTable, name: str, distinct: np.ndarray, counts: np.ndarray) -> None:
    """Raise where nearly all cells of a column of texts are numbers: the others are mistakes, or stand for no value."""
    are_numbers = np.asarray([is_number(text) for text in distinct.tolist()])
    share = counts[are_numbers].sum() / counts.sum()
    # Codes such as "1", "2", "x" are categories; a column with many different numbers is a quantity.
    if share < _NUMBERS_AMONG_TEXTS or are_numbers.sum() <= _FEW_LEVELS:
        return
    wrong = str(distinct[~are_numbers][0]) if not are_numbers.all() else str(distinct[0])
    cells = table.column(name)
    row = next(row for row, cell in enumerate(cells.tolist()) if cell == wrong)
    raise DataError(
        f"{table.where(row, name)} is the text {shortened(wrong, 40)!r}, but {share:.4g} of the column's cells are numbers; "
        f"expected a number. Correct the cell. {table.instead_of(wrong, name)}"
    )


def _of_numbers(name: str, values: np.ndarray, is_whole_column: bool) -> Column:
    distinct = np.unique(values)
    low, high = float(distinct[0]), float(distinct[-1])
    if len(distinct) == 1:
        return Column(name, "constant", f"every cell is {low:g}")
    if len(distinct) == 2:
        return Column(name, "binary", f"two values: {low:g} and {high:g}", categories=(low, high))
    whole = bool((distinct == np.rint(distinct)).all())
    span = f"from {low:.6g} to {high:.6g}"
    if whole and is_whole_column and len(distinct) == len(values) >= _FEWEST_ROWS_FOR_IDENTIFIER:
        steps = np.diff(values)
        if (steps == steps[0]).all() and (abs(steps[0]) == 1 or _ID_NAME.search(name)):
            return Column(name, "identifier", f"the rows are numbered {span}")
        if _ID_NAME.search(name):
            return Column(name, "identifier", f"a whole number of its own in each row, and the name {name!r}")
    fits = _MOST_LEVELS if whole else _FEW_LEVELS
    if len(distinct) <= min(fits, max(_FEW_LEVELS, len(values) / _ROWS_A_LEVEL)) and len(distinct) <= len(values) / 4:
        kind = "whole numbers" if whole else "numbers"
        return Column(name, "ordinal", f"{len(distinct)} different {kind} {span}", categories=tuple(distinct.tolist()))
    zeros = float((values == 0).mean())
    rest = values[values != 0]
    if low == 0 and zeros >= _LEAST_ZEROS and not (whole and _is_near_zero(rest)):
        return Column(name, "zero-inflated", f"{zeros:.0%} are 0, the others lie from {rest.min():.6g} to {high:.6g}")
    if whole and low >= 0 and _is_near_zero(values):
        return Column(name, "count", f"whole numbers {span}, {len(distinct):,} different ones")
    # Powers of the largest numbers would be infinite.
    scaled = values / max(abs(low), abs(high))
    centred = scaled - scaled.mean()
    skewness = float((centred**3).mean() / max(centred.std() ** 3, 1e-300))
    if low > 0 and skewness > _STRONG_SKEWNESS:
        return Column(name, "positive", f"numbers {span}, strongly skewed ({skewness:.1f})")
    return Column(name, "real", f"numbers {span}, {len(distinct):,} different ones")


def _is_near_zero(values: np.ndarray) -> bool:
    """Whether whole numbers come near to 0, as counts do, and not in one row alone."""
    return bool(np.quantile(values, 0.05) <= _LARGEST_LEAST_COUNT)
