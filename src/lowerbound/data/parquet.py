"""Tables in Parquet files, which pyarrow reads where it is installed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, LowerboundError
from ..storage.memory import check_fits


def read_parquet(
    path: Path, aside: Collection[str], may_lack: Collection[str] = ()
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The names of all columns in order, and each column, (n,): numbers as float64; those in `aside` may be texts or booleans.

    Raises `DataError`, with the column and the row, for a missing value and for what is no number; and where pyarrow is missing.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"{path} is a Parquet file, which pyarrow reads, and that is not installed. Install it with the extra parquet: "
            "pip install 'lowerbound[parquet]'. Or save the table as CSV."
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            size = 8 * file.metadata.num_rows * file.metadata.num_columns
            check_fits(2 * size, f"{path}, a table of {file.metadata.num_rows:,} rows,", "give fewer rows or columns")
            table = file.read()
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, LowerboundError):
            raise
        raise DataError(f"{path} could not be read ({error}); it may be torn or no Parquet. Write or copy it again.") from error
    names = tuple(str(name) for name in table.column_names)
    return names, {name: _column(path, name, table.column(i), name in aside, name in may_lack) for i, name in enumerate(names)}


def _column(path: Path, name: str, values: Any, may_be_text: bool, may_lack: bool) -> np.ndarray:
    import pyarrow.types as types

    where = f"{path}: column {name!r}"
    if values.null_count and may_lack:
        plain = values.to_pylist()
        is_text = any(isinstance(value, str) for value in plain)
        return np.asarray([("" if is_text else np.nan) if value is None else value for value in plain])
    if values.null_count:
        row = int(np.argmax(values.is_null().to_numpy()))
        raise DataError(f"{where} has no value in row {row}; fill it in, drop the row or drop the column before fitting.")
    kind = values.type.value_type if types.is_dictionary(values.type) else values.type
    if types.is_boolean(kind):
        booleans = np.asarray(values.to_pylist(), np.bool_)
        return booleans if may_be_text else booleans.astype(np.float64)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        numbers = np.asarray(
            values.to_pylist() if kind != values.type or types.is_decimal(kind) else values.to_numpy(), np.float64
        )
        if not may_lack and len(missing := np.flatnonzero(np.isnan(numbers))):
            raise DataError(
                f"{where} has no value in row {missing[0]} (NaN); fill it in, drop the row or drop the column before fitting."
            )
        return numbers
    if types.is_string(kind) or types.is_large_string(kind):
        texts = np.asarray(values.to_pylist(), np.str_)
        if may_be_text or not len(texts):
            return texts
        raise DataError(
            f"{where} holds texts, {str(texts[0])[:40]!r} for one; expected numbers. Code categories as 0, 1, 2, ..., drop the "
            f"column, or make it the condition: --set data.condition={name}."
        )
    raise DataError(f"{where} is of the type {values.type}; expected numbers. Turn it into numbers, or drop the column.")
