"""Tables as text: what is read, under which names, and what each refusal says."""

import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest

from lowerbound.data.datasets import load_dataset
from lowerbound.data.describe_dataset import describe_dataset
from lowerbound.data.splits import consecutive_split, split_record
from lowerbound.data.tables import Table, columns_of
from lowerbound.errors import DataError, DataWarning, TooLargeError

ROWS = [[170.5, 72, 1], [160.25, 61, 0], [181, 90, 1]]


def _file(folder: Path, text: str, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("people.csv", "height,weight,smokes\n170.5,72,1\n160.25,61,0\n181,90,1\n"),
        ("people.csv", "height;weight;smokes\r\n170.5;72;1\r\n160.25;61;0\r\n181;90;1"),
        ("people.tsv", "height\tweight\tsmokes\n170.5\t72\t1\n160.25\t61\t0\n\n181\t90\t1\n"),
        ("people.CSV", '\ufeff"height", weight ,"smokes"\n"170.5",72,1\n 160.25 ,61,0\n1.81e2,90,1\n'),
    ],
    ids=["commas", "semicolons", "tabs", "quotes and a mark"],
)
def test_names_and_numbers(name: str, text: str, tmp_path: Path) -> None:
    dataset = load_dataset(_file(tmp_path, text, name))
    np.testing.assert_array_equal(dataset.examples, ROWS)
    assert dataset.feature_names == ("height", "weight", "smokes")
    assert describe_dataset(dataset, np.arange(3)).feature_names == dataset.feature_names


def test_a_first_line_of_numbers_is_an_example(tmp_path: Path) -> None:
    dataset = load_dataset(_file(tmp_path, "170.5,72,1\n160.25,61,0\n181,90,1\n"))
    np.testing.assert_array_equal(dataset.examples, ROWS)
    assert dataset.feature_names == ()


def test_row_numbers_without_a_name_are_left_out_and_said(tmp_path: Path) -> None:
    path = _file(tmp_path, ",height,weight\n0,170.5,72\n1,160.25,61\n")
    with pytest.warns(DataWarning, match="the first column has no name; it is taken for row numbers or names and left out"):
        dataset = load_dataset(path)
    assert dataset.feature_names == ("height", "weight")
    np.testing.assert_array_equal(dataset.examples, [[170.5, 72], [160.25, 61]])


@pytest.mark.parametrize(
    "header", ["0,1,2", "1,2,3", "400,402.5,405", "2019,2020,2021"], ids=["from 0", "from 1", "wavelengths", "years"]
)
def test_a_header_of_numbers_is_no_example(header: str, tmp_path: Path) -> None:
    path = _file(tmp_path, header + "\n170.5,72,1\n160.25,61,0\n181,90,1\n")
    with pytest.warns(DataWarning, match=f"the first line, '{header}', is taken for the names of the columns"):
        dataset = load_dataset(path)
    np.testing.assert_array_equal(dataset.examples, ROWS)
    assert dataset.feature_names == tuple(header.split(","))


def test_rows_that_count_up_are_rows(tmp_path: Path) -> None:
    for text in ("0,1,2\n1,2,3\n5,6,7\n", "1,2\n3,4\n", "3,4,5\n1,9,2\n4,2,9\n"):
        assert len(load_dataset(_file(tmp_path, text)).examples) == len(text.splitlines())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Unnamed: 0,height,weight,smokes\n0,170.5,72,1\n1,160.25,61,0\n2,181,90,1\n", "'Unnamed: 0' holds row numbers"),
        (",height,weight,smokes\nAnna,170.5,72,1\nBen,160.25,61,0\nCleo,181,90,1\n", "row numbers or names and left out"),
        ("height,weight,smokes,\n170.5,72,1,\n160.25,61,0,\n181,90,1,\n", None),
        ("height,weight,smokes\n170.5,72,TRUE\n160.25,61,False\n181,90,true\n", None),
        ("# of a tool 1.2\n# of 2020\nheight,weight,smokes\n170.5,72,1\n160.25,61,0\n181,90,1\n", None),
    ],
    ids=["Unnamed: 0", "row names", "separators at the end", "TRUE and FALSE", "comments above"],
)
def test_tables_as_programs_write_them(text: str, message: str | None, tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = load_dataset(_file(tmp_path, text))
    assert [message in str(each.message) for each in caught if message] == [True] * (message is not None)
    np.testing.assert_array_equal(dataset.examples, ROWS)
    assert dataset.feature_names == ("height", "weight", "smokes")


@pytest.mark.parametrize("name", ["people.csv.gz", "people.TSV.GZ"])
def test_a_compressed_table_is_read(name: str, tmp_path: Path) -> None:
    text = "# of a tool\nheight,weight,smokes\n170.5,72,1\n160.25,61,0\n181,90,TRUE\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress((text if ".csv" in name else text.replace(",", "\t")).encode()))
    dataset = load_dataset(path)
    np.testing.assert_array_equal(dataset.examples, ROWS)
    assert dataset.feature_names == ("height", "weight", "smokes")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=rf"{name} could not be unpacked \(.*\); it is torn, or not gzip's"):
        load_dataset(path)
    path.write_text(text)
    with pytest.raises(DataError, match=rf"{name} could not be unpacked"):
        load_dataset(path)


def test_a_table_that_no_memory_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zeros.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"0,0\n" * 100_000))
    assert len(load_dataset(path).examples) == 100_000
    monkeypatch.setattr("lowerbound.storage.memory.free_bytes", lambda: 1_000_000)
    with pytest.raises(TooLargeError, match=r"the table in .*zeros.csv.gz would take 1.6 MB of memory, and 1 MB are free; give"):
        load_dataset(path)


