"""Data frames in and out, and that what pandas writes is read back the same."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowerbound.data.columns import RawTable, read_raw
from lowerbound.data.columns.cells import stands_for_nothing, unguarded
from lowerbound.data.columns.frames import from_frame, to_frame
from lowerbound.data.columns.raw import is_missing
from lowerbound.data.columns.times import parse_times
from lowerbound.data.columns.writing import write_table
from lowerbound.data.tables import is_number
from lowerbound.errors import DataError
from lowerbound.estimator.table_inputs import table_of


def _plain(column: np.ndarray) -> list[Any]:
    """Python's values, None for no value."""
    return [None if lacks else cell for cell, lacks in zip(column.tolist(), is_missing(column), strict=True)]


def _of(frame: Any) -> dict[str, list[Any]]:
    table = from_frame(frame)
    return {name: _plain(column) for name, column in zip(table.names, table.columns, strict=True)}


def test_every_type_of_pandas() -> None:
    moments = pandas.to_datetime(["2024-01-01 00:00:00.5", None, "2024-07-02 03:04:05.25"])
    frame = pandas.DataFrame(
        {
            "whole": [1, 2, 3],
            "holes": pandas.array([1, None, 3], "Int64"),
            "single": np.array([0.5, np.nan, 1], np.float32),
            "boolean": [True, False, True],
            "maybe": pandas.array([True, None, False], "boolean"),
            "category": pandas.Series(["x", None, "y"], dtype="category"),
            "stars": pandas.Series([2, 1, 2], dtype="category"),
            "text": ["a", None, ""],
            "mixed": pandas.Series([1, "a", None], dtype=object),
            "numbers": pandas.Series([1, 2.5, None], dtype=object),
            "moment": moments,
            "zone": pandas.to_datetime(["2024-01-01", None, "2024-07-02"]).tz_localize("Europe/Berlin"),
            "day": pandas.Series([datetime.date(2024, 1, 1), None, datetime.date(2024, 1, 3)], dtype=object),
        }
    )
    assert _of(frame) == {
        "whole": [1.0, 2.0, 3.0],
        "holes": [1.0, None, 3.0],
        "single": [0.5, None, 1.0],
        "boolean": ["true", "false", "true"],
        "maybe": ["true", None, "false"],
        "category": ["x", None, "y"],
        "stars": ["2", "1", "2"],
        "text": ["a", None, None],
        "mixed": ["1", "a", None],
        "numbers": [1.0, 2.5, None],
        "moment": [datetime.datetime(2024, 1, 1, 0, 0, 0, 500_000), None, datetime.datetime(2024, 7, 2, 3, 4, 5, 250_000)],
        "zone": [datetime.datetime(2023, 12, 31, 23), None, datetime.datetime(2024, 7, 1, 22)],
        "day": [datetime.datetime(2024, 1, 1), None, datetime.datetime(2024, 1, 3)],
    }
    assert from_frame(pandas.DataFrame(np.eye(2))).names == ("0", "1")
    declared = from_frame(pandas.DataFrame({"a": [-999, 1], "b": ["unknown", "x"]}), missing=("-999", "unknown"))
    assert [_plain(column) for column in declared.columns] == [[None, 1.0], [None, "x"]]


