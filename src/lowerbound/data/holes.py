"""Elements of examples without a value, which are NaN: where they are, and examples in which others stand in for them."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .checks import chunks_of_rows
from .streams import AbstractRows


def has_holes(array: np.ndarray | AbstractRows) -> bool:
    """Whether any element has no value."""
    if array.dtype.kind != "f":
        return False
    chunks = chunks_of_rows(array)
    return any(bool(np.isnan(array[start : start + chunks.step]).any()) for start in chunks)


def observed_in(array: np.ndarray) -> np.ndarray:
    """Which elements have a value: booleans of the array's shape."""
    return ~np.isnan(array) if array.dtype.kind == "f" else np.ones(array.shape, bool)


def share_of_holes(array: np.ndarray) -> np.ndarray:
    """The share of the examples in which each element (flattened) has no value."""
    return np.isnan(array.reshape(len(array), -1)).mean(axis=0) if array.dtype.kind == "f" else np.zeros(array[0].size)


def filled(array: np.ndarray, *, name: str = "X", names: tuple[str, ...] = ()) -> np.ndarray:
    """The examples with each hole filled by the element's own values in turn, so that each keeps its share of the rows.

    What is said of one element by itself is then what its values say: extremes, levels, moments. What is said of several elements
    together is not.

    Raises `DataError` for an element that has no value in any example.
    """
    if not has_holes(array):
        return array
    flat = array.reshape(len(array), -1).copy()
    for element in np.flatnonzero(np.isnan(flat).any(axis=0)):
        hole = np.isnan(flat[:, element])
        if hole.all():
            label = repr(names[element]) if names else int(element)
            raise DataError(
                f"{name}: element {label} has no value in any of the {len(array):,} training examples, so there is nothing to "
                "learn of it; leave it out."
            )
        own = np.sort(flat[~hole, element])
        # Evenly spread over the sorted values: each stands in as often as the others, up to one.
        turns = ((np.arange(int(hole.sum())) + 0.5) * len(own) / hole.sum()).astype(int)
        flat[hole, element] = own[turns % len(own)]
    return flat.reshape(array.shape)
