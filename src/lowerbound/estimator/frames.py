"""Data frames out where data frames came in: with the rows' own index, and what was not asked for as it was."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.columns.column import in_words


def module_of_frame(X: Any) -> str:
    """The library of a data frame ("pandas"); empty for what is none."""
    return type(X).__module__.partition(".")[0] if hasattr(X, "columns") else ""


def as_frame(array: np.ndarray, names: Sequence[Any], module: str) -> Any:
    """Rows as a data frame of the library `module` ("pandas", "polars") with these column names; as they are for no module."""
    if module not in ("pandas", "polars") or array.ndim != 2:
        return array
    library = importlib.import_module(module)
    return library.DataFrame(array, columns=list(names)) if module == "pandas" else library.DataFrame(array, schema=list(names))


def with_index_of(frame: Any, X: Any) -> Any:
    """A frame of pandas with the index of the rows that it is about."""
    if module_of_frame(X) == "pandas" == module_of_frame(frame):
        return frame.set_axis(X.index, axis=0)
    return frame


def filled_frame(X: Any, filled: Any, is_hole: Sequence[np.ndarray]) -> Any:
    """The frame `X` with what `filled` has in its holes: its index, names and types, and every other cell, stay.

    - `filled`: a frame of the same library with the same columns in their order. `is_hole`: (n,) booleans for each column.

    A column whose type cannot hold what fills it, as a whole number 2.4, has the type of `filled`.
    """
    module = module_of_frame(X)
    if module not in ("pandas", "polars") or module_of_frame(filled) != module:
        return filled
    if module == "pandas":
        whole = X.copy()
        for place, holes in enumerate(is_hole):
            if holes.any():
                whole.isetitem(place, _filled_in_pandas(X.iloc[:, place], filled.iloc[:, place], holes))
        return whole
    columns = zip(X.iter_columns(), filled.iter_columns(), is_hole, strict=True)
    return X.with_columns([_filled_in_polars(own, new, holes) for own, new, holes in columns if holes.any()])


def _filled_in_pandas(own: Any, new: Any, holes: np.ndarray) -> Any:
    import pandas as pd

    values, found = own.array.copy(), pd.Series(new.array[holes])
    if isinstance(own.dtype, pd.CategoricalDtype):
        # What fills a category is its text, whatever its values are.
        found = found.map({_in_words(each): each for each in own.cat.categories} | {each: each for each in own.cat.categories})
    if isinstance(own.dtype, pd.DatetimeTZDtype):
        found = found.dt.tz_localize("UTC").dt.tz_convert(own.dtype.tz)
    try:
        values[holes] = found.astype(own.dtype).array
    except (TypeError, ValueError, NotImplementedError):
        return new.set_axis(own.index)
    filled = pd.Series(values, index=own.index, name=own.name, dtype=own.dtype)
    return new.set_axis(own.index) if pd.isna(filled.array[holes]).any() else filled


def _filled_in_polars(own: Any, new: Any, holes: np.ndarray) -> Any:
    import polars as pl

    try:
        found = new
        if isinstance(own.dtype, pl.Datetime) and own.dtype.time_zone:
            found = found.dt.replace_time_zone("UTC").dt.convert_time_zone(own.dtype.time_zone)
        found = found.cast(own.dtype)
        if own.dtype.is_integer() and not bool((found.cast(new.dtype) == new).all()):
            return new
        return own.zip_with(pl.Series(~holes), found)
    except pl.exceptions.PolarsError:
        return new


def _in_words(category: Any) -> str:
    return (
        in_words(float(category))
        if isinstance(category, int | float) and not isinstance(category, bool)
        else str(category).lower()
    )
