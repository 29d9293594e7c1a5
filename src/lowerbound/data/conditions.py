"""What is given besides an example: a category or a few numbers, as the vector that a model takes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import DataError, warn_of_data

# More categories than this are more likely a number stored as an integer than a kind of thing.
MOST_CATEGORIES = 1000
# So few whole numbers may as well be categories.
_MOST_LIKELY_CATEGORIES = 20


@dataclasses.dataclass(frozen=True)
class ConditionSpec:
    """Describes the condition of one example.

    - `name`: what it is called: "labels", "factors", or the variable's name.
    - `categories`: the values of a category, in order; it becomes one-hot. Empty for numbers.
    - `mean`, `std`: of numbers, over the training data, each to be standardised by.
    """

    name: str
    categories: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def dim(self) -> int:
        """The length of the vector."""
        return len(self.categories) or len(self.mean)

    @property
    def words(self) -> str:
        """The allowed values in words."""
        if self.categories:
            shown = ", ".join(f"{value:g}" for value in self.categories[:12])
            return f"one of {shown}{', ...' if len(self.categories) > 12 else ''}"
        return f"{len(self.mean)} numbers"

    def encode(self, values: Any) -> np.ndarray:
        """(n, dim) float32: one-hot of a category, or standardised numbers.

        - `values`: (n,) categories, or (n, dim) numbers ((n,) for one number each).

        Raises `DataError` for an unknown category, a wrong shape, or values that are not finite.
        """
        array = np.asarray(values)
        if array.dtype.kind not in "iufb":
            raise DataError(f"the condition {self.name!r} has the type {array.dtype}; expected {self.words} for each example.")
        if self.categories:
            if array.ndim == 2 and array.shape[1] == 1:
                array = array[:, 0]
            known = np.asarray(self.categories)
            place = np.searchsorted(known, array).clip(0, len(known) - 1)
            if array.ndim != 1 or not (known[place] == array).all():
                wrong = f"shape {array.shape}" if array.ndim != 1 else f"the value {array[known[place] != array][0]:g}"
                raise DataError(f"the condition {self.name!r} has {wrong}; expected {self.words} for each example.")
            return np.eye(len(known), dtype=np.float32)[place]
        array = array.astype(np.float64).reshape(len(array), -1)
        if array.shape[1] != self.dim or not np.isfinite(array).all():
            raise DataError(
                f"the condition {self.name!r} has {array.shape[1]} numbers for each example"
                f"{'' if np.isfinite(array).all() else ', some of them not finite'}; expected {self.words}, all finite."
            )
        return ((array - np.asarray(self.mean)) / np.asarray(self.std)).astype(np.float32)


def describe_condition(values: np.ndarray, name: str) -> ConditionSpec:
    """Whole numbers in one column are a category, everything else is numbers; `values` are those of the training data.

    Raises `DataError` when they cannot serve; warns with `DataWarning` of numbers that look like categories.

    >>> describe_condition(np.array([2, 0, 2]), "labels").categories
    (0.0, 2.0)
    """
    values = np.asarray(values)
    if values.dtype.kind not in "iufb" or values.ndim not in (1, 2):
        raise DataError(
            f"the condition {name!r} has the type {values.dtype} and shape {values.shape}; expected a whole number for each "
            "example (a category), or a row of numbers."
        )
    if values.dtype.kind in "iub" and values.ndim == 1:
        categories = np.unique(values)
        if len(categories) > MOST_CATEGORIES:
            raise DataError(
                f"the condition {name!r} has {len(categories)} different whole numbers, more than {MOST_CATEGORIES} categories. "
                "If it is a number and no category, store it as floating-point."
            )
        return ConditionSpec(name, categories=tuple(categories.astype(float).tolist()))
    rows = values.astype(np.float64).reshape(len(values), -1)
    if not np.isfinite(rows).all():
        raise DataError(f"the condition {name!r} has values that are not finite; remove or fill them first.")
    _warn_of_categories(rows, values.dtype, name)
    std = rows.std(axis=0)
    return ConditionSpec(name, mean=tuple(rows.mean(axis=0).tolist()), std=tuple(np.where(std > 0, std, 1.0).tolist()))


def _warn_of_categories(rows: np.ndarray, dtype: np.dtype, name: str) -> None:
    whole = [column for column in rows.T if (column == np.rint(column)).all()]
    if any(2 < len(np.unique(column)) <= _MOST_LIKELY_CATEGORIES for column in whole):
        why = "there are several columns" if rows.shape[1] > 1 else f"its type is {dtype}, as that of every column of a table"
        warn_of_data(
            f"the condition {name!r} holds few different whole numbers, but is taken for a quantity, because {why}. If it is a "
            "category, give integers in one dimension (from a .npz file on the command line), a number for each combination of "
            "labels; if it is a quantity, all is well."
        )
