"""A table as it was written, before anything is decided about its columns."""

from __future__ import annotations

import dataclasses
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
    """

    source: str
    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    lines: np.ndarray | None = None

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

    def where(self, row: int, name: str) -> str:
        """ "FILE: line 7, column 'age'", or the row where there are no lines."""
        place = f"row {row}" if self.lines is None else f"line {self.lines[row]}"
        return f"{self.source}: {place}, column {name!r}"


def is_missing(column: np.ndarray) -> np.ndarray:
    """(n,) booleans: which cells of a raw column have no value."""
    if column.dtype.kind == "O":
        return np.asarray([cell is None for cell in column.tolist()], bool)
    return np.isnat(column) if column.dtype.kind == "M" else np.isnan(column)
