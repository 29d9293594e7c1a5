"""Tables of databases, through SQLAlchemy: SQLite."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowerbound.config.sections import DataConfig
from lowerbound.data.columns import read_raw
from lowerbound.data.datasets import load_configured, load_dataset
from lowerbound.errors import ConfigurationError, DataError, TooLargeError


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    pytest.importorskip("sqlalchemy")
    # A relative path: messages shorten long ones.
    monkeypatch.chdir(tmp_path)
    path = Path("m.db")
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE m (id INTEGER, colour TEXT, height REAL, day TEXT, picture BLOB)")
    rows = [(row, (None, "red", "green")[row % 3], row**2 / 7 if row % 4 else None, "2024-01-31", b"x") for row in range(40)]
    connection.executemany("INSERT INTO m VALUES (?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def test_the_rows_of_a_query_are_a_table(url: str) -> None:
    table = read_raw(url, query="SELECT colour, height AS h, id FROM m WHERE id < 5 ORDER BY id", missing=("3",))
    assert table.names == ("colour", "h", "id")
    assert table.column("colour").tolist() == [None, "red", "green", None, "red"]
    np.testing.assert_array_equal(table.column("h"), [np.nan, 1 / 7, 4 / 7, 9 / 7, np.nan])
    np.testing.assert_array_equal(table.column("id"), [0, 1, 2, np.nan, 4])
    assert table.where(1, "h") == f"{url}: row 1, column 'h'"


def test_a_configuration_names_a_database(url: str) -> None:
    query = "SELECT colour, height, id + 0.5 AS x FROM m"
    dataset = load_configured(DataConfig(name=url, query=query))
    assert [(column.name, column.kind) for column in dataset.columns] == [
        ("colour", "binary"), ("height", "real"), ("x", "real"),
    ]  # fmt: skip
    assert dataset.examples.shape == (40, 3)
    plain = load_configured(DataConfig(name=url, query="SELECT id, id * id AS square FROM m", condition="id"))
    assert (plain.feature_names, plain.table) == (("square",), None)
    np.testing.assert_array_equal(plain.condition, np.arange(40))


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("", ConfigurationError, r"m.db is a database, and data.query is empty; .*--query 'SELECT \* FROM measurements'"),
        ("SELECT * FROM n", DataError, r"did not answer 'SELECT \* FROM n': no such table: n"),
        ("SELECT * FROM m WHERE id < 0", DataError, r"has no rows for 'SELECT"),
        ("DELETE FROM m", DataError, r"data.query is 'DELETE FROM m', which gives no rows; expected a SELECT"),
        ("DROP TABLE m", DataError, r"data.query is 'DROP TABLE m', which gives no rows; expected a SELECT"),
        ("/* x */ ATTACH 'new.db' AS n", DataError, r"which gives no rows; expected a SELECT"),
        ("WITH n AS (SELECT 1) DELETE FROM m", DataError, r"did not answer .*: attempt to write a readonly database"),
        ("SELECT id, id FROM m", DataError, r"2 columns are named 'id'"),
        ("SELECT picture FROM m", DataError, r"row 0, column 'picture' is of the type bytes"),
    ],
)
def test_what_gives_no_table_is_refused(url: str, query: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_raw(url, query=query)
    # And nothing was changed, or made.
    assert [path.name for path in Path().iterdir()] == ["m.db"]
    assert read_raw(url, query="SELECT COUNT(*) AS n FROM m").column("n").tolist() == [40]


def test_a_query_without_an_end_is_ended_before_memory_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowerbound.storage.memory.free_bytes", lambda: 3_000_000)
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    with pytest.raises(TooLargeError, match=r"40,000 rows until now, would take 4 MB of memory, and 3 MB are free; ask"):
        read_raw(url, query=endless)


def test_urls_that_are_none_of_a_database_are_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"there is no database .*other.db; expected the path of an SQLite file"):
        read_raw(f"sqlite:///{tmp_path}/other.db", query="SELECT 1")
    assert not (tmp_path / "other.db").exists()
    with pytest.raises(
        ConfigurationError, match=r"postgresql://me:\*\*\*@host/db holds a password, .*postgresql://me:\$PASSWORD@host/db"
    ):
        read_raw("postgresql://me:secret@host/db", query="SELECT 1")
    with pytest.raises(DataError, match=r"http://host/x.csv is the address of a file, and no database; fetch the file"):
        read_raw("http://host/x.csv")
    with pytest.raises(DataError, match=r"did not answer 'SELECT 1'"):
        read_raw("nonsense://host/db", query="SELECT 1")
    with pytest.raises(ConfigurationError, match=r"names \$NO_SUCH_NAME, which is not set in the environment; set it"):
        read_raw("postgresql://me:$NO_SUCH_NAME@host/db", query="SELECT 1")
    # A variable of the environment stands for a part of the URL.
    monkeypatch.setenv("FOLDER_OF_DATA", str(tmp_path))
    assert len(read_raw("sqlite:///$FOLDER_OF_DATA/m.db", query="SELECT id FROM m")) == 40
    with pytest.raises(DataError, match=r"data.key is 'x', but .* is a table"):
        load_dataset(url, key="x")


def test_without_sqlalchemy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: dict[str, Any] = {name: None for name in sys.modules if name.partition(".")[0] == "sqlalchemy"}
    for name in {*modules, "sqlalchemy"}:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=r"which SQLAlchemy reads, and that is not installed.*pip install 'lowerbound\[sql\]'"):
        read_raw("sqlite:///x.db", query="SELECT 1")
