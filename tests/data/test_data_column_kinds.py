"""Of what kind a column is, why, and how its cells become numbers and numbers cells."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from lowerbound.data import DataSpec
from lowerbound.data.columns import Column, RawTable, infer_columns
from lowerbound.data.columns.times import parse_times
from lowerbound.data.dataset import Dataset
from lowerbound.data.describe_dataset import describe_dataset
from lowerbound.data.examples import examples_of, in_form_of
from lowerbound.errors import DataError, DataWarning, ModelFolderError

RNG = np.random.default_rng(0)


def texts(*cells: str | None) -> np.ndarray:
    return np.asarray(cells, object)


def table(**columns: Any) -> RawTable:
    return RawTable("t.csv", tuple(columns), tuple(columns.values()), np.arange(2, 2 + len(next(iter(columns.values())))))


COLUMNS = {
    "real": (RNG.normal(size=200), "real", r"numbers from .* 200 different ones"),
    "whole": (np.rint(RNG.normal(50_000, 9_000, 300)), "real", r"numbers from"),
    "skewed": (np.exp(2 * RNG.normal(size=200)), "positive", r"strongly skewed"),
    "zeros": (np.where(RNG.random(200) < 0.4, 0.0, np.exp(RNG.normal(size=200))), "zero-inflated", r"are 0, the others lie"),
    "count": (RNG.negative_binomial(2, 0.05, 200).astype(float), "count", r"whole numbers from 0"),
    "levels": (RNG.integers(1, 6, 200).astype(float), "ordinal", r"5 different whole numbers from 1 to 5"),
    "two": (RNG.integers(0, 2, 200) * 3.0, "binary", r"two values: 0 and 3"),
    "rows": (np.arange(200.0), "identifier", r"the rows are numbered from 0 to 199"),
    "same": (np.full(200, 7.0), "constant", r"every cell is 7"),
    "nothing": (np.full(200, np.nan), "constant", r"no cell has a value"),
    "colour": (texts(*RNG.choice(["red", "green", "blue"], 200)), "categorical", r"3 different texts, such as"),
    "yes": (texts(*RNG.choice(["true", "false"], 200)), "binary", r"two values"),
    "name": (texts(*(f"p-{i}" for i in range(200))), "identifier", r"200 different values in 200 rows"),
    "story": (texts(*(f"it was day {i} of it" for i in range(200))), "text", r"200 different values"),
    "day": (texts(*(f"2024-01-{1 + i % 28:02d}" for i in range(200))), "date-time", r"times from 2024-01-01 to 2024-01-28"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_kinds_are_inferred_with_the_values_that_decided_them(name: str) -> None:
    cells, kind, reason = COLUMNS[name]
    (column,) = infer_columns(table(**{name: cells}))
    assert column.kind == kind
    assert re.search(reason, column.reason)


@pytest.mark.parametrize(
    "name", [name for name, (_, kind, _) in COLUMNS.items() if kind not in ("identifier", "text", "constant")]
)
def test_cells_come_back_from_their_numbers_and_holes_stay_holes(name: str) -> None:
    cells = COLUMNS[name][0].copy()
    cells[3] = None if cells.dtype.kind == "O" else np.nan
    raw = table(**{name: cells})
    (column,) = infer_columns(raw)
    codes = column.encode(raw)
    assert np.isnan(codes[3])
    assert np.isnan(codes).sum() == 1
    again = column.decode(codes)
    if column.kind == "date-time":
        assert again[4] == np.datetime64(cells[4], "us")
        assert np.isnat(again[3])
    elif cells.dtype.kind == "O":
        assert again.tolist() == cells.tolist()
    else:
        np.testing.assert_array_equal(again, cells)


def test_values_that_training_did_not_see_have_a_code_of_their_own() -> None:
    raw = table(colour=texts("red", "blue", "red", "green", "blue", "red"))
    (column,) = infer_columns(raw)
    assert column.categories == ("blue", "green", "red")
    # One of six values occurs once: Good and Turing.
    assert column.unseen == pytest.approx(1 / 7)
    codes = column.encode(table(colour=texts("violet", "red", None)))
    np.testing.assert_array_equal(codes, [3, 2, np.nan])
    assert column.decode(codes).tolist() == ["(unseen)", "red", None]


def test_a_number_among_texts_and_a_text_among_numbers_say_where_they_are() -> None:
    (column,) = infer_columns(table(size=np.arange(30.0) ** 2))
    with pytest.raises(DataError, match=r"t\.csv: line 3, column 'size' is the text 'large'; expected a number\. If it"):
        column.encode(table(size=texts("1", "large")))
    mostly = texts(*map(str, range(60)), "ill")
    with pytest.raises(DataError, match=r"line 62, column 'size' is the text 'ill', but 0\.98.* of the column's cells are"):
        infer_columns(table(size=mostly))
    (day,) = infer_columns(table(day=texts("2024-01-01", "2024-01-02")))
    with pytest.raises(DataError, match=r"column 'day' is 'tomorrow'; expected a day or a moment"):
        day.encode(table(day=texts("2024-01-01", "tomorrow")))
    with pytest.raises(DataError, match=r"t\.csv has no column 'sise'\. Did you mean 'size'"):
        table(size=np.zeros(2)).column("sise")


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (("2024-03-04", None), "2024-03-04"),
        (("2024-03-04T05:06:07Z",), "2024-03-04T05:06:07"),
        (("2024-03-04 05:06:07.5+02:00",), "2024-03-04T03:06:07.500"),
        (("04.03.2024",), "2024-03-04"),
        (("04/13/2024", "01/02/2024"), "2024-04-13"),
        (("13/04/2024", "01/02/2024"), "2024-04-13"),
        (("3/4/99",), "1999-03-04"),
    ],
)
def test_days_and_moments_are_read_as_they_are_written(cells: tuple[str | None, ...], first: str) -> None:
    found = parse_times(texts(*cells))
    assert found is not None
    assert found[0] == np.datetime64(first, "us")


@pytest.mark.parametrize("cells", [("2024-13-01",), ("1-2",), ("04/13/2024", "13/04/2024"), ("soon",), ("1.5",)])
def test_what_is_no_time_is_none(cells: tuple[str, ...]) -> None:
    assert parse_times(texts(*cells)) is None


def mixed_dataset(count: int = 60) -> Dataset:
    """A table of a number with holes and a category one of whose values stands in the last rows alone."""
    random = np.random.default_rng(1)
    height = random.normal(170, 10, count)
    height[::7] = np.nan
    colour = np.asarray([*random.choice(["red", "blue"], count - 3), *["violet"] * 3], object)
    raw = table(height=height, colour=colour, row=np.arange(float(count)))
    columns = infer_columns(raw)
    kept = [column for column in columns if not column.is_left_out]
    return Dataset(
        "t", np.stack([c.encode(raw) for c in kept], axis=1), feature_names=("height", "colour"), table=raw, columns=columns
    )


def test_what_a_model_knows_of_a_table_comes_from_training_rows_alone() -> None:
    dataset, rows = mixed_dataset(), np.arange(50)
    spec = describe_dataset(dataset, rows)
    assert [column.kind for column in spec.columns] == ["real", "categorical"]
    assert spec.columns[1].categories == ("blue", "red")
    assert [column.name for column in spec.left_out] == ["row"]
    held = dataset.examples[rows, 0]
    assert spec.mean[0] == pytest.approx(np.nanmean(held), rel=1e-3)
    assert (spec.element_low[0], spec.element_high[0]) == (np.nanmin(held), np.nanmax(held))
    assert spec.holes[0] == pytest.approx(np.isnan(held).mean())
    assert dict(zip(spec.hole_patterns, spec.pattern_counts, strict=True)) == {(): 42, (0,): 8}
    # Encoded as training is, what was not seen has the last code.
    with pytest.warns(DataWarning, match=r"t: values that training did not see, in 'colour' \(3 cells, 'violet' for one\)"):
        encoded = in_form_of(dataset, spec)
    example = examples_of(encoded, np.arange(55, 60), spec)
    assert example.x[-3:, 1].tolist() == [2, 2, 2]
    assert example.observed is not None
    assert not example.observed[1, 0]
    stored = json.loads(json.dumps(spec.to_json()))
    assert DataSpec.from_json(stored) == spec
    coded = next(column for column in stored["columns"] if isinstance((column["categories"] or [0])[0], str))
    coded["categories"][0] = 1.5
    with pytest.raises(
        ModelFolderError, match=rf"categories of the column '{coded['name']}': .* expected all texts, or all finite"
    ):
        DataSpec.from_json(stored)


def test_columns_are_matched_by_their_names() -> None:
    dataset = mixed_dataset()
    spec = describe_dataset(dataset, np.arange(60))
    assert dataset.table is not None
    other = RawTable("new.csv", ("extra", "colour", "height"), (np.zeros(2), texts("red", None), np.array([180.0, np.nan])))
    found = in_form_of(Dataset("new.csv", np.zeros((2, 3)), table=other), spec)
    np.testing.assert_array_equal(found.examples, [[180, spec.columns[1].categories.index("red")], [np.nan, np.nan]])
    with pytest.raises(DataError, match=r"new\.csv lacks 1 of the 2 columns that the model was trained on: 'height'"):
        in_form_of(Dataset("new.csv", np.zeros((2, 3)), table=other.without(("height",))), spec)
    with pytest.raises(DataError, match=r"is an array of shape \(2, 2\) without the names of its columns; expected a table"):
        in_form_of(Dataset("X", np.zeros((2, 2))), spec)


def test_a_column_given_as_a_category_stays_one() -> None:
    known = {"zip": Column("zip", "categorical", "stated")}
    (column,) = infer_columns(table(zip=np.array([1010.0, 1020.0, 1010.0, 8001.0])), known)
    assert column.categories == (1010.0, 1020.0, 8001.0)
    np.testing.assert_array_equal(column.encode(table(zip=np.array([8001.0, 5.0, np.nan, 1010.0]))), [2, 3, np.nan, 0])


@pytest.mark.parametrize("text", ["1_0", "inf", "-Infinity", "1e999"])
def test_what_only_python_takes_for_a_number_is_none(text: str) -> None:
    table = RawTable("X", ("a",), (np.asarray(["1.5", text], object),))
    with pytest.raises(DataError, match=re.escape(f"X: row 1, column 'a' is the text {text!r}; expected a number")):
        Column("a", "real").encode(table)


@pytest.mark.parametrize("categories", [("false", "true"), ("False", "True"), ("FALSE", "TRUE")])
def test_yes_and_no_have_the_same_codes_however_they_are_written(categories: tuple[str, ...]) -> None:
    column = Column("a", "binary", categories=categories, counts=(1, 1))
    for no, yes in (("false", "true"), ("FALSE", "True"), ("0", "1"), (0.0, 1.0)):
        cells = np.asarray([no, yes], float if no == 0.0 else object)
        assert column.encode(RawTable("X", ("a",), (cells,))).tolist() == [0, 1]
    assert column.encode(RawTable("X", ("a",), (np.asarray(["yes", None], object),))).tolist()[0] == 2
