"""Sparse matrices, of which rows become dense when they are looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override

from .rows import AbstractRows


class SparseRows(AbstractRows):
    """The rows of a matrix of SciPy in memory.

    - `matrix`: by rows (CSR), each index in its range and each place once, as `checked_matrix` makes it.
    """

    def __init__(self, matrix: Any, name: str) -> None:
        self.name, self.matrix = name, matrix
        self.shape, self.dtype = tuple(map(int, matrix.shape)), np.dtype(matrix.dtype)

    @override
    def read(self, rows: np.ndarray) -> np.ndarray:
        return self.matrix[rows].toarray()
