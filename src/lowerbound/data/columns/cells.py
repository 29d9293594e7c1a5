"""The cells of one column, as texts or as Python's objects, made the column of a `RawTable`."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import DataError, shortened
from ..tables import is_number

# No value, however it is written.
_NEVER_A_VALUE = frozenset(("", "na", "n/a", "nan", "null", "<na>", "#n/a", "nat"))
# No value among texts too, in exactly this form: "none" may be a group's name.
_NO_TEXT = frozenset(("None", "?", "-"))
# No value among numbers, however it is written.
_NO_NUMBER = _NEVER_A_VALUE | {"none", "?", "-", "."}
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d*)?([eE][+-]?\d+)?|[+-]?,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?([eE][+-]?\d+)?")

# What a spreadsheet program would run, or such a text with the apostrophe that keeps it from doing so.
_RUN = re.compile(r"'*[=+\-@\t\r]")
_APOSTROPHE = re.compile(r"'+[=+\-@\t\r]")
_MICROSECOND = datetime.timedelta(microseconds=1)
_BOOLEANS = {"true": "1", "false": "0"}

# A way in which numbers are written: of texts that are values, their numbers, or a `ValueError`.
NumberForm = Callable[[Sequence[str]], Iterable[float]]


def with_point(cells: Sequence[str]) -> Iterable[float]:
    """1234.5; raises `ValueError` for what is no number."""
    # Python's own spelling of thousands, and nobody else's.
    if "_" in "".join(cells):
        raise ValueError("_")
    return map(float, cells)


def with_comma(cells: Sequence[str]) -> Iterable[float]:
    """1234,5 and 1.234,5; raises `ValueError` for what is no such number."""
    if not all(map(_COMMA.fullmatch, cells)):
        raise ValueError(",")
    return (float(cell.replace(".", "").replace(",", ".")) for cell in cells)


def with_thousands(cells: Sequence[str]) -> Iterable[float]:
    """1,234.5; raises `ValueError` for what is no such number."""
    if not all(map(_THOUSANDS.fullmatch, cells)):
        raise ValueError(",")
    return (float(cell.replace(",", "")) for cell in cells)


class ColumnReader:
    """Reads one column of texts, block after block, as numbers as long as all of its cells are numbers in one form.

    - `forms`: the forms in which numbers may be written, the first that fits all cells is taken.
    - `declared`: what stands for no value besides the usual words.
    - `is_apart`: whether only the words that never are a value stand for none: for what may be a group's name.
    """

    def __init__(self, forms: Sequence[NumberForm], declared: Collection[str] = (), *, is_apart: bool = False) -> None:
        self._forms = list(forms)
        self._blocks: list[Any] = []
        self._texts = _Texts(declared, _NEVER_A_VALUE, frozenset() if is_apart else _NO_TEXT)
        self._declared, self._is_apart = frozenset(declared), is_apart
        self._no_number = np.asarray([float(text) for text in declared if is_number(text)])

    @property
    def form(self) -> NumberForm | None:
        """The form of its numbers; None for texts."""
        return self._forms[0] if self._forms else None

    def add(self, cells: Sequence[str]) -> bool:
        """Read a block; False where the blocks before it must be read again, from the first, because they were read otherwise."""
        before = len(self._forms)
        while self._forms:
            with contextlib.suppress(ValueError):
                self._blocks.append(self._numbers(cells, self._forms[0]))
                break
            del self._forms[0]
        if not self._forms:
            self._blocks.append(list(map(self._texts.__getitem__, cells)))
        return len(self._forms) == before or len(self._blocks) == 1

    def forget(self) -> None:
        """Begin again, in the form that was found."""
        self._blocks = []

    def column(self) -> np.ndarray:
        """(n,) what was read: float64 with NaN, or texts with None; TRUE and FALSE are the texts "true" and "false"."""
        if self._forms:
            return np.concatenate(self._blocks) if self._blocks else np.empty(0)
        texts = [text for block in self._blocks for text in block]
        found = {text for text in self._texts.values() if text is not None}
        if found and all(text.lower() in _BOOLEANS for text in found):
            texts = [None if text is None else text.lower() for text in texts]
        return as_objects(texts)

    def _numbers(self, cells: Sequence[str], form: NumberForm) -> np.ndarray:
        try:
            values = np.fromiter(form(cells), np.float64, len(cells))
        except ValueError:
            stripped = [cell.strip() for cell in cells]
            lacks = [cell.lower() in _NO_NUMBER or cell in self._declared for cell in stripped]
            present = [cell for cell, is_missing in zip(stripped, lacks, strict=True) if not is_missing]
            if self._is_apart and not present and any(cell.lower() not in _NEVER_A_VALUE for cell in stripped):
                raise
            # TRUE and FALSE among numbers are 1 and 0, and by themselves texts.
            numbers = [_BOOLEANS.get(cell.lower(), cell) for cell in present]
            if present and not self._blocks and all(cell.lower() in _BOOLEANS for cell in present):
                raise
            values = np.full(len(cells), np.nan)
            values[~np.asarray(lacks, bool)] = np.fromiter(form(numbers), np.float64, len(numbers))
        if len(self._no_number):
            values[np.isin(values, self._no_number)] = np.nan
        return values


class _Texts(dict[str, str | None]):
    """Each cell's text without the spaces around it, None for no value; equal texts are one object."""

    def __init__(self, declared: Collection[str], never: Collection[str], not_here: Collection[str]) -> None:
        super().__init__()
        self._none = {*declared, *not_here}
        self._never = never

    def __missing__(self, cell: str) -> str | None:
        text = cell.strip()
        value = None if text in self._none or text.lower() in self._never else unguarded(text)
        self[cell] = value
        return value


