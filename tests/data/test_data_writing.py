"""Tables as they are written: what a cell looks like, what a spreadsheet does not run, and that nothing is half written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowerbound.data.columns import read_raw
from lowerbound.data.columns.cells import as_objects, guarded, unguarded
from lowerbound.data.columns.raw import is_missing
from lowerbound.data.columns.writing import write_table
from lowerbound.errors import ConfigurationError, DataError, SavingError

NAMES = ("n", "x", "t", "day", "at", "b")
COLUMNS = (
    np.array([1.0, np.nan, -2e15]),
    np.array([0.1 + 0.2, 1e300, np.nan]),
    as_objects(["a,b", 'say "x"', None]),
    np.array(["2024-01-31", "NaT", "1969-12-31"], "datetime64[us]"),
    np.array(["2024-01-31T12:00", "2024-01-31", "NaT"], "datetime64[us]"),
    as_objects(["true", None, "false"]),
)


def _plain(column: np.ndarray) -> list[Any]:
    return [None if lacks else cell for cell, lacks in zip(column.tolist(), is_missing(column), strict=True)]


def test_the_text_of_a_table(tmp_path: Path) -> None:
    write_table(tmp_path / "x.csv", NAMES, COLUMNS)
    assert (tmp_path / "x.csv").read_text() == (
        "n,x,t,day,at,b\n"
        '1,0.30000000000000004,"a,b",2024-01-31,2024-01-31T12:00:00,true\n'
        ',1e+300,"say ""x""",,2024-01-31T00:00:00,\n'
        "-2000000000000000,,,1969-12-31,,false\n"
    )
    write_table(tmp_path / "x.tsv.gz", ("a", "b"), (np.array([1.0]), as_objects(["x\ty"])))
    assert gzip.decompress((tmp_path / "x.tsv.gz").read_bytes()) == b'a\tb\n1\t"x\ty"\n'
    write_table(tmp_path / "one.csv", ("a",), (as_objects([None, "x"]),))
    assert (tmp_path / "one.csv").read_text() == 'a\n""\nx\n'
    assert len(read_raw(tmp_path / "one.csv")) == 2


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "'=1", "''@", "'x", "x=1", "'", "-", '=HYPERLINK("http://x","y")']


def test_no_text_begins_as_a_formula_and_all_are_restored(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_table(path, ("=cmd", "b"), (as_objects(FORMULAS), np.arange(len(FORMULAS)) - 5.0))
    for line in path.read_bytes().decode().split("\n")[:-1]:
        assert line.lstrip('"')[0] not in "=+-@\t\r"
    table = read_raw(path)
    assert table.names == ("=cmd", "b")
    assert _plain(table.column("=cmd")) == FORMULAS
    # Numbers below 0 are numbers.
    np.testing.assert_array_equal(table.column("b"), np.arange(len(FORMULAS)) - 5.0)
    assert all(unguarded(guarded(text)) == text for text in FORMULAS)
    assert len({guarded(text) for text in FORMULAS}) == len(FORMULAS)


@pytest.mark.parametrize("ending", [".parquet", ".feather"])
def test_arrow_files_keep_types(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.feather
    import pyarrow.parquet

    path = tmp_path / f"x{ending}"
    write_table(path, NAMES, COLUMNS, whole=("n",))
    read = pyarrow.parquet.read_table if ending == ".parquet" else pyarrow.feather.read_table
    assert [str(each) for each in read(path).schema.types] == [
        "int64", "double", "string", "timestamp[us]", "timestamp[us]", "bool",
    ]  # fmt: skip
    table = read_raw(path)
    assert table.names == NAMES
    assert [_plain(column) for column in table.columns] == [_plain(column) for column in COLUMNS]


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"x.xlsx ends in '.xlsx'; expected .csv, .tsv"):
        write_table(tmp_path / "x.xlsx", NAMES, COLUMNS)
    path = tmp_path / "x.csv"
    path.write_text("before")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(SavingError, match=r"could not save .*x.csv: No space left"):
        write_table(path, NAMES, COLUMNS)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["x.csv"]


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"to be written by pyarrow, which is not installed.*pip install 'lowerbound\[parquet\]'"):
        write_table(tmp_path / "x.parquet", NAMES, COLUMNS)
