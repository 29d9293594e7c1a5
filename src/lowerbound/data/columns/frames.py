"""Data frames in and out: of pandas, Polars, and whatever else narwhals knows."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ...errors import DataError
from .cells import as_objects, column_of
from .column import in_words
from .raw import RawTable, check_cells, is_missing

_BOOLEANS = frozenset(("true", "false"))


def names_of_frame(frame: Any, source: str = "X") -> list[Any]:
    """The names of a frame's columns; raises `DataError` where two are the same, or texts stand beside others."""
    names = list(getattr(frame, "column_names", frame.columns))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{source} has {names.count(twice)} columns named {twice!r}; expected a name of its own for each.")
    kinds = {type(name).__name__ for name in names}
    if len(kinds) > 1 and "str" in kinds:
        raise DataError(
            f"{source} has columns named by {' and '.join(sorted(kinds))}; expected names of one kind. Make all of them texts: "
            f"{source}.columns = {source}.columns.astype(str)."
        )
    return names


def check_is_frame(frame: Any, source: str = "X") -> Any:
    """The frame as narwhals has it; raises `DataError` for what is none, for names twice, and where rows are not there yet."""
    import narwhals.stable.v2 as nw

    # Asking a lazy frame for its columns would compute it.
    if not hasattr(frame, "collect") and hasattr(frame, "columns"):
        names_of_frame(frame, source)
    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError as error:
        raise DataError(
            f"{source} is of the type {type(frame).__name__}; expected a data frame, of pandas or Polars, whose rows are there "
            f"(a lazy frame is collected first: {source}.collect())."
        ) from error


def from_frame(frame: Any, source: str = "X", *, missing: Collection[str] = ()) -> RawTable:
    """The table in a data frame, of any library that narwhals knows.

    Numbers of all types become float64, categories texts, booleans the texts "true" and "false", days and moments (those with a
    zone as UTC) microseconds; null, None, NaN, NaT and the empty text are no value.

    - `source`: what messages call the frame. `missing`: texts and numbers that are no value besides.

    Raises `DataError`, with the column and the row, for what is none of these.
    """
    check_is_frame(frame, source)
    names = names_of_frame(frame, source)
    if not all(isinstance(name, str) for name in names):
        names = [str(name) for name in names]
        frame = frame.set_axis(names, axis=1)
    known = check_is_frame(frame, source)
    columns = tuple(_column(known[name], source, name, missing) for name in names)
    table = RawTable(source, tuple(names), columns, is_frame=True)
    if not len(table):
        raise DataError(f"{source} has no rows and {len(names)} columns; expected a row for each example.")
    check_cells(table)
    return table


def _column(series: Any, source: str, name: str, missing: Collection[str]) -> np.ndarray:
    import narwhals.stable.v2 as nw

    kind = series.dtype
    if kind.is_numeric() and kind != nw.Decimal and not missing:
        return np.array(series.cast(nw.Float64).to_numpy(), np.float64)
    if kind == nw.Datetime or kind == nw.Date:
        if getattr(kind, "time_zone", None):
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return np.asarray(series.cast(nw.Datetime("us")).to_numpy()).astype("datetime64[us]")
    if kind == nw.Duration or kind == nw.List or kind == nw.Struct or kind == nw.Array or kind == nw.Time or kind == nw.Binary:
        raise DataError(
            f"{source}: column {name!r} is of the type {kind}; expected numbers, texts, categories, booleans, days or moments. "
            f"Turn it into one of these, or drop the column: {source}.drop(columns=[{name!r}])."
        )
    values = series.to_list()
    if kind == nw.Categorical or kind == nw.Enum:
        # A category stays one, although its values may be numbers.
        values = [value if value is None or isinstance(value, str | bool) else _in_words(value) for value in values]
    return column_of(values, lambda row: f"{source}: row {row}, column {name!r}", missing)


def _in_words(value: Any) -> Any:
    if isinstance(value, int | float | np.integer | np.floating):
        return None if value != value else in_words(float(value))
    return value


def to_frame(names: Sequence[str], columns: Sequence[np.ndarray], module: str, *, whole: Collection[str] = ()) -> Any:
    """Raw columns as a data frame of Polars where `module` is "polars", else of pandas.

    Numbers are float64, or for the columns in `whole` integers (pandas' Int64 where a cell has no value); texts that are all
    "true" or "false" booleans; other texts the library's own; times datetime64[us].
    """
    is_pandas = module != "polars"
    library = importlib.import_module("pandas" if is_pandas else module)
    made = {}
    for name, column in zip(names, columns, strict=True):
        missing = is_missing(column)
        plain: Any = column
        if column.dtype.kind == "O" and not missing.all() and set(column[~missing].tolist()) <= _BOOLEANS:
            values = [None if lacks else cell == "true" for cell, lacks in zip(column.tolist(), missing, strict=True)]
            plain = library.Series(values, dtype="boolean" if missing.any() else "bool") if is_pandas else values
        elif column.dtype.kind == "f" and name in whole:
            values = as_objects([None if lacks else int(cell) for cell, lacks in zip(column.tolist(), missing, strict=True)])
            plain = library.Series(values, dtype="Int64" if missing.any() else "int64") if is_pandas else values.tolist()
        elif not is_pandas:
            kinds = {"O": library.String, "f": library.Float64, "M": library.Datetime("us")}
            values = [None if lacks else cell for cell, lacks in zip(column.tolist(), missing, strict=True)]
            plain = library.Series(name, values, dtype=kinds[column.dtype.kind])
        elif column.dtype.kind == "O":
            plain = library.Series(column.tolist(), dtype="str")
        made[name] = plain
    return library.DataFrame(made)
