"""Parquet files that are read by their row groups."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from ..columns.arrow import raw_column
from ..columns.raw import RawTable
from .arrays import FileRows
from .files import Files
from .tables import TableRows

# Rows by which the columns of a table are known, from so many of its row groups, evenly spread.
_ROWS_TO_KNOW, _GROUPS_TO_KNOW = 200_000, 8


def starts_of(metadata: Any) -> np.ndarray:
    """The first row of each row group, and at the end how many there are."""
    return np.concatenate([[0], np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])])


class ParquetNumbers(FileRows):
    """The rows of columns of numbers none of which is null."""

    def __init__(self, path: Path, names: Sequence[str], starts: np.ndarray, dtype: np.dtype) -> None:
        super().__init__(str(path), starts, (len(names),), dtype)
        self.files, self._names = Files([path]), list(names)

    @override
    def read_block(self, number: int) -> np.ndarray:
        import pyarrow.parquet

        (path,) = self.files.paths
        out = np.empty((int(np.diff(self.starts)[number]), len(self._names)), self.dtype)
        with self.files.reading(path), pyarrow.parquet.ParquetFile(path) as file:
            # On the calling thread alone: the others have the model to compute.
            table = file.read_row_group(number, columns=self._names, use_threads=False)
            for place, name in enumerate(self._names):
                out[:, place] = table.column(name).to_numpy()
        return out


class ParquetTable(TableRows):
    """The rows of columns of any kinds, as they were written.

    - `declared`: what stands for no value besides nulls, NaN and empty texts.
    """

    def __init__(self, path: Path, names: Sequence[str], starts: np.ndarray, declared: Collection[str] = ()) -> None:
        super().__init__(str(path), starts, (len(names),), np.dtype(np.float64))
        self.files, self.names, self._declared = Files([path]), tuple(names), tuple(declared)

    @functools.cached_property
    @override
    def fingerprint(self) -> str:
        return self.files.fingerprint

    @override
    def read_block(self, number: int) -> RawTable:
        import pyarrow.parquet

        (path,) = self.files.paths
        with self.files.reading(path), pyarrow.parquet.ParquetFile(path) as file:
            table = file.read_row_group(number, columns=list(self.names), use_threads=False)
            columns = tuple(raw_column(self.name, name, table.column(name), self._declared) for name in self.names)
        return RawTable(self.name, self.names, columns)

    def some(self) -> RawTable:
        """Rows by which the columns are known."""
        groups = np.unique(np.linspace(0, len(self.starts) - 2, _GROUPS_TO_KNOW).astype(int))
        each = _ROWS_TO_KNOW // len(groups)
        rows = [
            np.unique(np.linspace(self.starts[group], self.starts[group + 1] - 1, each).astype(int)) for group in groups.tolist()
        ]
        return self.table(np.concatenate(rows))
