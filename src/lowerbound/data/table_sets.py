"""A table as a `Dataset`: plain numbers where all cells are, else columns of several kinds, encoded, with holes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, unknown_name_message, warn_of_data
from .checks import check_array
from .columns import Column, RawTable, infer_columns, read_raw
from .columns.arrow import arrow_metadata, plain_type
from .columns.left_out import kept_columns, reason_of, say_left_out
from .columns.raw import is_missing
from .columns.schema_file import columns_by, read_schema
from .columns.sql import is_url
from .conditions import joined
from .dataset import Dataset
from .endings import TEXT_ENDINGS, ending_of
from .streams.files import is_streamed
from .streams.tables import ColumnRows
from .tables import check_different, load_table
from .validation import is_file, with_marked

if TYPE_CHECKING:
    from ..config.sections import DataConfig


@dataclasses.dataclass(frozen=True)
class TableOptions:
    """How a table is read that is more than numbers.

    - `missing`: what stands for no value besides the usual words. `query`: of a database, the SQL whose rows are the table.
    - `schema`: the path of a file that states the kinds of columns; empty to infer all.
    - `columns`: those of a model, by which the table is encoded, whatever its own cells show; empty to infer them.
    - `may_lack`: columns that a table may be without, and then has no value of.
    - `keeps_empty_rows`: whether a row without any value stays: where each row is to be answered.
    - `memory`: of Parquet, whether it is one array ("resident"), read by row groups ("streamed"), or what memory suffices for.
    """

    missing: tuple[str, ...] = ()
    query: str = ""
    schema: str = ""
    columns: tuple[Column, ...] = ()
    may_lack: tuple[str, ...] = ()
    keeps_empty_rows: bool = False
    memory: str = "resident"

    @property
    def fewest(self) -> int:
        """How many rows there must be."""
        return 1 if self.keeps_empty_rows else 2

    @property
    def is_plain(self) -> bool:
        """Whether nothing is stated of the cells, so that a table of numbers is one."""
        return not (self.missing or self.schema or self.columns or self.query)


def tokens_of(missing: str) -> tuple[str, ...]:
    """The words and numbers of `data.missing`."""
    return tuple(token.strip() for token in missing.split(",") if token.strip())


def load_table_set(
    name: str, condition: Sequence[str], marks: str, *, are_labels: bool = False, options: TableOptions = TableOptions()
) -> Dataset:
    """The data set in a file that is a table, or in a database.

    - `condition`, `marks`: columns that are no part of the examples: what is given besides, and which rows are for validation.
    - `are_labels`: whether the condition may have no value in some rows.

    Where all other cells are numbers, and nothing is stated of them, the examples are these numbers. Else each column is of a
    kind (`infer_columns`), and the examples are the codes of all that are not left out, with NaN for no value. What is left out
    is said by a `DataWarning`.
    """
    path = Path(name).expanduser()
    if options.is_plain and not condition and not marks and not is_url(name) and ending_of(path) in TEXT_ENDINGS:
        table = load_table(path)
        if table is not None:
            return Dataset(name, check_array(table.values, name=path.name, fewest=options.fewest), feature_names=table.names)
    aside = {**({marks: "data.validation"} if marks else {}), **dict.fromkeys(condition, "data.condition")}
    if ending_of(path) == ".parquet" and (found := _parquet_rows(name, path, aside, options)) is not None:
        dataset, table = found
        given = {each: _apart(table, each, may_lack=are_labels and each in condition) for each in aside}
        return _with_given(dataset, condition, marks, given)
    raw = read_raw(name, missing=options.missing, query=options.query, apart=tuple(aside)).with_empty(options.may_lack)
    _require(raw, aside)
    rest = raw.without(tuple(aside))
    if not rest.names:
        others = f" besides {', '.join(map(repr, aside))}" if aside else ""
        raise DataError(f"{raw.source} has no columns{others}; expected those of the examples{' too' if aside else ''}.")
    given = {each: _apart(raw, each, may_lack=are_labels and each in condition) for each in aside}
    values = numbers_of(rest) if options.is_plain or (options.query and not options.schema and not options.columns) else None
    dataset = _of_numbers(name, rest, values, options) if values is not None else _of_columns(name, rest, options, tuple(aside))
    if dataset.table is not None and len(dataset.table) < len(rest):
        kept = ~_is_empty(rest, dataset.columns)
        given = {each: column[kept] for each, column in given.items()}
    return _with_given(dataset, condition, marks, given)


def _with_given(dataset: Dataset, condition: Sequence[str], marks: str, given: Mapping[str, np.ndarray]) -> Dataset:
    """The data set with what was set aside."""
    if condition:
        columns = [given[each] for each in condition]
        together = joined(list(condition), columns) if len(columns) > 1 else columns[0]
        dataset = dataclasses.replace(dataset, condition=together, condition_name=",".join(condition))
    return with_marked(dataset, marks, given[marks]) if marks else dataset


def _parquet_rows(name: str, path: Path, aside: Mapping[str, str], options: TableOptions) -> tuple[Dataset, RawTable] | None:
    """A table that is read by row groups, and the columns that are set aside; None where it is to be one array."""
    from .streams.parquet import ParquetNumbers, ParquetTable, starts_of

    file = arrow_metadata(path)
    if file is None or not is_streamed(8.0 * file.metadata.num_rows * file.metadata.num_columns, options.memory):
        return None
    names = [str(each) for each in file.schema.names if not str(each).startswith("__index_level_")]
    check_different(str(path), names)
    starts = starts_of(file.metadata)
    apart = ParquetTable(path, list(aside), starts, options.missing)
    _require(RawTable(str(path), tuple(names), ()), aside)
    given = apart.table(np.arange(int(starts[-1]))) if aside else RawTable(str(path), (), ())
    rest = [each for each in names if each not in aside]
    if options.is_plain and (dtype := plain_type(file, rest)) is not None:
        rows = ParquetNumbers(path, rest, starts, dtype)
        return Dataset(name, check_array(rows, name=path.name), feature_names=tuple(rest)), given
    source = ParquetTable(path, rest, starts, options.missing)
    some = source.some()
    columns = options.columns or _columns_of(some, options.schema, tuple(aside))
    _say_left_out(some, columns, options)
    kept = kept_columns(columns, str(path), len(source))
    names = tuple(column.name for column in kept)
    return Dataset(name, ColumnRows(source, kept), feature_names=names, columns=tuple(columns)), given


def numbers_of(table: RawTable) -> np.ndarray | None:
    """(n, columns) float64 where every cell is a number, TRUE or FALSE; else None."""
    columns = []
    for column in table.columns:
        if column.dtype.kind == "O" and set(column.tolist()) <= {"true", "false"}:
            column = (column == "true").astype(np.float64)
        if column.dtype.kind != "f" or np.isnan(column).any():
            return None
        columns.append(column)
    return np.stack(columns, axis=1)


def _of_numbers(name: str, table: RawTable, values: np.ndarray, options: TableOptions) -> Dataset:
    array = check_array(values, name=Path(name).name, fewest=options.fewest)
    return Dataset(name, array, feature_names=table.names if table.has_names else ())


def _of_columns(name: str, table: RawTable, options: TableOptions, set_aside: Sequence[str]) -> Dataset:
    columns = options.columns or _columns_of(table, options.schema, set_aside)
    kept = kept_columns(columns, table.source, len(table))
    _say_left_out(table, columns, options)
    if not options.keeps_empty_rows and (empty := _is_empty(table, columns)).any():
        first = int(np.argmax(empty))
        place = f"row {first}" if table.lines is None else f"line {table.lines[first]}"
        warn_of_data(
            f"{table.source}: {int(empty.sum()):,} of {len(empty):,} rows have no value in any column, the first at {place}; "
            "they are left out."
        )
        table = table.rows(~empty)
    if len(table) < (1 if options.columns else 2):
        raise DataError(f"{table.source} has {len(table)} rows with values; expected 2 at least.")
    examples = np.stack([column.encode(table) for column in kept], axis=1)
    return Dataset(name, examples, feature_names=tuple(column.name for column in kept), table=table, columns=tuple(columns))


def _columns_of(table: RawTable, schema: str, set_aside: Sequence[str]) -> tuple[Column, ...]:
    return columns_by(read_schema(schema), table, schema, set_aside) if schema else infer_columns(table)


def table_and_columns(data: DataConfig) -> tuple[RawTable, tuple[Column, ...]]:
    """The table that a configuration names, without what it sets aside, and its columns.

    Raises `DataError` where the data are no table.
    """
    condition = [name.strip() for name in data.condition.split(",") if name.strip()]
    marks = [data.validation] if isinstance(data.validation, str) and not is_file(data.validation) else []
    aside = {**dict.fromkeys(marks, "data.validation"), **dict.fromkeys(condition, "data.condition")}
    raw = read_raw(data.name, missing=tokens_of(data.missing), query=data.query, apart=tuple(aside))
    _require(raw, aside)
    table = raw.without(tuple(aside))
    return table, _columns_of(table, data.schema, tuple(aside))


def _is_empty(table: RawTable, columns: Sequence[Column]) -> np.ndarray:
    """(n,) which rows have no value in any column that is not left out."""
    kept = [column.name for column in columns if not column.is_left_out]
    return np.all([is_missing(table.column(name)) for name in kept], axis=0)


def _say_left_out(table: RawTable, columns: Sequence[Column], options: TableOptions) -> None:
    left_out = [reason_of(column) for column in columns if column.is_left_out and not options.columns]
    known = {column.name for column in columns}
    left_out += [f"{name!r} (the model has no such column)" for name in table.names if name not in known]
    say_left_out(table.source, left_out)


def _require(table: RawTable, wanted: Mapping[str, str]) -> None:
    """Raise `DataError`, with the nearest right name, when a table has no column of a wanted name."""
    for name, key in wanted.items():
        if not table.has_names:
            raise DataError(f"{key} is {name!r}, but {table.source} has no line of column names; write one above the rows.")
        if name not in table.names:
            raise DataError(f"{table.source}: {unknown_name_message(key, name, table.names)}")


def _apart(table: RawTable, name: str, *, may_lack: bool) -> np.ndarray:
    """A column as a condition takes it: numbers, booleans where all cells are TRUE or FALSE, else texts.

    - `may_lack`: whether it may have cells without a value, NaN or an empty text then.
    """
    column = table.column(name)
    missing = is_missing(column)
    if missing.any() and not may_lack:
        raise DataError(f"{table.where(int(np.argmax(missing)), name)} has no value; fill it in, or drop the row before fitting.")
    if column.dtype.kind == "f":
        return column
    texts = np.asarray(["" if lacks else str(cell) for cell, lacks in zip(column.tolist(), missing, strict=True)])
    return texts == "true" if column.dtype.kind == "O" and set(texts.tolist()) <= {"true", "false"} else texts
