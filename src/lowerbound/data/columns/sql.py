"""Rows of a database, through SQLAlchemy where it is installed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import Any

from ...errors import ConfigurationError, DataError, shortened
from ...storage.memory import check_fits
from ..tables import check_different
from .cells import column_of
from .raw import RawTable

_URL = re.compile(r"[a-z][\w.+-]*://", re.IGNORECASE)
# A relative path of an SQLite file.
SQLITE = re.compile(r"sqlite:///([^/:].*)")
# Files elsewhere, which no program for databases reads.
_ELSEWHERE = re.compile(r"(https?|ftp|s3|gs|az|file)://", re.IGNORECASE)
# What a query that only reads begins with, behind comments and brackets.
_READS = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:select|with|values|table|from|show|describe|explain)\b", re.IGNORECASE | re.DOTALL
)
# How a session of a database is told to change nothing, by the name of its dialect.
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}
_ROWS_OF_A_BLOCK = 10_000
# Of a cell as Python's object, and once more while columns are made of the rows.
_BYTES_OF_CELL = 100


def is_url(text: str) -> bool:
    """Whether the text is the URL of a database, and no path."""
    return _URL.match(text) is not None


def read_sql(url: str, query: str, declared: Collection[str] = ()) -> RawTable:
    """The rows that a query gives. In the URL, $NAME stands for the variable NAME of the environment, such as a password.
    Nothing in the database is changed, whatever the query is.

    Raises `ConfigurationError` where the query is missing, and where the URL holds a password as it is, because a run's folder
    would keep it; `DataError` for whatever the database answers, and where SQLAlchemy is missing.
    """
    if _ELSEWHERE.match(url):
        raise DataError(f"{shortened(url)} is the address of a file, and no database; fetch the file, and give its path.")
    try:
        import sqlalchemy
        import sqlalchemy.exc
    except ImportError as error:
        raise DataError(
            f"{shortened(url)} is a database, which SQLAlchemy reads, and that is not installed. Install it with the extra sql: "
            "pip install 'lowerbound[sql]'. Or save the table as CSV."
        ) from error
    try:
        given = sqlalchemy.make_url(url)
        if given.password and not str(given.password).startswith("$"):
            raise ConfigurationError(
                f"the URL {given.render_as_string()} holds a password, which every run's folder would keep; expected the name of "
                "a variable of the environment in its place: "
                f"{given.set(password='X').render_as_string(hide_password=False).replace(':X@', ':$PASSWORD@')}."
            )
        if not query.strip():
            raise ConfigurationError(
                f"{shortened(given.render_as_string())} is a database, and data.query is empty; expected the SQL whose rows are "
                "the table: --query 'SELECT * FROM measurements'."
            )
        if not _READS.match(query):
            raise DataError(f"data.query is {shortened(query)!r}, which gives no rows; expected a SELECT.")
        given = _filled(given)
        database = given.database
        if given.get_backend_name() == "sqlite" and database and database != ":memory:" and not os.path.exists(database):
            # SQLite would make it.
            raise DataError(f"there is no database {database}; expected the path of an SQLite file behind sqlite:///.")
        engine = sqlalchemy.create_engine(given)
        try:
            names, blocks = _rows(engine, query, shortened(given.render_as_string()))
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise DataError(f"{shortened(url.split('@')[-1])} did not answer {shortened(query)!r}: {reason}.") from error
    source = shortened(given.render_as_string())
    check_different(source, names)
    if not blocks:
        raise DataError(f"{source} has no rows for {shortened(query)!r}; expected one for each example.")
    columns = [[value for block in blocks for value in block[place]] for place in range(len(names))]
    where = [lambda row, name=name: f"{source}: row {row}, column {name!r}" for name in names]
    return RawTable(
        source, names, tuple(column_of(column, place, declared) for column, place in zip(columns, where, strict=True))
    )


def _filled(url: Any) -> Any:
    """The URL with the values of the environment's variables that it names."""
    parts = {part: getattr(url, part) for part in ("username", "password", "host", "database")}
    filled = {part: os.path.expandvars(str(text)) for part, text in parts.items() if text}
    for text in filled.values():
        if text.startswith("$"):
            raise ConfigurationError(
                f"the URL {url.render_as_string()} names {text}, which is not set in the environment; set it."
            )
    return url.set(**filled)


def _rows(engine: Any, query: str, source: str) -> tuple[tuple[str, ...], list[list[tuple[Any, ...]]]]:
    """The names of the columns, and of each block of rows its columns."""
    import sqlalchemy

    with engine.connect() as connection:
        if command := _READ_ONLY.get(engine.dialect.name):
            connection.exec_driver_sql(command)
        found = connection.execution_options(stream_results=True).execute(sqlalchemy.text(query))
        if not found.returns_rows:
            raise DataError(f"data.query is {shortened(query)!r}, which gives no rows; expected a SELECT.")
        names, blocks = tuple(map(str, found.keys())), []
        for block in found.partitions(_ROWS_OF_A_BLOCK):
            blocks.append(list(zip(*block, strict=True)))
            # A query may have no end.
            rows = len(blocks) * _ROWS_OF_A_BLOCK
            what = f"the table of {source}, {rows:,} rows until now,"
            check_fits(rows * len(names) * _BYTES_OF_CELL, what, "ask for fewer: LIMIT, or fewer columns")
        return names, blocks
