"""Rows of a table with columns of several kinds, encoded when they are read."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from ..columns.column import Column
from ..columns.raw import RawTable
from .rows import AbstractRows, BlockRows


class NumberTable(AbstractRows):
    """Rows of numbers under names, as those of a table."""

    def __init__(self, source: AbstractRows, names: tuple[str, ...]) -> None:
        self.name, self.source, self.names = source.name, source, names
        self.shape, self.dtype, self.starts = source.shape, source.dtype, source.starts

    @override
    def read(self, rows: np.ndarray) -> np.ndarray:
        return self.source.read(rows)

    @override
    def table(self, rows: np.ndarray) -> RawTable:
        return RawTable(self.name, self.names, tuple(self.source.read(rows).astype(np.float64).T))

    @functools.cached_property
    @override
    def fingerprint(self) -> str:
        return self.source.fingerprint


class TableRows(BlockRows):
    """Rows of a table in a file, whose blocks are tables; what is read of it is a table too."""

    names: tuple[str, ...]

    @override
    def read(self, rows: np.ndarray) -> np.ndarray:
        raise NotImplementedError("a table is read by its columns")

    @override
    def table(self, rows: np.ndarray) -> RawTable:
        numbers = np.searchsorted(self.starts, rows, side="right") - 1
        found = np.unique(numbers)
        parts = [self.block(int(number)).rows(rows[numbers == number] - self.starts[number]) for number in found]
        # Each row back to its place.
        order = np.argsort(np.concatenate([np.flatnonzero(numbers == number) for number in found]), kind="stable")
        columns = tuple(np.concatenate(cells)[order] for cells in zip(*(part.columns for part in parts), strict=True))
        return RawTable(self.name, self.names, columns)


class ColumnRows(AbstractRows):
    """The rows of a table with their cells encoded, NaN for no value.

    - `source`: gives the rows as a table. `columns`: those of an example, in their order.
    """

    def __init__(self, source: NumberTable | TableRows, columns: Sequence[Column]) -> None:
        self.name, self.source, self.columns = source.name, source, tuple(columns)
        self.shape, self.dtype, self.starts = (source.shape[0], len(self.columns)), np.dtype(np.float64), source.starts

    @override
    def read(self, rows: np.ndarray) -> np.ndarray:
        table = self.source.table(rows)
        return np.stack([column.encode(table) for column in self.columns], axis=1)

    @override
    def table(self, rows: np.ndarray) -> RawTable:
        return self.source.table(rows)

    @functools.cached_property
    @override
    def fingerprint(self) -> str:
        # Of what was written, whatever is made of it.
        return hashlib.sha256(f"table {self.source.fingerprint}".encode()).hexdigest()


def encoded(rows: AbstractRows, names: tuple[str, ...], columns: Sequence[Column]) -> ColumnRows:
    """The rows by these columns, whatever columns they were read by before."""
    if isinstance(rows, ColumnRows):
        return ColumnRows(rows.source, columns)
    return ColumnRows(NumberTable(rows, names), columns)


def names_of(rows: AbstractRows, names: tuple[str, ...]) -> tuple[str, ...]:
    """All columns that the rows were written with; `names` are those of rows of numbers."""
    return rows.source.names if isinstance(rows, ColumnRows) else names
