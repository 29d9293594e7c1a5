"""What a notebook may hand to the estimator: frames, lists and arrays of any type, and parameters that are none."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from judging import answered, few_generated, generated

from lowerbound import VAE, EnsembleVAE
from lowerbound.errors import DataError, TooLargeError

# One shape of what is accepted, so that most fits share a program.
_ROWS, _COLUMNS = 24, 3
_GOOD = np.random.default_rng(0).normal(size=(_ROWS, _COLUMNS))

_FRAME = pd.DataFrame(_GOOD)


class _Columns:
    """As a frame whose rows lie in a cluster."""

    columns = ("a", "b", "c")


class _Elsewhere:
    """As an array on another device."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("the values are not here")


_CELLS = st.sampled_from(
    [
        *(0, 1, -1, 2.5, np.nan, np.inf, -np.inf, 1e300, 1e-300, 2**70, None, pd.NA, "x", "", "1", True, 1j, b"a"),
        *(pd.Timestamp("2020-01-01"), datetime.timedelta(1), [1], {}, object),
    ]
)


@st.composite
def _objects(draw: Any) -> np.ndarray:
    """Numbers with a few cells of anything."""
    array = _GOOD.astype(object)
    for _ in range(draw(st.integers(1, 3))):
        array[draw(st.integers(0, _ROWS - 1)), draw(st.integers(0, _COLUMNS - 1))] = draw(_CELLS)
    return array


