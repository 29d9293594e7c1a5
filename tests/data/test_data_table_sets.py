"""Tables with texts, times and cells without a value, as `Dataset`s."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lowerbound.config.sections import DataConfig
from lowerbound.data.datasets import load_configured, load_dataset
from lowerbound.data.table_sets import TableOptions
from lowerbound.errors import DataError, DataWarning

ROWS = 30
_unsaid = pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning")


def _file(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _people(folder: Path, name: str = "t.csv") -> Path:
    """Thirty people with a colour, a height, a day, a number, a name of their own and a group."""
    rows = [
        f"{row},{('red', 'green', 'blue')[row % 3] if row % 5 else ''},{1.5 + row / 100 + row**2 / 9000:.4f},"
        f"2024-01-{row + 1:02},p{row:02},{'ab'[row % 2]}"
        for row in range(ROWS)
    ]
    return _file(folder, "\n".join(["id,colour,height,day,name,group", *rows, ""]), name)


def test_codes_of_what_is_not_left_out_and_what_was_read(tmp_path: Path) -> None:
    with pytest.warns(
        DataWarning, match=r"2 columns are left out: 'id' \(identifier: the rows are numbered.*'name' \(identifier: 30"
    ):
        dataset = load_dataset(_people(tmp_path))
    assert dataset.feature_names == ("colour", "height", "day", "group")
    assert dataset.examples.shape == (ROWS, 4)
    assert [column.kind for column in dataset.columns] == [
        "identifier", "categorical", "real", "date-time", "identifier", "binary",
    ]  # fmt: skip
    assert dataset.table is not None
    assert dataset.table.names == ("id", "colour", "height", "day", "name", "group")
    np.testing.assert_array_equal(dataset.examples[:6, 0], [np.nan, 1, 0, 2, 1, np.nan])
    np.testing.assert_array_equal(dataset.examples[:3, 2], 19723 + np.arange(3))
    np.testing.assert_array_equal(dataset.examples[:3, 3], [0, 1, 0])


def test_a_condition_and_marks_stand_apart_from_codes(tmp_path: Path) -> None:
    path = _people(tmp_path)
    text = path.read_text().splitlines()
    marked = [f"{line},{mark}" for line, mark in zip(text, ["val", *(str(row % 2) for row in range(ROWS))], strict=True)]
    _file(tmp_path, "\n".join(marked))
    with pytest.warns(DataWarning, match="2 columns are left out"):
        dataset = load_dataset(path, condition="group", validation="val")
    assert dataset.feature_names == ("colour", "height", "day")
    assert dataset.condition is not None
    assert dataset.condition[:3].tolist() == ["a", "b", "a"]
    assert dataset.condition_name == "group"
    np.testing.assert_array_equal(dataset.validation, np.arange(1, ROWS, 2))
    assert dataset.table is not None
    assert {"group", "val"}.isdisjoint({*dataset.table.names, *(column.name for column in dataset.columns)})


def test_rows_without_a_value_are_left_out_with_their_condition_and_said(tmp_path: Path) -> None:
    path = _file(tmp_path, "a,b,g\n" + "1,x,u\n,,v\n2,y,w\n3,x,u\n" * 5)
    with pytest.warns(DataWarning, match=r"5 of 20 rows have no value in any column, the first at line 3; they are left out"):
        dataset = load_dataset(path, condition="g")
    assert dataset.examples.shape == (15, 2)
    assert dataset.condition is not None
    assert dataset.condition.tolist() == ["u", "w", "u"] * 5
    assert dataset.table is not None
    assert dataset.table.lines is not None
    assert dataset.table.lines[:3].tolist() == [2, 4, 5]
    # Where each row is to be answered they stay.
    kept = load_dataset(path, condition="g", table=TableOptions(keeps_empty_rows=True))
    assert len(kept.examples) == 20
    assert np.isnan(kept.examples[1]).all()


def test_a_word_among_numbers_is_refused_with_line_and_column(tmp_path: Path) -> None:
    cells = [*map(str, range(3, 40)), "missing"]
    path = _file(tmp_path, "a,b\n" + "".join(f"{cell},{row % 2}\n" for row, cell in enumerate(cells)))
    with pytest.raises(DataError, match=r"t.csv: line 39, column 'a' is the text 'missing', but .* --set data.missing=missing"):
        load_dataset(path)
    dataset = load_configured(DataConfig(name=str(path), missing="unknown, missing"))
    np.testing.assert_array_equal(dataset.examples[-2:, 0], [39, np.nan])


def test_declared_numbers_make_holes_in_a_table_of_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = _file(tmp_path, "a,b\n" + "".join(f"{value:.3f},{value**2:.3f}\n" for value in rng.normal(size=40)) + "-999,1\n")
    assert load_dataset(path).table is None
    dataset = load_configured(DataConfig(name=str(path), missing="-999"))
    assert [column.kind for column in dataset.columns] == ["real", "positive"]
    np.testing.assert_array_equal(np.isnan(dataset.examples).sum(axis=0), [1, 0])


def test_tables_of_numbers_written_otherwise_are_tables_of_numbers(tmp_path: Path) -> None:
    path = _file(tmp_path, "a;b\n1,5;TRUE\n2,5;FALSE\n")
    dataset = load_dataset(path)
    np.testing.assert_array_equal(dataset.examples, [[1.5, 1], [2.5, 0]])
    assert (dataset.feature_names, dataset.table, dataset.columns) == (("a", "b"), None, ())
    dataset = load_dataset(_file(tmp_path, "1,5;2\n2,5;3\n"))
    np.testing.assert_array_equal(dataset.examples, [[1.5, 2], [2.5, 3]])
    assert dataset.feature_names == ()


@_unsaid
def test_tables_of_which_nothing_is_left_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"has no column to learn from: 'a' \(constant: every cell is 'x'\); 'b' \(constant: no cell"
    ):
        load_dataset(_file(tmp_path, "a,b\nx,\nx,\n"))
    with pytest.raises(DataError, match=r"has no columns besides 'a'; expected those of the examples too"):
        load_dataset(_file(tmp_path, "a\nx\ny\n"), condition="a")


@_unsaid
def test_other_data_are_encoded_by_the_columns_of_a_model(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="2 columns are left out"):
        columns = load_dataset(_people(tmp_path)).columns
    kept = [column for column in columns if not column.is_left_out]
    other = _file(tmp_path, "height,note,colour,day,group\n1.9,hello,pink,,b\n,,,,\n", "other.csv")
    with pytest.warns(DataWarning, match=r"'note' \(the model has no such column\)"):
        dataset = load_configured(DataConfig(name="x"), instead=str(other), columns=kept)
    assert dataset.feature_names == ("colour", "height", "day", "group")
    np.testing.assert_array_equal(dataset.examples, [[3, 1.9, np.nan, 1], [np.nan] * 4])
    other = _file(tmp_path, "color,height,day,group\nred,1,,\n", "other.csv")
    with pytest.raises(DataError, match=r"other.csv has no column 'colour'. Did you mean 'color'\?"):
        load_configured(DataConfig(name="x"), instead=str(other), columns=kept)


@_unsaid
def test_a_file_for_validation_is_encoded_as_the_training_file(tmp_path: Path) -> None:
    path, other = (
        _people(tmp_path),
        _file(tmp_path, "group,height,colour,day\nb,1.9,pink,2023-12-31\na,,red,2024-01-05\n", "v.csv"),
    )
    with pytest.warns(DataWarning, match="2 columns are left out"):
        dataset = load_dataset(path, validation=str(other))
    assert dataset.examples.shape == (ROWS + 2, 4)
    np.testing.assert_array_equal(dataset.examples[ROWS:], [[3, 1.9, 19722, 1], [2, np.nan, 19727, 0]])
    np.testing.assert_array_equal(dataset.validation, [ROWS, ROWS + 1])
    assert dataset.table is not None
    assert len(dataset.table) == ROWS + 2
    for column, codes in zip([each for each in dataset.columns if not each.is_left_out], dataset.examples.T, strict=True):
        np.testing.assert_array_equal(column.encode(dataset.table), codes)
    _file(tmp_path, "group,height,colour,day\nb,tall,pink,2023-12-31\n", "v.csv")
    with pytest.raises(DataError, match=r"v.csv: line 2, column 'height' is the text 'tall'; expected a number"):
        load_dataset(path, validation=str(other))


def test_a_file_for_validation_may_have_holes_where_the_training_file_has_none(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = _file(tmp_path, "a,b\n" + "".join(f"{value:.3f},{-value:.3f}\n" for value in rng.normal(size=40)))
    dataset = load_dataset(path, validation=str(_file(tmp_path, "b,a\n,1.5\n2.5,0.5\n3.5,1\n", "v.csv")))
    np.testing.assert_array_equal(dataset.examples[40:], [[1.5, np.nan], [0.5, 2.5], [1, 3.5]])
    assert [column.kind for column in dataset.columns] == ["real", "real"]
    assert dataset.table is not None
