"""Parquet tables: the error where pyarrow is missing, and what is read where it is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowerbound.data.datasets import load_dataset
from lowerbound.errors import DataError, DataWarning


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"which pyarrow reads, and that is not installed. .*pip install 'lowerbound\[parquet\]'"):
        load_dataset(tmp_path / "x.parquet")


@pytest.fixture
def write(tmp_path: Path) -> Any:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def write(**columns: Any) -> Path:
        parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
        return tmp_path / "x.parquet"

    return write


def test_numbers_of_several_types(write: Any) -> None:
    path = write(a=[1, 2, 3], b=[0.5, 1.5, 2.5], c=[True, False, True], __index_level_0__=[7, 8, 9])
    with pytest.warns(DataWarning, match="'__index_level_0__' holds the index of a data frame and is left out"):
        dataset = load_dataset(path)
    np.testing.assert_array_equal(dataset.examples, [[1, 0.5, 1], [2, 1.5, 0], [3, 2.5, 1]])
    assert dataset.feature_names == ("a", "b", "c")


def test_texts_categories_and_booleans_are_conditions(write: Any) -> None:
    import pyarrow

    kinds = pyarrow.array(["x", "y", "x"]).dictionary_encode()
    dataset = load_dataset(write(a=[1, 2, 3], kind=kinds, sick=[True, False, True]), condition="kind,sick")
    assert dataset.feature_names == ("a",)
    assert dataset.condition is not None
    assert dataset.condition["kind"].tolist() == ["x", "y", "x"]
    assert dataset.condition["sick"].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[1.0], [2.0], [3.0]], r"column 'b' is of the type list<.*>; expected numbers, texts"),
        ([1.0, float("inf"), 2.0], r"row 1, column 'b' is inf, no number"),
    ],
)
def test_what_is_no_number_is_refused(write: Any, column: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(write(a=[1, 2, 3], b=column))


def test_a_torn_file_and_a_wrong_condition_are_refused(write: Any) -> None:
    path = write(a=[1, 2, 3], b=[4, 5, 6])
    with pytest.raises(DataError, match=r"data.condition is 'c', which does not exist.* Available: a, b"):
        load_dataset(path, condition="c")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"x.parquet could not be read \(.*\)"):
        load_dataset(path)