def guarded(text: str) -> str:
    """A text as no spreadsheet program runs it.

    >>> guarded("=1+1"), guarded("x=1")
    ("'=1+1", 'x=1')
    """
    return f"'{text}" if _RUN.match(text) else text


def unguarded(text: str) -> str:
    """The text that `guarded` was given."""
    return text[1:] if _APOSTROPHE.match(text) else text


def stands_for_nothing(cell: str) -> bool:
    """Whether a text is one of the usual words for no value, among numbers."""
    return cell.strip().lower() in _NO_NUMBER


def as_objects(values: Sequence[Any]) -> np.ndarray:
    """(n,) objects, each value as it is."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def column_of(values: Sequence[Any], where: Callable[[int], str], declared: Collection[str] = ()) -> np.ndarray:
    """The raw column of Python's objects: numbers, texts, booleans, days and moments, and None, NaN or NaT for no value.

    - `where`: of a row's number, what a message calls its cell.
    - `declared`: texts and numbers that stand for no value, besides the empty text.

    Raises `DataError` for an object of another type. Booleans are the texts "true" and "false", where numbers stand between them
    1 and 0; numbers among texts are texts.
    """
    plain = [_plain(value, row, where) for row, value in enumerate(values)]
    none = {"", *declared, *(float(text) for text in declared if is_number(text))}
    plain = [None if value in none and not isinstance(value, bool) else value for value in plain]
    kinds = {type(value) for value in plain if value is not None}
    if kinds <= {float, bool} and kinds != {bool}:
        return np.asarray([np.nan if value is None else value for value in plain], np.float64)
    if kinds == {np.datetime64}:
        return np.asarray([np.datetime64("NaT", "us") if value is None else value for value in plain], "datetime64[us]")
    return as_objects([None if value is None else _as_text(value) for value in plain])


def _plain(value: Any, row: int, where: Callable[[int], str]) -> float | bool | str | np.datetime64 | None:
    # NaN and NaT are not themselves; pandas' NA does not say.
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.integer | np.floating | decimal.Decimal):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf if value > 0 else -math.inf
        except ValueError:
            # The signalling NaN of decimal numbers.
            return None
        return None if math.isnan(number) else number
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else value.astype("datetime64[us]")
    if isinstance(value, datetime.date):
        if isinstance(value, datetime.datetime) and value.tzinfo is not None:
            # Python's own days end with the years 1 and 9999, on either side of which UTC may lie.
            offset = value.utcoffset() or datetime.timedelta(0)
            return np.datetime64(value.replace(tzinfo=None), "us") - np.timedelta64(offset // _MICROSECOND, "us")
        return np.datetime64(value, "us")
    raise DataError(
        f"{where(row)} is of the type {type(value).__name__} ({shortened(repr(value), 40)}); expected a number, a text, a "
        "boolean, a day or a moment. Make it one of these, or drop the column."
    )


def _as_text(value: float | bool | str | np.datetime64) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
