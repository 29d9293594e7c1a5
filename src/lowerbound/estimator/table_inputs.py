"""Data frames with columns of several kinds, or with cells without a value, as tables; everything else is an array of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.columns import RawTable, infer_columns
from ..data.columns.column import whole_columns
from ..data.columns.frames import check_is_frame, from_frame, to_frame
from ..data.columns.left_out import kept_columns, reason_of, say_left_out
from ..data.columns.schema_file import Stated, columns_by, read_schema, stated_of
from ..data.dataset import Dataset
from ..data.describe_table import encoded_for
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError


def table_of(X: Any, schema: Any = None) -> RawTable | None:
    """The table in a data frame that holds more than numbers, or has cells without a value; None for everything else.

    - `schema`: what was stated of the columns; where something was, any data frame is a table.
    """
    if hasattr(X, "collect"):
        # A lazy frame computes its columns to say whether it has any.
        check_is_frame(X)
    if not hasattr(X, "columns") or isinstance(X, np.ndarray):
        if schema is not None:
            raise ConfigurationError(f"schema is given, but X is a {type(X).__name__} without column names; give a data frame.")
        return None
    check_is_frame(X)
    if schema is None and all(_is_plain(X[name]) for name in getattr(X, "column_names", X.columns)):
        return None
    table = from_frame(X)
    plain = all(column.dtype.kind == "f" and not np.isnan(column).any() for column in table.columns)
    return None if plain and schema is None else table


def _is_plain(column: Any) -> bool:
    """Whether all cells are finite numbers as NumPy has them, and no categories that happen to be numbers."""
    try:
        values = np.asarray(column)
    except Exception:
        # Each library has errors of its own for what NumPy cannot hold; `from_frame` says what it is.
        return False
    if values.ndim != 1 or hasattr(getattr(column, "dtype", None), "categories"):
        return False
    return values.dtype.kind in "iub" or (values.dtype.kind == "f" and bool(np.isfinite(values).all()))


def dataset_of_table(table: RawTable, schema: Any = None) -> Dataset:
    """The data set of a table, its cells encoded; columns that are left out are said by a `DataWarning`.

    - `schema`: the path of a schema, or the kind of some columns by name; None where all kinds are inferred.

    Raises `ConfigurationError` and `DataError`.
    """
    columns = infer_columns(table) if schema is None else columns_by(_stated(schema), table, "schema")
    kept = kept_columns(columns, "X", len(table))
    say_left_out("X", [reason_of(column) for column in columns if column.is_left_out])
    examples = np.stack([column.encode(table) for column in kept], axis=1)
    return Dataset("X", examples, feature_names=tuple(column.name for column in kept), table=table, columns=columns)


def _stated(schema: Any) -> Mapping[str, Stated]:
    if isinstance(schema, str | Path):
        return read_schema(schema)
    if isinstance(schema, Mapping):
        return {
            str(name): kind if isinstance(kind, Stated) else stated_of(f"schema[{str(name)!r}]", {"kind": kind})
            for name, kind in schema.items()
        }
    raise ConfigurationError(
        f"schema is {schema!r}; expected the path of a schema that `lowerbound schema` wrote, or the kinds of some columns by "
        "name: {'zip': 'categorical'}."
    )


def encoded_rows(X: Any, spec: DataSpec) -> np.ndarray:
    """(n, columns) rows of a data frame as a model of a table takes them, by the names of its columns; NaN for no value.

    Raises `DataError` for what is no data frame, for a column that is missing and for a cell of another kind.
    """
    if not hasattr(X, "columns"):
        raise DataError(
            f"X is a {type(X).__name__}; this model was fitted on a data frame with the columns "
            f"{', '.join(spec.feature_names[:10])}{', ...' if len(spec.feature_names) > 10 else ''}; give one with these."
        )
    table = from_frame(X)
    return encoded_for(Dataset("X", np.zeros((len(table), 0)), table=table), spec).examples


def frame_of_rows(rows: np.ndarray, spec: DataSpec, module: str) -> Any:
    """Encoded rows as a data frame of `module`; of whichever library is installed where that is none."""
    from lowerbound.evaluation.table_rows import as_table, tidied

    table = as_table(tidied(np.asarray(rows, np.float64), spec.columns), spec)
    return to_frame(table.names, table.columns, module, whole=whole_columns(spec.columns))
