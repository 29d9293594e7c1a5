"""Files that are not what their names say: what they are is said, and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import pickle
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lowerbound.data import load_dataset
from lowerbound.data.columns import read_raw
from lowerbound.errors import DataError

_TABLE = ("a,b\n" + "\n".join(f"{row},{row % 3}.5" for row in range(30))).encode()


def _zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("t.csv", _TABLE)
    return content.getvalue()


def _npy() -> bytes:
    content = io.BytesIO()
    np.save(content, np.eye(4))
    return content.getvalue()


def _parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0]}), content)
    return content.getvalue()


def _database() -> bytes:
    with sqlite3.connect(":memory:") as base:
        base.execute("create table t (a)")
        return base.serialize()


# (content, the ending of a file that is that, what is said of it).
_KINDS = {
    "gzip": (gzip.compress(_TABLE), ".csv.gz", "a file compressed by gzip; end its name in .gz"),
    "zip": (_zip(), "", "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV"),
    "bzip2": (bz2.compress(_TABLE), "", "a file compressed by bzip2; unpack it"),
    "xz": (lzma.compress(_TABLE), "", "a file compressed by xz; unpack it"),
    "npy": (_npy(), ".npy", "an array of NumPy's; end its name in .npy"),
    "parquet": (_parquet(), ".parquet", "a Parquet file; end its name in .parquet"),
    "database": (_database(), "", "an SQLite database; give it as sqlite:///PATH"),
    "pickle": (pickle.dumps([1, 2]), "", "a pickle, which is never loaded"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(300), "", "a picture; give the folder"),
    "page": (b"<!DOCTYPE html>\n<html><body>404, not found</body></html>", "", "a web page or XML, and no data; fetch the file"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(300), "", "a PDF; save its table as CSV"),
    "text": (_TABLE, ".csv", "text; end its name in .csv"),
}
_NAMES = ("t.csv", "t.tsv", "t.npy", "t.parquet", "t.feather", "t.h5ad", "t.xlsx", "t.json", "t.bin")


@pytest.mark.parametrize(("kind", "name"), [each for each in itertools.product(_KINDS, _NAMES) if each != ("text", "t.tsv")])
def test_a_file_under_another_name_is_called_what_it_is(kind: str, name: str, tmp_path: Path) -> None:
    content, ending, words = _KINDS[kind]
    path = tmp_path / name
    path.write_bytes(content)
    if name.endswith(ending or "?"):
        assert load_dataset(path).examples.ndim == 2
        return
    if (kind, name) == ("zip", "t.npy"):
        words = "ends in .npy but is a .npz archive; rename it"
    with pytest.raises(DataError, match=r"t[.]") as caught:
        load_dataset(path)
    assert words in str(caught.value)
    with pytest.raises(DataError, match=r"t[.]"):
        read_raw(path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_text_without_its_mark_is_not_read_as_another(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(_TABLE.decode().encode(encoding))
    with pytest.raises(DataError, match=r"is no table: its first line is .*Perhaps it is UTF-16 without its mark"):
        load_dataset(path)


def test_the_character_nul_is_no_text_of_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "\n".join(f"{row},{'xy'[row % 2]}" for row in range(30)) + "\n3,x\0y\n")
    with pytest.raises(DataError, match=r"line 32, column 'b' is 'x\\x00y', which is no Unicode text that a table could hold"):
        load_dataset(path)


def test_lines_of_spaces_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("   \n  \n")
    with (
        pytest.warns(UserWarning, match="the first column has no name"),
        pytest.raises(DataError, match="has no columns; expected those"),
    ):
        load_dataset(path)


def test_a_torn_file_is_not_advised_to_have_the_name_that_it_has(tmp_path: Path) -> None:
    for kind in ("npy", "parquet"):
        content, ending, _ = _KINDS[kind]
        path = tmp_path / f"t{ending}"
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match=r"t\.") as caught:
            load_dataset(path)
        assert "end its name" not in str(caught.value)
