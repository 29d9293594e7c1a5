"""The one value that a hidden element is filled with, in the user's units and of the kind that its column holds."""

from __future__ import annotations

import numpy as np

from ..data.spec import DataSpec
from .imputation import Imputation
from .table_rows import tidied


def points(found: Imputation, spec: DataSpec) -> np.ndarray:
    """(n, *event) float64 in the user's units: of each element the value that is nearest to what it may be.

    The conditional mean of real numbers, the most probable value of categories, the median of numbers that have an order and few
    values, and of counts. A value that training did not see is never chosen.
    """
    mean = spec.to_user(found.mean.astype(np.float64))
    median = spec.to_user(found.quantile(0.5).astype(np.float64))
    if not spec.columns:
        return median if spec.is_discrete else mean
    chosen = mean.copy()
    for place, column in enumerate(spec.columns):
        masses = found.probabilities.get(place)
        if column.kind == "count" or (column.is_coded and masses is None):
            chosen[:, place] = median[:, place]
        elif column.is_coded and masses is not None:
            chosen[:, place] = _code(masses[:, :-1], has_order=column.kind == "ordinal")
    return chosen


def _code(masses: np.ndarray, *, has_order: bool) -> np.ndarray:
    if not has_order:
        return masses.argmax(axis=1)
    below = np.cumsum(masses, axis=1)
    return (below >= 0.5 * below[:, -1:]).argmax(axis=1)


def as_recorded(values: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Values (..., *event) as the data have them: with the digits and in the range of their column, whole where all of them are.

    A code of a value that training did not see becomes the last of those that it did.
    """
    if not spec.columns:
        return np.where(spec.whole_elements.reshape(spec.event_shape), np.rint(values), values)
    rows = tidied(values.reshape(-1, spec.num_elements), spec.columns)
    limits = np.asarray([len(column.categories) - 1.0 if column.is_coded else np.inf for column in spec.columns])
    return np.minimum(rows, limits).reshape(values.shape)
