"""Tables as people write them: what `read_raw` makes of each form, and what it says."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowerbound.data.columns import RawTable, read_raw
from lowerbound.data.columns import delimited as module
from lowerbound.data.tables import load_table
from lowerbound.errors import DataError, DataWarning, MissingDataError


def _file(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _columns(table: RawTable) -> dict[str, list[Any]]:
    """Plain values, None for no value."""
    return {
        name: [None if cell is None or cell != cell else cell for cell in column.tolist()]
        for name, column in zip(table.names, table.columns, strict=True)
    }


PEOPLE = {"name": ["Anna", "Ben", None], "height": [1.71, None, 1.6], "smokes": ["true", "false", None], "n": [1.0, 2.0, 30.0]}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name,height,smokes,n\nAnna,1.71,TRUE,1\nBen,,False,2\nNA,1.60,,30\n", "t.csv"),
        ("name;height;smokes;n\r\nAnna;1,71;true;1\r\nBen;?;FALSE;2\r\n;1,6;n/a;30\r\n", "t.csv"),
        ("name\theight\tsmokes\tn\nAnna\t1.71\ttrue\t1\nBen\tNaN\tfalse\t2\nnull\t1.6\tNULL\t30", "t.tsv"),
        ("name|height|smokes|n\nAnna|1.71|true|1\nBen|-|false|2\n?|1.6|None|30\n", "t.csv"),
        ('\ufeff"name", "height", smokes, n,\n"Anna", 1.71, true, 1,\n Ben , "", false,2,\n,1.6,<NA>,30,\n', "t.csv"),
        ("sep=;\nname;height;smokes;n\nAnna;1.71;true;1\nBen;;false;2\n;1.6;;30\n", "t.csv"),
        ("# of a tool\n\nname,height,smokes,n\n\nAnna,1.71,true,1\n   \nBen,#N/A,false,2\n,1.6,,30\n", "t.csv"),
        ("name\theight\tsmokes\tn\nAnna\t1,71\ttrue\t1\nBen\t\tfalse\t2\n\t1,6\t\t30\n", "t.CSV"),
    ],
    ids=["commas", "semicolons", "tabs", "pipes", "quotes and spaces", "a directive", "comments and empty lines", "tabs in csv"],
)
def test_one_table_in_many_forms(text: str, name: str, tmp_path: Path) -> None:
    table = read_raw(_file(tmp_path, text, name))
    assert _columns(table) == PEOPLE
    assert [column.dtype.kind for column in table.columns] == ["O", "f", "O", "f"]


@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
def test_one_column_whose_cells_hold_what_separates_cells_elsewhere(mark: str, tmp_path: Path) -> None:
    cells = ["a", f"b{mark}c", "d", f"{mark}e"]
    text = "\n".join(["word", *(f'"{cell}"' if mark == "," else cell for cell in cells), "f\n"])
    assert _columns(read_raw(_file(tmp_path, text))) == {"word": [cell.strip() for cell in [*cells, "f"]]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark_are_read(encoding: str, tmp_path: Path) -> None:
    table = read_raw(_file(tmp_path, "größe,b\nklein,1\n中,2\n".encode(encoding)))
    assert _columns(table) == {"größe": ["klein", "中"], "b": [1.0, 2.0]}
    table = read_raw(_file(tmp_path, gzip.compress("größe,b\nklein,1\n中,2\n".encode(encoding)), "t.csv.gz"))
    assert _columns(table)["größe"] == ["klein", "中"]


def test_another_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t.csv is not text in UTF-8 \(line 3: the byte 0xe9, .* 'café,2' in Latin-1\); save"):
        read_raw(_file(tmp_path, "a,b\nx,1\ncafé,2\n".encode("latin-1")))


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1,5", "2,25", "3"], [1.5, 2.25, 3]),
        (["1.234,5", "12", "1.000.000,25"], [1234.5, 12, 1000000.25]),
        (["-1,5e3", ",5", "+2,"], [-1500, 0.5, 2]),
        (["1,234,567", "12", "1,234.5"], [1234567, 12, 1234.5]),
    ],
)
def test_numbers_with_commas(cells: list[str], values: list[float], tmp_path: Path) -> None:
    text = "a;b\n" + "".join(f"x;{cell}\n" for cell in cells)
    assert _columns(read_raw(_file(tmp_path, text)))["b"] == values


def test_points_beside_decimal_commas_are_those_of_thousands_and_said(tmp_path: Path) -> None:
    path = _file(tmp_path, "price;sold;version\n1,5;1.234;1.2\n2,5;12;1.3\n")
    with pytest.warns(
        DataWarning, match="decimals are written with commas, so points are taken for those of thousands in 'sold'"
    ):
        table = read_raw(path)
    assert _columns(table) == {"price": [1.5, 2.5], "sold": [1234.0, 12.0], "version": [1.2, 1.3]}


def test_thousands_in_quotes_between_commas(tmp_path: Path) -> None:
    table = read_raw(_file(tmp_path, 'a,b\nx,"1,234"\ny,"1,000,000.5"\n'))
    assert _columns(table)["b"] == [1234.0, 1000000.5]


def test_declared_words_and_numbers_stand_for_no_value(tmp_path: Path) -> None:
    path = _file(tmp_path, "a,b,c\nunknown,-999,x\ny,-999.0,z\nUnknown,3,?\n")
    assert _columns(read_raw(path, missing=("unknown", "-999"))) == {
        "a": [None, "y", "Unknown"],
        "b": [None, None, 3.0],
        "c": ["x", "z", None],
    }


def test_a_group_called_none_is_a_group_where_the_column_stands_apart(tmp_path: Path) -> None:
    path = _file(tmp_path, "a,batch\n1,None\n2,-\n3,\n")
    assert _columns(read_raw(path, apart=("batch",)))["batch"] == ["None", "-", None]
    assert _columns(read_raw(path))["batch"] == [None, None, None]
    assert _columns(read_raw(_file(tmp_path, "a,b\n1,none\n2,x\n")))["b"] == ["none", "x"]


@pytest.mark.parametrize(
    ("text", "names", "first"),
    [
        ("1,2,?\n3,4,5\n", ("0", "1", "2"), [1.0, 2.0, None]),
        ("0,1,2\nx,y,z\nx,z,z\n", ("0", "1", "2"), ["x", "y", "z"]),
        (",0,1\n0,x,1\n1,y,2\n", ("0", "1"), ["x", 1.0]),
    ],
)
def test_lines_of_numbers_above(text: str, names: tuple[str, ...], first: list[Any], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        table = read_raw(_file(tmp_path, text))
    assert table.names == names
    assert [cells[0] for cells in _columns(table).values()] == first


def test_wavelengths_above_a_table_with_holes_are_names(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="the first line, '400, 402.5, 405', is taken for the names"):
        table = read_raw(_file(tmp_path, "400,402.5,405\n0.1,,0.2\n0.3,0.4,0.5\n"))
    assert table.names == ("400", "402.5", "405")
    assert len(table) == 2


def test_a_first_line_like_those_below_it_is_an_example(tmp_path: Path) -> None:
    text = "39, State-gov, 77516, Male\n50, Private, 83311, Male\n38, Private, 215646, Female\n"
    with pytest.warns(DataWarning, match="the first line, '39, State-gov, 77516, Male', is taken for an example"):
        table = read_raw(_file(tmp_path, text))
    assert (table.names, table.has_names, len(table)) == (("0", "1", "2", "3"), False, 3)
    assert table.where(2, "1") == f"{tmp_path / 't.csv'}: line 3, column '1'"
    # Years are names, although they are numbers above numbers.
    table = read_raw(_file(tmp_path, "country,2019,2020\nPeru,1.5,2\nChile,,2.5\n"))
    assert (table.names, len(table)) == (("country", "2019", "2020"), 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",name,x\n0,a,1\n1,b,2\n", "the first column has no name; it is taken for row numbers or names and left out"),
        ("Unnamed: 0,name,x\n0,a,1\n1,b,2\n", "the column 'Unnamed: 0' holds row numbers and is left out"),
    ],
)
def test_row_numbers_are_left_out(text: str, message: str, tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match=message):
        table = read_raw(_file(tmp_path, text))
    assert _columns(table) == {"name": ["a", "b"], "x": [1.0, 2.0]}


def test_lines_are_counted_past_breaks_within_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(tmp_path, '# above\na,b\n"two\nlines",1\n\nx,2\n"three\r\nmore\nlines",3\ny,4\n')
    for rows in (50_000, 2, 1):
        monkeypatch.setattr(module, "_ROWS_OF_A_BLOCK", rows)
        table = read_raw(path)
        assert table.lines is not None
        assert table.lines.tolist() == [3, 6, 7, 10]
        assert _columns(table) == {"a": ["two\nlines", "x", "three\r\nmore\nlines", "y"], "b": [1.0, 2.0, 3.0, 4.0]}


def test_a_column_that_turns_out_to_be_texts_is_read_as_texts_from_its_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path, "a;b;c;d\n1;1;TRUE;07\n2;2;FALSE;08\n3;x;TRUE;9,5\n4;4;;1\n")
    for rows in (50_000, 2, 1):
        monkeypatch.setattr(module, "_ROWS_OF_A_BLOCK", rows)
        assert _columns(read_raw(path)) == {
            "a": [1.0, 2.0, 3.0, 4.0],
            "b": ["1", "2", "x", "4"],
            "c": ["true", "false", "true", None],
            "d": [7.0, 8.0, 9.5, 1.0],
        }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,x\n3,4,5\n", r"t.csv: line 3 has 3 cells; expected 2, as in the lines before it"),
        ("a,b\n1,x\n\n3\n", r"t.csv: line 4 has 1 cell; expected 2"),
        ("a,b,a\nx,2,3\n", r"2 columns are named 'a'; expected a name of its own for each"),
        ("a,b\n", r"t.csv holds no rows of numbers or texts"),
        ("", r"t.csv holds no rows of numbers or texts"),
        ("a,b\nx,1\ny,-inf\n", r"line 3, column 'b' is -inf, no number that can be computed with; expected a finite number"),
        ('a,b\nx,"1\n' + "y,2\n" * 50_000, r"t.csv could not be read as a table \(field larger than field limit"),
    ],
)
def test_what_is_no_table_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_raw(_file(tmp_path, text))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"there is no file .*nowhere.csv; expected a table, .csv or .tsv"):
        read_raw(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match=r"x.npy is no table; expected a file that ends in .csv, .tsv"):
        read_raw(_file(tmp_path, "", "x.npy"))
    with pytest.raises(DataError, match=r"is a folder; expected a file that ends in .csv"):
        read_raw(tmp_path)
    with pytest.raises(DataError, match=r"data.query is given, but .*t.csv is no database; .*sqlite:///"):
        read_raw(_file(tmp_path, "a,b\n1,2\n"), query="SELECT 1")
    with pytest.raises(DataError, match=r"could not be unpacked \(.*\); it is torn, or not gzip's"):
        read_raw(_file(tmp_path, gzip.compress(b"a,b\nx,1\n" * 99)[:-12], "t.csv.gz"))


def test_a_million_cells_take_a_second_or_so(tmp_path: Path) -> None:
    """Not a race: the block reader takes 0.5 s of CPU for these on a slow core, cell by cell it would take five."""
    import time

    row = "0.125,red,17,,2.5,green,-3,x,1e-3,TRUE\n"
    path = _file(tmp_path, "a,b,c,d,e,f,g,h,i,j\n" + row * 100_000)
    begin = time.process_time()
    table = read_raw(path)
    assert time.process_time() - begin < 5
    assert len(table) == 100_000
    np.testing.assert_array_equal(table.column("g"), -3.0)


@pytest.mark.parametrize("cells", [("1.5", "2.5", "0.5"), ("red", "blue", "red")])
def test_empty_lines_of_a_table_of_one_column_are_said(cells: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "\n\n".join(cells) + "\n\n\n")
    with pytest.warns(DataWarning, match=r"2 empty lines \(the first is line 3\) are passed over, and are no rows.*write NA"):
        assert len(read_raw(path)) == 3
    path.write_text("a\n" + "\n".join(cells) + "\n\n")
    assert len(read_raw(path)) == 3
    path.write_text("a\n" + '\n""\n'.join(cells) + "\n")
    assert len(read_raw(path)) == 5


def test_empty_lines_of_a_column_of_numbers_are_said_by_the_faster_reader_too(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1.5\n\n2.5\n")
    with pytest.warns(DataWarning, match="1 empty lines"):
        table = load_table(path)
    assert table is not None
    assert len(table.values) == 2
