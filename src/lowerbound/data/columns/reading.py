"""The door for tables of every kind of column: a file or a database in, a `RawTable` out."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ...errors import DataError, MissingDataError
from ...storage.regular import MISSING, not_a_file
from ..endings import TABLE_ENDINGS, TEXT_ENDINGS, ending_of
from ..signatures import begins_as
from ..tables import is_row_number, say_row_numbers
from .arrow import read_arrow
from .delimited import read_delimited
from .raw import RawTable, check_cells
from .sql import is_url, read_sql


def read_raw(source: str | Path, *, missing: Collection[str] = (), query: str = "", apart: Collection[str] = ()) -> RawTable:
    """A table as it was written, nothing decided about its columns but which of them are numbers.

    - `source`: the path of a .csv or .tsv file, compressed by gzip or not, of a .parquet or .feather file, or the URL of a
      database as SQLAlchemy has it ("sqlite:///measurements.db").
    - `missing`: what stands for no value besides an empty cell; in text files also besides NA, N/A, NaN, null, None, ? and -.
    - `query`: of a database, the SQL whose rows are the table.
    - `apart`: names of columns in which "None", "?" and "-" may be groups' names.

    Of text are read: commas, semicolons, tabs and pipes as separators; decimals with commas where commas do not separate; quotes;
    spaces after separators; lines above the table that begin with #; no line of names, where all of it are numbers or it is like
    the lines below it (the names are "0", "1", ... then); UTF-8, and UTF-16 with its mark. Row numbers and row names, in a first
    column without a name or one that pandas calls "Unnamed: 0", are left out. What had to be guessed is said by a `DataWarning`.

    Raises `DataError`, with the file and the line, for what is no table; `MissingDataError` where there is nothing.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = path.write_text("name;height\nAnna;1,71\nBen;?\n")
    >>> import warnings; warnings.simplefilter("ignore")
    >>> read_raw(path).columns[1]
    array([1.71,  nan])
    """
    if is_url(str(source)):
        table = read_sql(str(source), query, missing)
    elif query:
        raise DataError(
            f"data.query is given, but {source} is no database; expected a URL such as sqlite:///measurements.db. Leave the "
            "query out, or give the database as the data."
        )
    else:
        table = _read_file(Path(source).expanduser(), missing, apart)
    check_cells(table)
    return table


def _read_file(path: Path, missing: Collection[str], apart: Collection[str]) -> RawTable:
    reason = not_a_file(path)
    if reason == MISSING:
        raise MissingDataError(f"there is no file {path}; expected a table, {' or '.join(TABLE_ENDINGS)}.")
    if reason is not None or ending_of(path) not in TABLE_ENDINGS:
        raise DataError(
            f"{path} {reason or 'is no table'}; expected a file that ends in {', '.join(TABLE_ENDINGS)}."
            f"{'' if reason else begins_as(path)}"
        )
    if ending_of(path) not in TEXT_ENDINGS:
        return read_arrow(path, missing)
    table = read_delimited(path, missing, apart)
    if not table.has_names or (len(table.names) == 1 and table.names[0]):
        return table
    first, column = table.names[0], table.columns[0]
    if not first or (column.dtype.kind == "f" and is_row_number(first, column)):
        say_row_numbers(path, first)
        return table.without((first,))
    return table
