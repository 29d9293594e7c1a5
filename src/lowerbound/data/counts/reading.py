"""The door for files of counts: a path in, rows of numbers with names out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError, warn_of_data
from ..endings import COUNT_ENDINGS, ending_of
from ..streams import AbstractRows, rows_of
from .annotated import read_annotated
from .matrix_market import read_matrix_market
from .sparse import Memory, rows_of_matrix

__all__ = ["COUNT_ENDINGS", "Counts", "read_counts"]


class Counts(NamedTuple):
    """`values` (n, columns), an array or rows that are read, and a name for each column, or none."""

    values: np.ndarray | AbstractRows
    names: tuple[str, ...]


def read_counts(path: Path, key: str = "", memory: Memory = "auto") -> Counts:
    """The counts in an .h5ad or .loom file (cells by genes), or in a Matrix Market file.

    - `key`: of the first two, the layer to take; "raw" for the raw counts of an .h5ad file; empty for the main matrix.
    - `memory`: as in `rows_of_matrix`.

    A name that several columns have gets a number at its end, which is said.

    Raises `DataError`, and `TooLargeError` where rows that are to be an array do not fit into memory.
    """
    if ending_of(path) in (".h5ad", ".loom"):
        matrix, names = read_annotated(path, key, memory)
    elif key:
        raise DataError(f"data.key is {key!r}, but {path} holds one matrix without a name; leave the key out.")
    else:
        matrix, names = read_matrix_market(path)
    values = matrix if rows_of(matrix) else rows_of_matrix(matrix, str(path), memory)
    if names and len(names) != values.shape[1]:
        raise DataError(f"{path} has {len(names):,} names for {values.shape[1]:,} columns; expected a name for each.")
    return Counts(values, _different(path, names))


def _different(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The names, those that come again with "-1", "-2", ... at their ends, as AnnData makes them different."""
    counts = Counter(names)
    if len(counts) == len(names):
        return tuple(names)
    twice = [name for name, count in counts.items() if count > 1]
    taken, numbers, different = set(names), Counter[str](), []
    for name in names:
        made = name
        while numbers[name] and made in taken:
            made = f"{name}-{numbers[name]}"
            numbers[name] += 1
        numbers[name] = max(1, numbers[name])
        taken.add(made)
        different.append(made)
    warn_of_data(
        f"{path}: {len(twice):,} names stand for several columns, {twice[0]!r} for one; the second is called {twice[0]}-1, and "
        "so on."
    )
    return tuple(different)
