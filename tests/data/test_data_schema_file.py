"""A schema: written, edited, read again, and refused where it is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from lowerbound.config.sections import DataConfig
from lowerbound.data.columns import Column, RawTable, infer_columns
from lowerbound.data.columns.cells import as_objects
from lowerbound.data.columns.schema_file import columns_by, read_schema, to_toml
from lowerbound.data.datasets import load_configured
from lowerbound.errors import DataError, MissingDataError

ROWS = 40


def _table() -> RawTable:
    rng = np.random.default_rng(0)
    size = as_objects([("low", "medium", "high", None)[row % 4] for row in range(ROWS)])
    colour = as_objects([("red", "green")[row % 2] for row in range(ROWS)])
    days = np.datetime64("2024-01-01", "us") + np.arange(ROWS) * np.timedelta64(1, "D")
    number = rng.normal(size=ROWS)
    names = ("size", "colour", "day", "a number, by hand", "stars", "id")
    columns = (size, colour, days, number, np.arange(ROWS) % 5.0, np.arange(ROWS) * 1.0)
    return RawTable("t.csv", names, columns, np.arange(ROWS) + 2)


def _written(folder: Path, text: str) -> Path:
    path = folder / "schema.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    table = _table()
    columns = infer_columns(table)
    path = _written(tmp_path, to_toml(columns, table.source))
    again = columns_by(read_schema(path), table, str(path))
    assert [(each.name, each.kind, each.categories, each.counts) for each in again] == [
        (each.name, each.kind, each.categories, each.counts) for each in columns
    ]
    assert {each.reason for each in again} == {f"stated in {path}"}
    assert "# two values: " in path.read_text()
    assert tomllib.loads(path.read_text())["columns"]["stars"] == {"kind": "ordinal", "categories": [0, 1, 2, 3, 4]}


def test_odd_names_and_values_survive(tmp_path: Path) -> None:
    odd = 'a.b "c" \\ \n\t\x7f é 中'
    column = Column(odd, "categorical", f"such as {odd}\n[x]", likelihood="categorical", categories=(odd, "#", ""))
    stated = read_schema(_written(tmp_path, to_toml([column, Column("", "real")], odd)))
    assert list(stated) == [odd, ""]
    assert (stated[odd].categories, stated[odd].likelihood) == ((odd, "#", ""), "categorical")


def test_the_order_of_ordinal_texts_is_that_of_the_schema(tmp_path: Path) -> None:
    table = _table()
    path = _written(tmp_path, '[columns.size]\nkind = "ordinal"\ncategories = ["low", "medium", "high"]\n')
    size = columns_by(read_schema(path), table, str(path))[0]
    assert size.categories == ("low", "medium", "high")
    np.testing.assert_array_equal(size.encode(table)[:4], [0, 1, 2, np.nan])
    # And of the rows of training alone.
    assert size.fitted(table.rows(np.asarray([2, 0]))).categories == ("low", "high")


def test_a_column_without_a_section_is_inferred_and_one_set_aside_passed_over(tmp_path: Path) -> None:
    table = _table()
    path = _written(tmp_path, '[columns.stars]\nkind = "categorical"\n[columns.label]\nkind = "binary"\n')
    columns = columns_by(read_schema(path), table, str(path), set_aside=("label",))
    assert [each.kind for each in columns] == ["categorical", "binary", "date-time", "real", "categorical", "identifier"]
    assert columns[4].categories == (0.0, 1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", r"the schema .*schema.toml is no TOML \(.*\); correct it"),
        ("", r"schema.toml has no section of a column; expected sections such as \[columns.age\]"),
        ("[column.age]\nkind = 'real'\n", r"schema.toml has 'column'; expected sections"),
        ("[columns]\nsize = 'real'\n", r"schema.toml: columns.size is 'real'; expected a section"),
        ("[columns.size]\nkinds = 'real'\n", r"columns.size: the key is 'kinds', which does not exist. Did you mean 'kind'\?"),
        ("[columns.size]\n", r"columns.size.kind is None; expected one of real, positive"),
        ("[columns.size]\nkind = 'catgorical'\n", r"columns.size.kind is 'catgorical', which .* Did you mean 'categorical'\?"),
        ("[columns.size]\nkind = 'real'\nlikelihood = 3\n", r"columns.size.likelihood is 3; expected the name"),
        ("[columns.size]\nkind = 'real'\ncategories = ['a']\n", r"categories is given, but its kind is 'real', which has none"),
        ("[columns.size]\nkind = 'ordinal'\ncategories = ['a', 1]\n", r"categories is \['a', 1\]; expected a list of texts or"),
        ("[columns.size]\nkind = 'ordinal'\ncategories = ['a', 'a']\n", r"expected a list of texts or of numbers, each once"),
        ("[columns.sizes]\nkind = 'ordinal'\n", r"columns.sizes: t.csv has no column 'sizes'. Did you mean 'size'\? It has"),
        ("[columns.size]\nkind = 'ordinal'\n", r"columns.size.kind is 'ordinal', but its cells are texts; state their order"),
        (
            "[columns.size]\nkind = 'ordinal'\ncategories = ['low', 'high']\n",
            r"t.csv: line 3, column 'size' is 'medium', which is none of the values in .*columns.size.categories; add it there",
        ),
        (
            "[columns.size]\nkind = 'ordinal'\ncategories = [1, 2]\n",
            r"columns.size.kind is 'ordinal', but t.csv: line 2, column 'size' is the text 'low'; expected a number",
        ),
        (
            "[columns.size]\nkind = 'binary'\n",
            r"kind is 'binary', but the column has 3 different values \(high, low",
        ),
        (
            "[columns.colour]\nkind = 'real'\n",
            r"colour.kind is 'real', but t.csv: line 2, column 'colour' is the text 'red'",
        ),
        ("[columns.colour]\nkind = 'date-time'\n", r"columns.colour.kind is 'date-time', but t.csv: line 2, .* expected a day"),
        ("[columns.day]\nkind = 'real'\n", r"columns.day.kind is 'real', but t.csv: line 2, column 'day' is the time 2024-01-01"),
        (
            "[columns.stars]\nkind = 'positive'\n",
            r"'positive', but t.csv: line 2, column 'stars' is 0; expected numbers above",
        ),
        (
            "[columns.'a number, by hand']\nkind = 'count'\n",
            r"columns.\"a number, by hand\".kind is 'count', but t.csv: line 2, .* is 0.12573; expected whole numbers from 0 up",
        ),
        ("[columns.'a number, by hand']\nkind = 'zero-inflated'\n", r"line 3, .* is -0.132105; expected numbers from 0 up"),
    ],
)
def test_what_is_wrong_is_refused_with_file_and_key(text: str, message: str, tmp_path: Path) -> None:
    path = _written(tmp_path, text)
    with pytest.raises(DataError, match=message):
        columns_by(read_schema(path), _table(), str(path))


def test_a_schema_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"there is no schema .*x.toml; write one: lowerbound schema DATA --out"):
        read_schema(tmp_path / "x.toml")
    with pytest.raises(DataError, match=r"is a folder; expected a TOML file"):
        read_schema(tmp_path)


def test_a_configuration_names_the_schema_of_its_data(tmp_path: Path) -> None:
    rows = "".join(f"{row},{row % 3},{'ab'[row % 2]}\n" for row in range(30))
    (tmp_path / "t.csv").write_text(f"id,stars,group\n{rows}")
    schema = _written(
        tmp_path, '[columns.id]\nkind = "count"\n[columns.stars]\nkind = "categorical"\n[columns.group]\nkind="text"\n'
    )
    data = DataConfig(name=str(tmp_path / "t.csv"), schema=str(schema), condition="group")
    dataset = load_configured(data)
    assert [(each.name, each.kind) for each in dataset.columns] == [("id", "count"), ("stars", "categorical")]
    np.testing.assert_array_equal(dataset.examples[:4], [[0, 0], [1, 1], [2, 2], [3, 0]])
