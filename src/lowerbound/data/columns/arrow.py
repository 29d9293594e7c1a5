"""Tables in Parquet and Feather files, which pyarrow reads where it is installed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import DataError, LowerboundError, warn_of_data
from ...storage.memory import check_fits
from ..endings import ending_of
from ..signatures import begins_as
from ..tables import check_different
from .cells import column_of
from .raw import RawTable


def read_arrow(path: Path, declared: Collection[str] = ()) -> RawTable:
    """The table in a Parquet or Feather file, without the index that pandas stores in it, which is said.

    - `declared`: what stands for no value besides nulls, NaN and empty texts.

    Raises `DataError`, with the column and the row, for what is no number, text, boolean or time; and where pyarrow is missing.
    """
    form = "Feather" if ending_of(path) == ".feather" else "Parquet"
    try:
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"{path} is a {form} file, which pyarrow reads, and that is not installed. Install it with the extra parquet: "
            "pip install 'lowerbound[parquet]'. Or save the table as CSV."
        ) from error
    try:
        if form == "Feather":
            check_fits(4 * path.stat().st_size, f"the table in {path}", "give fewer rows or columns")
            table = pyarrow.feather.read_table(path, memory_map=False)
        else:
            with pyarrow.parquet.ParquetFile(path) as file:
                size = 8 * file.metadata.num_rows * file.metadata.num_columns
                check_fits(2 * size, f"{path}, a table of {file.metadata.num_rows:,} rows,", "give fewer rows or columns")
                table = file.read()
        # Of a torn file, texts may lie outside it, or be none.
        table.validate(full=True)
        names = [str(name) for name in table.column_names]
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, LowerboundError):
            raise
        raise DataError(
            f"{path} could not be read ({error}); it may be torn or no {form}.{begins_as(path) or ' Write or copy it again.'}"
        ) from error
    check_different(str(path), names)
    index = [name for name in names if name.startswith("__index_level_")]
    if index:
        warn_of_data(
            f"{path}: the column {index[0]!r} holds the index of a data frame and is left out. Give it another name to keep it."
        )
    kept = tuple(name for name in names if name not in index)
    if not kept or not table.num_rows:
        raise DataError(f"{path} holds no rows of numbers or texts; expected one row for each example.")
    return RawTable(
        str(path), kept, tuple(raw_column(str(path), name, table.column(names.index(name)), declared) for name in kept)
    )


def raw_column(source: str, name: str, values: Any, declared: Collection[str]) -> np.ndarray:
    """A column of an Arrow table, as `RawTable` has it; raises `DataError` for a type that is none of those."""
    import pyarrow
    import pyarrow.types as types

    kind = values.type.value_type if types.is_dictionary(values.type) else values.type
    if types.is_integer(kind) or types.is_floating(kind):
        # Nulls become NaN.
        return values.cast(kind).cast(pyarrow.float64(), safe=False).to_numpy()
    if types.is_timestamp(kind) or types.is_date(kind):
        return values.cast(kind).cast(pyarrow.timestamp("us"), safe=False).to_numpy().astype("datetime64[us]")
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if not (is_text or types.is_boolean(kind) or types.is_decimal(kind) or types.is_null(kind)):
        raise DataError(
            f"{source}: column {name!r} is of the type {values.type}; expected numbers, texts, booleans, days or moments. Turn "
            "it into one of these, or drop the column."
        )
    return column_of(values.to_pylist(), lambda row: f"{source}: row {row}, column {name!r}", declared)


class _Form(NamedTuple):
    """What stands at the end of a Parquet file."""

    metadata: Any
    schema: Any


def arrow_metadata(path: Path) -> Any:
    """The metadata and the Arrow schema of a Parquet file; None where `read_arrow` says what is wrong."""
    try:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            return _Form(file.metadata, file.schema_arrow) if file.metadata.num_rows else None
    except (ImportError, OSError, ValueError):
        return None


def plain_type(form: Any, names: Collection[str]) -> np.dtype | None:
    """The type that holds all of these columns where they are numbers and none is null, as far as the file tells; else None."""
    import pyarrow.types as types

    kinds = [form.schema.field(name).type for name in names]
    if not all(types.is_integer(kind) or types.is_floating(kind) for kind in kinds):
        return None
    places = [form.schema.get_field_index(name) for name in names]
    for group in range(form.metadata.num_row_groups):
        for place in places:
            statistics = form.metadata.row_group(group).column(place).statistics
            if statistics is None or statistics.null_count is None or statistics.null_count:
                return None
    return np.dtype(np.float32 if all(kind.to_pandas_dtype() == np.float32 for kind in kinds) else np.float64)