def test_every_type_of_polars() -> None:
    polars = pytest.importorskip("polars")
    moment = datetime.datetime(2024, 1, 1, 2)
    frame = polars.DataFrame(
        {
            "whole": [1, None],
            "boolean": [True, None],
            "text": ["a", None],
            "category": polars.Series(["x", None], dtype=polars.Categorical),
            "day": [datetime.date(2024, 1, 1), None],
            "zone": polars.Series([moment, None], dtype=polars.Datetime("ns", "Europe/Berlin")),
        }
    )
    table = from_frame(frame)
    day = datetime.datetime(2024, 1, 1)
    expected = [[1.0, None], ["true", None], ["a", None], ["x", None], [day, None], [moment, None]]
    assert [_plain(column) for column in table.columns] == expected
    back = to_frame(table.names, table.columns, "polars", whole=("whole",))
    assert [str(kind) for kind in back.dtypes[:4]] == ["Int64", "Boolean", "String", "String"]
    assert _of(back) == _of(frame)
    with pytest.raises(DataError, match=r"X is of the type LazyFrame; .*X.collect\(\)"):
        from_frame(frame.lazy())


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pandas.DataFrame({"a": [pandas.Timedelta(1)]}), r"X: column 'a' is of the type Duration\(.*X.drop\(columns=\['a'\]\)"),
        (pandas.DataFrame({"a": ["x", {}]}), r"X: row 1, column 'a' is of the type dict \(\{\}\); expected a number, a text"),
        (pandas.DataFrame({"a": [b"x"]}), r"X: row 0, column 'a' is of the type bytes"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), r"X has 2 columns named 'a'; expected a name of its own"),
        (pandas.DataFrame([[1, 2]], columns=["a", 1]), r"X has columns named by int and str; .*X.columns.astype\(str\)"),
        (pandas.DataFrame({"a": [0.0, -np.inf]}), r"X: row 1, column 'a' is -inf, no number"),
        (pandas.DataFrame({"a": [1, 10**400]}, dtype=object), r"X: row 1, column 'a' is inf, no number"),
        (pandas.DataFrame({"a": ["x", "\ud800"]}, dtype=object), r"X: row 1, column 'a' is '\\ud800', which is no Unicode text"),
        (pandas.DataFrame({"a": []}), r"X has no rows and 1 columns; expected a row for each example"),
        (np.eye(2), r"X is of the type ndarray; expected a data frame, of pandas or Polars"),
    ],
)
def test_what_is_no_table_is_refused(frame: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_frame(frame)


def test_odd_values_of_python_are_numbers_days_or_nothing() -> None:
    east = datetime.timezone(datetime.timedelta(hours=5))
    cells = {
        "decimal": [decimal.Decimal("1.50"), decimal.Decimal("sNaN"), decimal.Decimal("NaN")],
        "first": [datetime.datetime(1, 1, 1, tzinfo=east), None, datetime.datetime(1, 1, 1, 5, tzinfo=east)],
    }
    table = from_frame(pandas.DataFrame({name: pandas.Series(values, dtype=object) for name, values in cells.items()}))
    assert _plain(table.columns[0]) == [1.5, None, None]
    assert table.columns[1].tolist()[1:] == [None, datetime.datetime(1, 1, 1)]
    assert str(table.columns[1][0]) == "0000-12-31T19:00:00.000000"


@pytest.mark.parametrize("make", ["pandas", "polars", "arrow"])
def test_numbers_that_are_categories_stay_categories(make: str) -> None:
    frame: Any = pandas.DataFrame({"stars": pandas.Categorical([2, 1, 2, 1]), "size": [1.5, 2.5, 0.5, 1.0]})
    if make == "polars":
        polars = pytest.importorskip("polars")
        frame = polars.DataFrame(
            {"stars": polars.Series(["2", "1"] * 2, dtype=polars.Enum(["1", "2", "3"])), "size": frame["size"]}
        )
    elif make == "arrow":
        frame = pytest.importorskip("pyarrow").table({"stars": ["2", "1"] * 2, "size": frame["size"]})
    table = table_of(frame)
    assert table is not None
    assert [_plain(column) for column in table.columns] == [["2", "1", "2", "1"], [1.5, 2.5, 0.5, 1.0]]


def test_frames_come_back_with_their_types() -> None:
    frame = pandas.DataFrame(
        {
            "whole": [1, 2],
            "holes": pandas.array([1, None], "Int64"),
            "real": [0.5, np.nan],
            "boolean": [True, False],
            "maybe": pandas.array([True, None], "boolean"),
            "text": pandas.Series(["a", None], dtype="str"),
            "day": np.array(["2024-01-01", "NaT"], "datetime64[us]"),
        }
    )
    table = from_frame(frame)
    pandas.testing.assert_frame_equal(to_frame(table.names, table.columns, "pandas", whole=("whole", "holes")), frame)


# A first line whose names are numbers, or values that stand below it, may be no line of names.
_LETTERS = st.text(
    st.one_of(st.sampled_from(tuple(" ,;\t|\"'\n#=+-@.0123456789")), st.characters(codec="utf-8", exclude_characters="\r\x00")),
    max_size=8,
)


def _is_only_a_text(text: str) -> bool:
    """Whether a file can say that this is a text: no number, no word for no value, and without spaces around it."""
    return not (
        text != text.strip()
        or unguarded(text) != text
        or stands_for_nothing(text)
        or is_number(text)
        or text.lower() in ("true", "false", "nat", "<na>", "#n/a", "n/a")
        or set(text) <= set("+-.,0123456789eE")
        or text.startswith("name ")
    )


_TEXTS = _LETTERS.filter(_is_only_a_text)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_WHOLE = st.integers(-(2**53), 2**53)
_TIMES = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))


