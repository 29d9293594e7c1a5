"""The one gate through which arrays enter, for fitting and afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError, shortened
from .streams import AbstractRows, rows_of

# Rows looked at in one go: bounds the temporary memory on large sets.
_CHUNK_ELEMENTS = 1 << 22


def check_array(
    x: Any, *, name: str = "X", event_shape: tuple[int, ...] | None = None, may_have_holes: bool = True, fewest: int = 2
) -> Any:
    """`x` as a numeric NumPy array of shape (n, *event_shape), in its own type (booleans become uint8).

    Rows that are read by their numbers stay what they are, and are looked at as an array would be.

    - `name`: what the caller's user calls this array; it begins every message.
    - `event_shape`: the shape of one example that a model was fitted to, or None when fitting, where at least `fewest` examples
      are needed and any shape of at least one element will do.

    - `may_have_holes`: whether NaN stands for an element without a value.

    Raises `DataError` for anything that is not a rectangle of real numbers, for a wrong shape, for too few examples, and
    for infinite values, and NaN where there may be no holes (how many, and where the first one is).
    """
    array = x if rows_of(x) else _as_numeric(x, name)
    if event_shape is None:
        _check_shape_for_fitting(array, name, fewest)
    else:
        _check_event_shape(array, name, tuple(event_shape))
    if not (rows_of(array) and array.starts is not None):
        # Those of files are looked at when they are read.
        _check_finite(array, name, may_have_holes)
    return array


def check_no_mask(x: Any, name: str) -> None:
    """Raise `DataError` for a masked array with masked values, or a list of such ones: the mask would be lost."""
    arrays = [each for each in (x if isinstance(x, list | tuple) else (x,)) if isinstance(each, np.ma.MaskedArray)]
    if count := sum(int(np.ma.count_masked(each)) for each in arrays):
        raise DataError(
            f"{name} is a masked array with {count} of {sum(each.size for each in arrays)} values masked, and the mask would be "
            "lost: what lies under it would be taken for values. Fill the holes (x.filled(value)), or keep the rows without any "
            "(x.data[~numpy.ma.getmaskarray(x).reshape(len(x), -1).any(axis=1)])."
        )


def chunks_of_rows(array: np.ndarray | AbstractRows) -> range:
    """Starts of consecutive blocks of rows; `range.step` is a block's length."""
    row = max(1, array.size // max(1, len(array)))
    return range(0, len(array), max(1, _CHUNK_ELEMENTS // row))


def _variable(name: str) -> str:
    """What a line of Python calls the array: its name, but for that of a file."""
    return name if name.isidentifier() else "x"


def _as_numeric(x: Any, name: str) -> np.ndarray:
    if hasattr(x, "toarray") and not isinstance(x, np.ndarray):
        raise DataError(
            f"{name} is a sparse matrix ({type(x).__name__}); expected a dense array: pass {_variable(name)}.toarray()."
        )
    check_no_mask(x, name)
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise DataError(f"{name} is not a rectangle of numbers: {error}. Expected examples that all have one shape.") from error
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if array.dtype.kind == "c":
        raise DataError(
            f"{name} has dtype {array.dtype}. Complex data not supported: expected real numbers; "
            "real and imaginary parts can be two columns, numpy.concatenate([x.real, x.imag], axis=1)."
        )
    if array.dtype.names:
        raise DataError(
            f"{name} is a structured array with the fields {shortened(', '.join(array.dtype.names))}; expected plain numbers, "
            "or a data frame, of which each field is a column: pandas.DataFrame(x)."
        )
    if array.dtype.kind not in "iuf":
        raise DataError(
            f"{name} has dtype {array.dtype}; expected numbers (integers, floats or booleans). "
            f"{_first_non_number(array)}Encode text and categories as numbers first, or drop those columns; "
            "an object array that holds only numbers becomes one by astype(float)."
        )
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array


def _first_non_number(array: np.ndarray) -> str:
    if array.ndim == 0:
        return f"Got {str(array)[:40]!r}. "
    for index, value in zip(np.ndindex(array.shape), array.flat, strict=False):
        if not isinstance(value, (int, float, np.number)):
            return f"The first that is not a number is {str(value)[:40]!r} at index {index}. "
    return ""


def _check_shape_for_fitting(array: np.ndarray | AbstractRows, name: str, fewest: int) -> None:
    if array.ndim < 2:
        raise DataError(
            f"{name} has shape {array.shape}; expected (examples, features) or (examples, height, width[, channels]). "
            f"Reshape your data: {_variable(name)}.reshape(-1, 1) if it is one feature of many examples, "
            f"{_variable(name)}.reshape(1, -1) if it is one example."
        )
    if len(array) and array.size == 0:
        raise DataError(
            f"{name} is empty: 0 feature(s) (shape={array.shape}) while a minimum of 1 is required. "
            "Expected at least one number in each example."
        )
    if len(array) == 0:
        raise DataError(f"{name} is empty: 0 sample(s) (shape={array.shape}) while a minimum of 2 is required to fit a model.")
    if len(array) == 1 < fewest:
        raise DataError(
            f"{name} has only one row (1 sample, shape={array.shape}) while a minimum of 2 is required: one example says "
            f"nothing about how examples differ. If {array.shape[1:]} is really many examples, pass {_variable(name)}[0]."
        )


def _check_event_shape(array: np.ndarray | AbstractRows, name: str, event_shape: tuple[int, ...]) -> None:
    expected = f"(n, {', '.join(str(size) for size in event_shape)})"
    if array.shape[1:] == event_shape and array.ndim > 0:
        if len(array) == 0:
            raise DataError(
                f"{name} is empty: 0 sample(s) (shape={array.shape}) while a minimum of 1 is required; expected shape {expected}."
            )
        return
    num_elements = int(np.prod(event_shape, dtype=int))
    if array.shape == event_shape:
        advice = f"This is one example without its axis of examples. Reshape your data: pass {_variable(name)}[None]."
    elif array.ndim >= 2 and len(array) and array[0].size == num_elements:
        shape = ", ".join(str(size) for size in event_shape)
        advice = f"The number of elements fits; if their order does too, pass {_variable(name)}.reshape(-1, {shape})."
    elif array.ndim == 2 and len(event_shape) == 1:
        advice = (
            f"{name} has {array.shape[1]} features, but VAE is expecting {event_shape[0]} features as input: "
            "give the same columns as in fit, in the same order."
        )
    elif array.ndim == 1:
        advice = f"Reshape your data: {_variable(name)}.reshape(-1, 1) or {_variable(name)}.reshape(1, -1)."
    else:
        advice = "Give examples of the same size as those that the model was fitted to."
    raise DataError(f"{name} has shape {array.shape}; expected {expected}, as in fit. {advice}")


def _check_finite(array: np.ndarray | AbstractRows, name: str, may_have_holes: bool) -> None:
    if array.dtype.kind != "f":
        return
    num_nan, num_inf, first = 0, 0, None
    chunks = chunks_of_rows(array)
    for start in chunks:
        block = array[start : start + chunks.step]
        bad = np.isinf(block) if may_have_holes else ~np.isfinite(block)
        if not bad.any():
            continue
        if first is None:
            index = np.unravel_index(int(bad.argmax()), bad.shape)
            first = (start + int(index[0]), *(int(i) for i in index[1:]))
        nan_here = int((np.isnan(block) & bad).sum())
        num_nan += nan_here
        num_inf += int(bad.sum()) - nan_here
    if first is not None:
        x = _variable(name)
        counts = [f"{count} {what}" for count, what in ((num_nan, "NaN"), (num_inf, "infinite")) if count]
        raise DataError(
            f"Input {name} contains {' and '.join(counts)} of {array.size} values (NaN or infinity); the first is "
            f"{array[first]} at index {first}. Expected finite numbers: drop or fill those rows, "
            f"for example {x}[numpy.isfinite({x}).all(axis=tuple(range(1, {x}.ndim)))]."
        )


def check_size_for_float32(array: np.ndarray, what: str) -> None:
    """Raise `DataError` where a finite value would become infinite as float32, in which models compute."""
    if array.dtype.kind != "f" or array.dtype.itemsize <= 4:
        return
    largest = float(np.abs(array).max(initial=0.0, where=np.isfinite(array)))
    if largest > float(np.finfo(np.float32).max):
        raise DataError(
            f"{what} reaches {largest:g}, beyond the largest number of float32 (3.4e+38), in which models compute. Rescale it, "
            "or take its logarithm."
        )
