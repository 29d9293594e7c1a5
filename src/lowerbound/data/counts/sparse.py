"""Sparse matrices: checked before anything walks through them, and made dense only where they are small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...storage.memory import check_fits
from ..streams import AbstractRows, SparseRows

# "auto", "resident" or "streamed".
Memory = str
# A matrix that takes no more than this as an array is one; others stay as they are stored.
SMALL = 64 * 2**20


def rows_of_matrix(matrix: Any, what: str, memory: Memory = "auto") -> np.ndarray | AbstractRows:
    """The rows of a matrix of SciPy, or of an array, (n, columns), in the smallest usual type that holds its numbers.

    Whole numbers become 32-bit integers, others stay as they are, in double or single precision. A sparse matrix stays sparse
    where an array would be large, and its rows become dense when they are read.

    - `memory`: "resident" for an array always, "streamed" for never one.

    Raises `DataError` where its indices lead out of it or its values are no real numbers, and `TooLargeError` where an array
    would not fit into memory.
    """
    is_sparse = not isinstance(matrix, np.ndarray)
    stored: Any = _checked(matrix, what) if is_sparse else matrix
    values: np.ndarray = stored.data if is_sparse else stored
    if values.dtype.kind not in "biuf":
        raise DataError(f"{what} holds {values.dtype}; expected real numbers.")
    kind = _type_of(values)
    rows, columns = stored.shape
    size = kind.itemsize * rows * columns
    if is_sparse and (memory == "streamed" or (memory == "auto" and size > SMALL)):
        return SparseRows(stored.astype(kind), what)
    check_fits(
        size,
        f"{what}, {rows:,} x {columns:,} as a dense array,",
        "keep fewer columns (of genes the few thousand that vary most), or fewer rows",
    )
    return stored.astype(kind).toarray() if is_sparse else stored.astype(kind)


def _checked(matrix: Any, what: str) -> Any:
    """The matrix by rows, with each index in its range and each place once."""
    if matrix.ndim != 2:
        raise DataError(f"{what} is a sparse array of shape {matrix.shape}; expected (examples, features).")
    try:
        if hasattr(matrix, "check_format"):
            # Otherwise SciPy would write where the file says.
            matrix.check_format(full_check=True)
        matrix = matrix.tocsr()
        matrix.sum_duplicates()
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise DataError(
            f"{what} is no sparse matrix that can be used ({error}); it may be torn. Write or copy it again."
        ) from error
    return matrix


def _type_of(values: np.ndarray) -> np.dtype:
    largest = float(np.abs(values).max(initial=0.0)) if values.dtype.kind in "iuf" else 1.0
    is_whole = values.dtype.kind in "biu" or bool((values == np.rint(values)).all())
    if is_whole and largest < 2**31:
        return np.dtype(np.int32)
    return np.dtype(np.float32 if values.dtype == np.float32 else np.float64)


def load_scipy(path: Path) -> Any:
    """The matrix that `scipy.sparse.save_npz` wrote; as it is, not checked."""
    import scipy.sparse

    try:
        return scipy.sparse.load_npz(path)
    except Exception as error:
        # zipfile, zlib, NumPy and SciPy each have their own.
        raise DataError(f"{path} could not be read as a sparse matrix ({error}); write it again with save_npz.") from error


def is_scipy(members: list[str]) -> bool:
    """Whether an archive's members are those that `scipy.sparse.save_npz` writes."""
    return {"format", "shape", "data"} <= set(members)