@st.composite
def _columns(draw: Any, size: int) -> pandas.Series:
    def values(strategy: Any) -> list[Any]:
        return draw(st.lists(st.one_of(strategy, strategy, st.none()), min_size=size, max_size=size))

    kind = draw(st.sampled_from(["number", "whole", "text", "category", "boolean", "time", "day"]))
    if kind == "number":
        return pandas.Series([np.nan if value is None else value for value in values(_NUMBERS)], dtype="float64")
    if kind == "whole":
        return pandas.Series(values(_WHOLE), dtype="Int64")
    if kind == "boolean":
        return pandas.Series(values(st.booleans()), dtype="boolean")
    if kind == "time":
        return pandas.Series(values(_TIMES), dtype="datetime64[us]")
    if kind == "day":
        return pandas.Series(values(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))), dtype="datetime64[us]")
    return pandas.Series(values(_TEXTS), dtype="str").astype("category" if kind == "category" else "str")


@st.composite
def _frames(draw: Any) -> pandas.DataFrame:
    size = draw(st.integers(1, 6))
    names = draw(st.lists(_LETTERS.map(lambda text: f"name {text}x"), min_size=1, max_size=4, unique=True))
    return pandas.DataFrame({name: draw(_columns(size)) for name in names})


def _compare(read: RawTable, frame: pandas.DataFrame) -> None:
    """The table of a file against that of the frame, in which times are times and not texts."""
    expected = from_frame(frame)
    assert read.names == expected.names
    for name, found, wanted in zip(read.names, read.columns, expected.columns, strict=True):
        if wanted.dtype.kind == "M" and found.dtype.kind == "O":
            times = parse_times(found)
            assert times is not None, name
            found = times
        assert _plain(found) == _plain(wanted), name


_derandomised = settings(
    derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@_derandomised
@given(frame=_frames(), separator=st.sampled_from(",;\t|"))
def test_what_pandas_writes_is_read_back_the_same(frame: pandas.DataFrame, separator: str, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("frames") / "x.csv"
    frame.to_csv(path, index=False, sep=separator)
    _compare(read_raw(path), frame)


@_derandomised
@given(frame=_frames(), ending=st.sampled_from([".csv", ".tsv", ".csv.gz"]))
def test_what_is_written_is_read_back_the_same(frame: pandas.DataFrame, ending: str, tmp_path_factory: Any) -> None:
    table = from_frame(frame)
    path: Path = tmp_path_factory.mktemp("tables") / f"x{ending}"
    write_table(path, table.names, table.columns)
    _compare(read_raw(path), frame)


def test_the_comparison_sees_a_wrong_cell(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"name a": [1.5, np.nan], "name b": ["x", "y"]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    _compare(read_raw(tmp_path / "x.csv"), frame)
    for name, cells in (("name a", [1.5, 0.0]), ("name a", [1.5000000000000002, np.nan]), ("name b", ["x", None])):
        wrong = frame.copy()
        wrong[name] = cells
        with pytest.raises(AssertionError):
            _compare(read_raw(tmp_path / "x.csv"), wrong)