def test_a_line_without_end_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowerbound.data.tables._LONGEST_LINE", 100)
    with pytest.raises(DataError, match=r"people.csv has a line of 100 characters and more; expected a table, a line a row"):
        load_dataset(_file(tmp_path, "0" * 1000))


GROUPS = "name;height;smokes;batch;weight\nA;170.5;TRUE;new;72.5\nB;160.25;False;none;61\nC;181;true;new;90\n"


def test_a_condition_may_be_text_or_boolean(tmp_path: Path) -> None:
    path = _file(tmp_path, GROUPS.replace("name;", ";"))
    with pytest.warns(DataWarning, match="row numbers or names"):
        dataset = load_dataset(path, condition="batch")
    assert dataset.condition is not None
    assert dataset.condition.tolist() == ["new", "none", "new"]
    assert dataset.feature_names == ("height", "smokes", "weight")
    np.testing.assert_array_equal(dataset.examples, [[170.5, 1, 72.5], [160.25, 0, 61], [181, 1, 90]])
    dataset = load_dataset(_file(tmp_path, "height,smokes\n170.5,TRUE\n160.25,False\n"), condition="smokes")
    assert dataset.condition is not None
    assert dataset.condition.tolist() == [True, False]


def test_several_columns_of_several_kinds_are_one_condition(tmp_path: Path) -> None:
    dataset = load_dataset(_file(tmp_path, GROUPS), condition="batch,name, smokes,weight")
    assert dataset.feature_names == ("height",)
    spec = describe_dataset(dataset, np.arange(3)).condition
    assert spec is not None
    assert spec.words == "batch: one of new, none; name: one of A, B, C; smokes: one of 0, 1; weight: 1 number"
    np.testing.assert_array_equal(
        spec.encode(dataset.condition)[:, :7], [[1, 0, 1, 0, 0, 0, 1], [0, 1, 0, 1, 0, 1, 0], [1, 0, 0, 0, 1, 0, 1]]
    )
    assert len(split_record(dataset.examples, consecutive_split(3, 0, 0), dataset.condition)["condition_sha256"]) == 64


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("a,,b", r"line 3, column 'g' has no value; fill it in, or drop the row"),
        ("a,NA,b", r"line 3, column 'g' has no value"),
        ("1,2,?", r"line 4, column 'g' has no value"),
    ],
)
def test_a_condition_without_a_value_is_refused(cells: str, message: str, tmp_path: Path) -> None:
    rows = "".join(f"{number},{cell}\n" for number, cell in enumerate(cells.split(",")))
    with pytest.raises(DataError, match=message):
        load_dataset(_file(tmp_path, f"x,g\n{rows}"), condition="g")


def test_a_header_of_numbers_holds_the_condition(tmp_path: Path) -> None:
    dataset = load_dataset(_file(tmp_path, "0,1,2\n170.5,72,a\n160.25,61,b\n"), condition="2")
    assert dataset.feature_names == ("0", "1")
    assert dataset.condition is not None
    assert dataset.condition.tolist() == ["a", "b"]


def test_a_column_can_be_the_condition(tmp_path: Path) -> None:
    path = _file(tmp_path, "height,smokes,weight\n170.5,1,72\n160.25,0,61\n181,1,90\n")
    dataset = load_dataset(path, condition="smokes")
    assert dataset.feature_names == ("height", "weight")
    np.testing.assert_array_equal(dataset.examples, np.array(ROWS)[:, :2])
    np.testing.assert_array_equal(dataset.condition, [1, 0, 1])
    with pytest.raises(DataError, match=r"data.condition is 'smoke', which does not exist. Did you mean 'smokes'\?"):
        load_dataset(path, condition="smoke")
    with pytest.raises(DataError, match=r"data.condition is 'smokes', but .* has no line of column names"):
        load_dataset(_file(tmp_path, "1,2\n3,4\n"), condition="smokes")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,4,5\n", r"line 3 has 3 cells; expected 2"),
        ("a,b,a\n1,2,3\n", r"2 columns are named 'a'"),
        ("a,b\n", r"holds no rows of numbers or texts"),
        ("", r"holds no rows of numbers or texts"),
        ("# of a tool\n\na,b\n1,2\n3,1e400\n", r"line 5, column 'b' is inf, no number that can be computed with"),
        ("a,b\n1,2\n\n3,4,5\n", r"line 4 has 3 cells; expected 2"),
    ],
)
def test_what_is_no_table_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(_file(tmp_path, text))


def test_other_bytes_and_a_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("größe,b\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"people.csv is not text in UTF-8 \(line 1: the byte 0xf6, .*'größe,b' in Latin-1\)"):
        load_dataset(path)
    with pytest.raises(DataError, match=r"data.key is 'x', but .* is a table, which holds one array"):
        load_dataset(_file(tmp_path, "1,2\n3,4\n"), key="x")


def test_columns_are_found_by_name() -> None:
    table = Table(np.array(ROWS), ("height", "weight", "smokes"))
    np.testing.assert_array_equal(columns_of(table, ("weight", "height"), "x.csv"), np.array(ROWS)[:, [1, 0]])
    with pytest.raises(DataError, match=r"x.csv lacks 1 of the 2 columns .*: 'wieght'. Did you mean 'weight' there\?"):
        columns_of(table, ("height", "wieght"), "x.csv")