@st.composite
def _frames(draw: Any) -> pd.DataFrame:
    """A frame with a column of each of some kinds, and with names that are no good ones."""
    kinds: dict[str, Any] = {
        "numbers": _GOOD[:, 0],
        "text": ["x", "y"] * (_ROWS // 2),
        "dates": pd.date_range("2020", periods=_ROWS),
        "category": pd.Categorical(["a", "b", "c"] * (_ROWS // 3)),
        "nullable": pd.array([1, None, 3] * (_ROWS // 3), dtype="Int64"),
        "boolean": pd.array([True, False, None] * (_ROWS // 3), dtype="boolean"),
        "objects": np.array([1, "2", 3.5] * (_ROWS // 3), dtype=object),
        "hole": np.where(np.arange(_ROWS) == 5, np.nan, 1.0),
        "huge": np.full(_ROWS, 1e300),
        "constant": np.ones(_ROWS),
        "periods": pd.period_range("2020", periods=_ROWS, freq="D"),
        "complex": np.full(_ROWS, 1j),
        "sparse": pd.arrays.SparseArray(np.arange(_ROWS) % 2),
        "decimals": np.array([decimal.Decimal(number) for number in (1, "sNaN", "2.5")] * (_ROWS // 3), dtype=object),
        "bytes": np.array([b"a", b"b"] * (_ROWS // 2), dtype=object),
        "lists": pd.Series([[1], [2, 3]] * (_ROWS // 2)),
        "spans": pd.to_timedelta(np.arange(_ROWS), "h"),
        "zone": pd.date_range("2020", periods=_ROWS, tz="Asia/Tokyo"),
        "unused": pd.Categorical([2, 1, 2] * (_ROWS // 3), categories=[3, 1, 2]),
        "ranges": pd.cut(pd.Series(_GOOD[:, 0]), 3),
        "no unicode": pd.Series(["\ud800", "x"] * (_ROWS // 2), dtype=object),
        "tiny": _GOOD[:, 1] * 1e-40,
    }
    chosen = draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=3))
    names = draw(
        st.lists(
            st.sampled_from(["a", "b", "a", 0, 1.5, None, "", ("x", 1), "[bold]"]), min_size=len(chosen), max_size=len(chosen)
        )
    )
    frame = pd.concat([pd.Series(kinds[kind]) for kind in chosen], axis=1)
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _elsewhere(drawn: tuple[pd.DataFrame, int]) -> Any:
    """A frame as Polars or Arrow has it, or lazy; as it is where they cannot hold it."""
    frame, form = drawn
    frame = frame.set_axis([f"{name}{place}" for place, name in enumerate(frame.columns)], axis=1)
    try:
        known: Any = pl.from_pandas(frame)
        return (known, known.lazy(), known.to_arrow(), known.head(0), known.to_series())[form]
    except Exception:
        return frame


_WHATEVER = st.one_of(
    _objects(),
    _frames(),
    # Frames of other libraries, and of none.
    st.tuples(_frames(), st.integers(0, 4)).map(_elsewhere),
    hnp.arrays(st.sampled_from(["f2", "f4", "f8", "i8", "u1", "?", "c8", "U2", "M8[s]", ">f8", "g"]), (_ROWS, _COLUMNS)),
    hnp.arrays("f8", hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), elements=st.floats(width=64)),
    st.sampled_from(
        [
            *(None, 3, "digits", [], [[]], [[1, 2], [3]], [["a"]], {}, {"a": [1, 2]}, iter([1]), object(), pd.Series([1.0, 2.0])),
            *(scipy.sparse.csr_matrix(_GOOD), np.ma.masked_array(_GOOD, mask=_GOOD > 1), np.matrix(_GOOD), _GOOD.tolist()),
            *(_GOOD[:1], _GOOD[:0], _GOOD[:2], np.full((_ROWS, _COLUMNS), 7.0), np.round(_GOOD), np.ones((5, 2, 2, 2, 2))),
            *(_GOOD * 1e38, _GOOD * 1e-40, _GOOD + 1e12),
            *(
                _Columns(),
                _Elsewhere(),
                Path("x.csv"),
                {"a": _GOOD[:, 0]},
                {1.0, 2.0},
                (row for row in _GOOD),
                range(3),
                memoryview(_GOOD.tobytes()),
            ),
            *(scipy.sparse.coo_array(np.arange(3.0)), scipy.sparse.csr_matrix(_GOOD * 1j), scipy.sparse.dok_array(_GOOD > 0)),
            np.array([(1.0, "x")] * _ROWS, dtype=[("a", "f8"), ("b", "U1")]),
            *(_FRAME.astype("Float64").mask(_GOOD > 1), _FRAME.astype(object).mask(_GOOD > 1, pd.NA), _FRAME.groupby(0)),
            *(
                _GOOD.astype(">f8"),
                np.broadcast_to(_GOOD[0], _GOOD.shape),
                np.asfortranarray(_GOOD)[::-1],
                _GOOD.astype(np.longdouble),
            ),
        ]
    ),
)


def _vae(**parameters: Any) -> VAE:
    small = {"latent_dim": 2, "hidden_widths": (8,), "epochs": 1, "batch_size": 8, "random_state": 0, "automatic": False}
    return VAE(**{**small, **parameters})


@generated
@given(data=_WHATEVER)
def test_fit_takes_or_refuses_any_data(data: Any) -> None:
    answered(lambda: _vae().fit(data))


@generated
@given(given_with=st.one_of(_WHATEVER, hnp.arrays("i8", _ROWS), hnp.arrays("f8", (_ROWS, 2), elements=st.floats(width=64))))
def test_fit_takes_or_refuses_any_condition(given_with: Any) -> None:
    answered(lambda: _vae().fit(_GOOD, condition=given_with))


_ODD: list[Any] = [
    *(None, -1, 0, 1, 2.5, "x", "", float("nan"), float("inf"), 10**9, 10**30, True, np.int64(3), np.float32(0.5), b"x"),
    *([], (), (0,), (8, 8), [8, "x"], {}, object(), VAE, "auto", "gaussian", "vamp", "elbo"),
    *({"training": 3}, {"nonsense": {}}, {"training": {"gradient_clip": "x"}}),
]


@generated
@given(name=st.sampled_from(sorted(VAE().get_params())), value=st.sampled_from(_ODD))
def test_fit_takes_or_refuses_any_parameter(name: str, value: Any) -> None:
    if name == "epochs" and isinstance(value, int) and value > 10:
        # As many as the user says: that takes its time.
        return
    answered(lambda: _vae(**{name: value}).fit(_GOOD))


@pytest.fixture(scope="module")
def fitted() -> VAE:
    return _vae().fit(_GOOD)


_METHODS = ("transform", "reconstruct", "score", "score_samples", "inverse_transform", "sample")


@generated
@given(method=st.sampled_from(_METHODS), data=_WHATEVER)
def test_methods_take_or_refuse_any_data(method: str, data: Any, fitted: VAE) -> None:
    if method == "sample" and isinstance(data, int):
        return
    answered(lambda: getattr(fitted, method)(data))


@generated
@given(count=st.sampled_from([*_ODD, 10**11, -(10**30), [3], "3"]), seed=st.sampled_from(_ODD))
def test_samples_are_drawn_or_refused(count: Any, seed: Any, fitted: VAE) -> None:
    if count == 10**9:
        return
    answered(lambda: fitted.sample(count, random_state=seed))


_LABELS = st.one_of(
    st.sampled_from(
        ["a", 3, None, iter("ab"), [["a"], ["a", "b"]], {}, [b"x"] * _ROWS, [{}] * _ROWS, [[1, 2]] * _ROWS, ["a"] * 5]
    ),
    st.lists(st.sampled_from(["a", "b", "", None, np.nan, pd.NA]), min_size=_ROWS, max_size=_ROWS),
    st.lists(st.sampled_from([0, 1, -1, 1.5, True, None, np.nan]), min_size=_ROWS, max_size=_ROWS),
    st.lists(st.sampled_from(["a", "b", None]), min_size=_ROWS, max_size=_ROWS).map(
        lambda labels: pd.Series(labels, dtype="category")
    ),
    st.lists(st.sampled_from([1, 2, None]), min_size=_ROWS, max_size=_ROWS).map(lambda labels: pd.Series(labels, dtype="Int64")),
    st.lists(st.sampled_from(["a", "b", None]), min_size=_ROWS, max_size=_ROWS).map(pl.Series),
)


@generated
@given(labels=_LABELS)
def test_labels_of_any_type_are_told_or_refused(labels: Any, fitted: VAE) -> None:
    answered(lambda: fitted.explain(_GOOD, labels))


@few_generated
@given(labels=_LABELS)
def test_a_model_of_labels_is_fitted_or_refused(labels: Any) -> None:
    model: Any = answered(lambda: _vae(model="semi-supervised", objective="semi-supervised").fit(_GOOD, condition=labels))
    assert model is None or "nan" not in map(str, model.spec_.condition.categories)


@pytest.mark.parametrize("labels", [["a", np.nan] * 12, pd.Series(["a", None] * 12, dtype="category")], ids=["list", "category"])
def test_a_condition_that_a_row_lacks_is_no_category(labels: Any) -> None:
    with pytest.raises(DataError, match=r"condition' is nan in row 1; expected a number or a text in each row"):
        _vae().fit(_GOOD, condition=labels)


@pytest.fixture(scope="module")
def ensemble() -> EnsembleVAE:
    return EnsembleVAE(_vae(), n_members=2, random_state=0).fit(_GOOD, condition=["a", "b"] * (_ROWS // 2))


@generated
@given(
    given_with=st.one_of(
        _LABELS, st.sampled_from([["a"] * 3, ["a"] * 2, pl.Series(["a", "b", "a"]), pd.DataFrame({"c": ["a"] * 3})])
    )
)
def test_an_ensemble_draws_under_any_condition(given_with: Any, ensemble: EnsembleVAE) -> None:
    answered(lambda: ensemble.sample(3, condition=given_with, random_state=0))
    with pytest.raises(TooLargeError, match=r"n_samples is 1,000,000,000,000"):
        ensemble.sample(10**12)
