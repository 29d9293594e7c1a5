"""What the estimator is given, as the arrays that jobs take: examples, conditions, counts; and rows in blocks of one size."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from ..data.checks import check_array
from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError


class NotNumberError(DataError, TypeError):
    """An element of the data is not a number at all."""


def numeric_examples(X: Any, estimator: BaseEstimator, event_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """`X` as a numeric array of examples; column names are noted in an estimator that is not fitted, else compared."""
    is_frame = hasattr(X, "columns")
    compare = functools.partial(validate_data, estimator, reset=event_shape is None, skip_check_array=True)
    if is_frame:
        names = list(getattr(X, "column_names", X.columns))
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"X has {names.count(twice)} columns named {twice!r}; expected a name of its own for each.")
        # Names come first: a column that is missing explains a number of columns that is wrong.
        compare(X=X)
        _check_columns(X, names)
    array = check_array(as_numbers(X), event_shape=event_shape)
    if array.ndim == 2 and not is_frame:
        compare(X=array)  # pyright: ignore[reportArgumentType]
    return array


def _check_columns(frame: Any, names: Sequence[Any]) -> None:
    """Refuse a column that does not hold a number in each row, by its name."""
    for name in names:
        column = np.asarray(frame[name])
        if column.dtype.kind in "iufb":
            wrong = np.flatnonzero(~np.isfinite(column))
        else:
            wrong = [row for row, value in enumerate(column) if column.dtype != object or not _is_finite(value)]
        if len(wrong):
            raise NotNumberError(
                f"X: column {name!r} has {str(column[wrong[0]])[:40]} in row {wrong[0]}; expected finite numbers. Fill missing "
                f"cells, encode text, categories and dates as numbers, or drop the column: X.drop(columns=[{name!r}])."
            )


def _is_finite(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False


def as_numbers(X: Any) -> Any:
    """Object arrays as float64, as everywhere in scikit-learn; everything else as it is."""
    try:
        is_object = not hasattr(X, "toarray") and np.asarray(X).dtype == object
        return np.asarray(X).astype(np.float64) if is_object else X
    except TypeError as error:
        raise NotNumberError(
            f"X has an element that is no number: {error}. Encode text and categories as numbers, fill missing cells, or drop "
            "those columns."
        ) from error
    except ValueError:
        # Text, or rows of different lengths: `check_array` says it better.
        return X


def condition_values(condition: Any, count: int) -> np.ndarray:
    """A row for each of `count` examples, whatever the values."""
    values = np.asarray(condition)
    if values.ndim == 0 or len(values) != count:
        raise DataError(f"condition has shape {values.shape}; expected a row for each of the {count} examples.")
    return values


def with_condition(x: np.ndarray, condition: Any, spec: DataSpec) -> Example:
    """The rows with their conditions as the model takes them; one is refused where the model takes none, and the reverse."""
    if spec.condition is None:
        if condition is not None:
            raise ConfigurationError("condition is given, but this model was fitted without one; leave it out, or fit with one.")
        return Example(x)
    if condition is None:
        raise ConfigurationError(
            f"condition is missing: this model was fitted with one ({spec.condition.words}); give a row for each of the "
            f"{len(x)} examples."
        )
    return Example(x, spec.condition.encode(condition_values(condition, len(x))))
