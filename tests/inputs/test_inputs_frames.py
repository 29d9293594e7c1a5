"""Frames whose columns have any of the types that hold the same cells: the answers are the same, and what was there stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import generated

from lowerbound import VAE
from lowerbound.errors import DataWarning

_ROWS = 24
_RNG = np.random.default_rng(0)
_WHOLE: Any = pd.DataFrame(
    {
        "size": _RNG.normal(size=_ROWS).round(3),
        "visits": _RNG.poisson(20, _ROWS).astype(float),
        "group": _RNG.choice(["red", "Blue"], _ROWS),
        "flag": _RNG.random(_ROWS) < 0.5,
        "when": pd.date_range("2020-01-01", periods=_ROWS, freq="7h"),
    }
).astype({"flag": "boolean"})
_HIDDEN = _RNG.random(_WHOLE.shape) < 0.2
_FRAME = _WHOLE.mask(_HIDDEN)
# Types in which the same cells are the same; and others, in which a model finds what it knows.
_TYPES: dict[str, list[Any]] = {
    "size": ["float64", "Float64", "float64[pyarrow]", object],
    "visits": ["float64", "Float64", "Int64", "Int16", "int64[pyarrow]", object],
    "group": [object, "str", "string", "category", pd.CategoricalDtype(["zinc", "red", "Blue"], ordered=True)],
    "flag": ["boolean", object, "Int64", "category", "float64", "bool[pyarrow]"],
    "when": ["datetime64[us]", "datetime64[ns]", object],
}
_INDICES: dict[str, Any] = {
    "usual": pd.RangeIndex(_ROWS),
    "from 100": pd.RangeIndex(100, 100 + _ROWS),
    "texts": pd.Index([f"r{row}" for row in range(_ROWS)], name="who"),
    "one value": pd.Index([7] * _ROWS),
    "two levels": pd.MultiIndex.from_product([range(2), range(_ROWS // 2)]),
    "days": pd.date_range("2020", periods=_ROWS),
}


@pytest.fixture(scope="module")
def fitted() -> VAE:
    return VAE(2, hidden_widths=(8,), epochs=1, batch_size=8, random_state=0, automatic=False).fit(_FRAME)


@generated
@given(
    types=st.fixed_dictionaries({name: st.sampled_from(kinds) for name, kinds in _TYPES.items()}),
    index=st.sampled_from(sorted(_INDICES)),
    order=st.permutations(list(_TYPES)),
    zone=st.sampled_from((None, "UTC", "Asia/Tokyo")),
)
def test_a_frame_of_pandas_keeps_its_index_and_types(
    types: Any, index: str, order: list[str], zone: str | None, fitted: VAE
) -> None:
    frame: Any = _FRAME.astype(types)
    if zone and types["when"] is not object:
        frame["when"] = frame["when"].dt.tz_localize("UTC").dt.tz_convert(zone)
    frame = frame[order].set_axis(_INDICES[index], axis=0)
    np.testing.assert_array_equal(fitted.transform(frame), fitted.transform(_FRAME))
    assert fitted.reconstruct(frame).index.equals(frame.index)
    before = frame.copy(deep=True)
    filled = fitted.impute(frame, num_samples=5)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_index_equal(filled.index, frame.index)
    assert list(filled.columns) == order
    assert not filled.isna().any().any()
    hidden = pd.DataFrame(_HIDDEN, columns=list(_TYPES))[order].to_numpy()
    for place, name in enumerate(order):
        known = ~hidden[:, place]
        assert filled[name].dtype == frame[name].dtype or types[name] is object, name
        assert (filled[name].array[known] == frame[name].array[known]).all(), name


_POLARS: dict[str, list[Any]] = {
    "size": [pl.Float64],
    "visits": [pl.Float64, pl.Int64, pl.UInt8, pl.Float32],
    "group": [pl.String, pl.Categorical, pl.Enum(["zinc", "red", "Blue"])],
    "flag": [pl.Boolean, pl.Int8],
    "when": [pl.Datetime("us"), pl.Datetime("ns"), pl.Datetime("ms", "Asia/Tokyo")],
}


@generated
@given(types=st.fixed_dictionaries({name: st.sampled_from(kinds) for name, kinds in _POLARS.items()}))
def test_a_frame_of_polars_keeps_its_types(types: Any, fitted: VAE) -> None:
    frame = pl.from_pandas(_FRAME)
    if types["when"].time_zone:
        frame = frame.with_columns(pl.col("when").dt.replace_time_zone("UTC").dt.convert_time_zone(types["when"].time_zone))
    frame = frame.cast(types)
    np.testing.assert_array_equal(fitted.transform(frame), fitted.transform(_FRAME))
    filled = fitted.impute(frame, num_samples=5)
    assert filled.schema == frame.schema
    assert not sum(filled.null_count().row(0))
    for place, name in enumerate(frame.columns):
        known = pl.Series(~_HIDDEN[:, place])
        assert filled[name].filter(known).equals(frame[name].filter(known)), name


@pytest.mark.parametrize("words", [("True", "False"), ("TRUE", "FALSE"), (1, 0), (True, False), (1.0, 0.0)], ids=str)
def test_yes_and_no_are_found_however_they_are_written(words: tuple[Any, Any], fitted: VAE) -> None:
    flags = [None if pd.isna(flag) else words[0 if flag else 1] for flag in _FRAME["flag"]]
    new = _FRAME.assign(flag=pd.Series(flags, dtype=object))
    np.testing.assert_array_equal(fitted.transform(new), fitted.transform(_FRAME))
    rows = [fitted.sample(4, given={"flag": word}, random_state=0)["flag"] for word in words]
    assert rows[0].all()
    assert not rows[1].any()


def test_a_type_that_cannot_hold_what_fills_it_gives_way() -> None:
    numbers = pd.DataFrame(_RNG.normal(size=(_ROWS, 2)) * 9, columns=["a", "b"]).set_axis(range(5, 5 + _ROWS))
    model = VAE(2, hidden_widths=(8,), epochs=1, batch_size=8, random_state=0, automatic=False).fit(numbers)
    whole = numbers.round().astype("Int64")
    lost = whole.copy()
    lost.loc[8, "a"] = pd.NA
    filled = model.impute(lost, num_samples=5)
    assert (filled["a"].dtype, filled["b"].dtype) == ("float64", "Int64")
    assert filled["a"].iloc[3] % 1
    assert filled.index.equals(whole.index)
    assert (filled["a"] == whole["a"]).drop(8).all()


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA], ids=str)
def test_a_column_without_any_value_is_filled(nothing: Any, fitted: VAE) -> None:
    for name in _TYPES:
        filled = fitted.impute(_WHOLE.assign(**{name: nothing}), num_samples=5)
        assert not filled[name].isna().any(), name


def test_texts_fill_a_column_of_numbers_that_training_did_not_see(fitted: VAE) -> None:
    new = _WHOLE.assign(group=[1.0, np.nan] * (_ROWS // 2))
    with pytest.warns(DataWarning, match="values that training did not see, in 'group'"):
        filled = fitted.impute(new, num_samples=5)
    assert filled["group"].iloc[0] == "1"
    assert filled["group"].iloc[1] in ("red", "Blue")
