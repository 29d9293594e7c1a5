"""A table as it was written, before anything is decided about its columns."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence

import numpy as np

from ...errors import DataError, closest_name


@dataclasses.dataclass(frozen=True)
class RawTable:
    """Columns of numbers, texts or times, each of which may have cells without a value.

    - `source`: what messages call it: the file's path, or "X".
    - `names`: of the columns, each its own.
    - `columns`: (n,) each: float64 with NaN for no value; objects that are texts, None for no value; or datetime64[us], NaT for
      no value. Booleans are the texts "true" and "false".
    - `lines`: (n,) the line of the file on which each row stands; None where there are no lines.
    - `has_names`: whether the file names its columns; where not, the names are "0", "1", ...
    - `is_frame`: whether it is a data frame of Python's, and no file.
    """

    source: str
    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    lines: np.ndarray | None = None
    has_names: bool = True
    is_frame: bool = False

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def column(self, name: str) -> np.ndarray:
        """The column of this name; raises `DataError` when there is none."""
        if name not in self.names:
            hint = f" Did you mean {nearest!r}?" if (nearest := closest_name(name, self.names)) else ""
            raise DataError(f"{self.source} has no column {name!r}.{hint} It has {', '.join(map(repr, self.names[:10]))}.")
        return self.columns[self.names.index(name)]

    def rows(self, index: np.ndarray | slice) -> RawTable:
        """Some of the rows."""
        columns = tuple(column[index] for column in self.columns)
        return dataclasses.replace(self, columns=columns, lines=None if self.lines is None else self.lines[index])

    def without(self, names: Sequence[str]) -> RawTable:
        """The table without these columns."""
        kept = [number for number, name in enumerate(self.names) if name not in names]
        return dataclasses.replace(
            self, names=tuple(self.names[number] for number in kept), columns=tuple(self.columns[number] for number in kept)
        )

    def with_empty(self, names: Sequence[str]) -> RawTable:
        """The table with those of these columns that it lacks, without a value in any row."""
        new = [name for name in names if name not in self.names]
        empty = (np.full(len(self), np.nan),) * len(new)
        return dataclasses.replace(self, names=(*self.names, *new), columns=(*self.columns, *empty))

    def where(self, row: int, name: str) -> str:
        """ "FILE: line 7, column 'age'", or the row where there are no lines."""
        place = f"row {row}" if self.lines is None else f"line {self.lines[row]}"
        return f"{self.source}: {place}, column {name!r}"

    def instead_of(self, text: str, name: str) -> str:
        """What a person may do about a text that stands in a column of numbers."""
        if self.is_frame:
            schema = f"schema={{{name!r}: 'categorical'}}"
            return f"If it stands for no value, put None there; if the column is a category, fit with {schema}."
        # The key's words have commas between them.
        declared = "" if "," in text else f", or train with --set {shlex.quote(f'data.missing={text}')}"
        return (
            f"If it stands for no value, leave the cell empty{declared}; if the column is a category, say that in a schema "
            "(lowerbound schema DATA --out FILE.toml), and train with it."
        )


_NO_TEXT = "no Unicode text that a table could hold"


def is_missing(column: np.ndarray) -> np.ndarray:
    """(n,) booleans: which cells of a raw column have no value."""
    if column.dtype.kind == "O":
        return np.asarray([cell is None for cell in column.tolist()], bool)
    return np.isnat(column) if column.dtype.kind == "M" else np.isnan(column)


def check_cells(table: RawTable) -> None:
    """Raise `DataError`, with the line and the column, for a number that is infinite and a text that no file can hold."""
    for name, column in zip(table.names, table.columns, strict=True):
        if not _is_unicode(name):
            raise DataError(f"{table.source} has a column named {name!a}, which is {_NO_TEXT}; give it another name.")
        if column.dtype.kind == "O" and not _is_unicode("".join(cell for cell in set(column.tolist()) if cell is not None)):
            row = next(row for row, cell in enumerate(column.tolist()) if cell is not None and not _is_unicode(cell))
            raise DataError(f"{table.where(row, name)} is {column[row]!a}, which is {_NO_TEXT}; correct it, or leave it empty.")
        if column.dtype.kind == "f" and np.isinf(column).any():
            row = int(np.argmax(np.isinf(column)))
            raise DataError(
                f"{table.where(row, name)} is {column[row]}, no number that can be computed with; expected a finite number, or "
                "an empty cell for no value."
            )


def _is_unicode(text: str) -> bool:
    """False where half of a pair of UTF-16 stands alone, and for the character NUL."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stacked(first: RawTable, second: RawTable) -> RawTable:
    """The rows of both, with the columns of the first; where the second lacks one, its cells have no value.

    What is a number in one and a text in the other becomes what it is in the first.
    """
    columns = []
    for name, column in zip(first.names, first.columns, strict=True):
        if name in second.names:
            added = second.column(name)
        else:
            added = np.full(len(second), None if column.dtype.kind == "O" else np.array("nan", column.dtype))
        columns.append(np.concatenate([column, _as_kind(added, column.dtype)]))
    both = None if first.lines is None or second.lines is None else np.concatenate([first.lines, second.lines])
    return dataclasses.replace(first, columns=tuple(columns), lines=both)


def _as_kind(column: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if column.dtype.kind == dtype.kind:
        return column
    missing = is_missing(column)
    converted = np.full(len(column), None if dtype.kind == "O" else np.array("nan", dtype))
    for row in np.flatnonzero(~missing):
        cell = column[row]
        converted[row] = f"{cell:.15g}" if isinstance(cell, float) and dtype.kind == "O" else dtype.type(cell)
    return converted
