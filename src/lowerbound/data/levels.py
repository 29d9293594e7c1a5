"""Values as the device gets them, and whether they lie on the levels that a probability mass needs."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .checks import chunks_of_rows
from .spec import DataSpec


def for_device(array: np.ndarray) -> np.ndarray:
    """The same values in the type that the device gets: 8-bit whole numbers stay 8-bit, everything else becomes float32."""
    if array.dtype in (np.uint8, np.bool_):
        return np.ascontiguousarray(array, np.uint8)
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    return np.ascontiguousarray(array, np.float32)


def check_levels(array: np.ndarray, spec: DataSpec, likelihood: str, *, name: str = "X") -> None:
    """Refuse values that are not among the levels low, low + 1, ..., high of discrete data.

    Raises `DataError` that says how many, where the first one is, and which likelihood takes such values.
    """
    count, first = 0, None
    chunks = chunks_of_rows(array)
    for start in chunks:
        block = array[start : start + chunks.step]
        outside = (block < spec.low) | (block > spec.high) | (block != np.rint(block))
        if outside.any():
            count += int(outside.sum())
            if first is None:
                index = np.unravel_index(int(outside.argmax()), outside.shape)
                first = (start + int(index[0]), *(int(i) for i in index[1:]))
    if first is not None:
        levels = "0 or 1" if spec.num_levels == 2 else f"whole numbers from {spec.low:g} to {spec.high:g}"
        raise DataError(
            f"{name} has {count} of {array.size} values outside the support of the likelihood {likelihood!r}: the first is "
            f"{array[first]:g} at index {first}; expected {levels}. Bring the data to these levels, or train a model whose "
            "likelihood takes any number: gaussian."
        )
