"""Data frames: column names in and out, and scikit-learn's own checks of them."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import estimator_checks

from lowerbound import VAE
from lowerbound.errors import ConfigurationError, DataError, DataWarning

pandas = pytest.importorskip("pandas")
SMALL = {"latent_dim": 2, "hidden_widths": (8,), "epochs": 2, "random_state": 0, "automatic": False}
FRAME = pandas.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["height", "weight", "age"])


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE(**SMALL).fit(FRAME)


# The checks also pass arrays where names are known and names where none are, of which scikit-learn warns, rightly.
@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names")
@pytest.mark.parametrize(
    "check",
    [
        "check_dataframe_column_names_consistency",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_global_output_transform_pandas",
    ],
)
def test_scikit_learn_check_of_frames(check):
    getattr(estimator_checks, check)("VAE", VAE(**SMALL))


def test_names_are_kept_and_compared(vae, tmp_path):
    assert vae.feature_names_in_.tolist() == ["height", "weight", "age"]
    assert vae.spec_.feature_names == ("height", "weight", "age")
    with pytest.raises(ValueError, match=r"feature names should match those that were passed during fit"):
        vae.transform(FRAME[["weight", "height", "age"]])
    with pytest.warns(UserWarning, match=r"X does not have valid feature names, but VAE was fitted with feature names"):
        vae.transform(FRAME.to_numpy())
    vae.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model")
    assert loaded.feature_names_in_.tolist() == ["height", "weight", "age"]
    with pytest.raises(ValueError, match=r"feature names should match"):
        loaded.transform(FRAME[["weight", "height", "age"]])


def test_a_later_fit_to_an_array_forgets_the_names():
    fitted = VAE(**SMALL).fit(FRAME).fit(FRAME.to_numpy())
    assert not hasattr(fitted, "feature_names_in_")


def test_a_frame_comes_out_when_asked_for(vae):
    frame = VAE(**SMALL).set_output(transform="pandas").fit(FRAME).transform(FRAME)
    assert frame.columns.tolist() == ["vae0", "vae1"]
    np.testing.assert_array_equal(frame.to_numpy(), vae.transform(FRAME))


def test_columns_of_nullable_and_mixed_numbers(vae):
    mixed = FRAME.astype({"age": "Float64", "weight": "float32"})
    assert VAE(**SMALL).fit(mixed).n_features_in_ == 3
    mixed.loc[3, "age"] = np.inf
    with pytest.raises(DataError, match=r"X: .*column 'age' is inf"):
        VAE(**SMALL).fit(mixed)


def test_columns_of_other_kinds_have_laws_of_their_own_and_come_back_as_they_were():
    frame = FRAME.assign(
        day=pandas.date_range("2020", periods=40),
        colour=pandas.Categorical(["red", "blue"] * 20),
        sunny=[True, False, False, True] * 10,
        name=[f"n{i}" for i in range(40)],
    )
    frame.loc[3, "age"], frame.loc[5, "colour"] = np.nan, None
    with pytest.warns(DataWarning, match=r"X: a column is left out: 'name' \(identifier: 40 different values in 40 rows"):
        vae = VAE(**SMALL).fit(frame)
    kinds = {column.name: column.kind for column in vae.spec_.columns}
    assert {name: kinds[name] for name in ("day", "colour", "sunny")} == {
        "day": "date-time",
        "colour": "binary",
        "sunny": "binary",
    }
    assert vae.transform(frame).shape == (40, vae.latent_dim)
    drawn = vae.sample(30, random_state=0)
    assert drawn.columns.tolist() == [name for name in frame.columns if name != "name"]
    assert set(drawn["colour"].dropna()) <= {"red", "blue"}
    assert drawn["day"].dt.normalize().equals(drawn["day"])
    assert drawn["day"].min() >= pandas.Timestamp("2020-01-01")
    assert drawn["sunny"].dtype == bool
    under = vae.sample(20, given={"colour": "red"}, random_state=0)
    with pytest.raises(ConfigurationError, match=r"given is 'red'; expected values of columns by their names"):
        vae.sample(20, given="red")  # pyright: ignore[reportArgumentType]
    assert (under["colour"] == "red").all()
    assert vae.reconstruct(frame).shape == (40, 6)
    # In another order, with a column more, and with a category that training did not see.
    other = frame[frame.columns[::-1]].assign(more=1.0)
    np.testing.assert_allclose(vae.score_samples(other), vae.score_samples(frame), rtol=1e-5)
    unseen = frame.astype({"colour": object}).assign(colour="violet")
    with pytest.warns(DataWarning, match=r"X: values that training did not see, in 'colour' \(40 cells, 'violet' for one\)"):
        assert np.isfinite(vae.score_samples(unseen)).all()
    with pytest.raises(DataError, match=r"X is a ndarray; this model was fitted on a data frame with the columns height, "):
        vae.transform(frame.to_numpy())
    with pytest.raises(DataError, match=r"X lacks 1 of the 6 columns that the model was trained on: 'day'"):
        vae.transform(frame.drop(columns="day"))


def test_scikit_learn_s_tools_take_a_frame_of_several_kinds():
    frame = FRAME.assign(colour=pandas.Categorical(["red", "blue", "green", "red"] * 10), visits=[0, 3, 1, 7, 2] * 8)
    frame.loc[3, "age"] = np.nan
    steps = Pipeline([("vae", VAE(**{**SMALL, "epochs": 1}))])
    search = GridSearchCV(steps, {"vae__learning_rate": [1e-3, 1e-2]}, cv=2).fit(frame)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    found = search.best_estimator_["vae"]
    codes = found.transform(frame)
    again: Any = clone(found)
    for copy in (pickle.loads(pickle.dumps(found)), again.fit(frame)):
        np.testing.assert_array_equal(copy.transform(frame), codes)


def test_kinds_of_columns_can_be_stated():
    frame = FRAME.assign(place=[1010.0, 8001.0, 3000.0, 4000.0] * 10)
    vae = VAE(**SMALL, schema={"place": "categorical"}).fit(frame)
    assert next(column for column in vae.spec_.columns if column.name == "place").categories == (1010.0, 3000.0, 4000.0, 8001.0)
    with pytest.raises(ConfigurationError, match=r"schema is given, but X is a ndarray without column names"):
        VAE(**SMALL, schema={"place": "categorical"}).fit(frame.to_numpy())
    with pytest.raises(ConfigurationError, match=r"schema is 3; expected the path of a schema .* or the kinds of some columns"):
        VAE(**SMALL, schema=3).fit(frame)


def test_columns_of_one_name_are_refused():
    with pytest.raises(DataError, match=r"X has 2 columns named 'age'; expected a name of its own for each"):
        VAE(**SMALL).fit(FRAME.rename(columns={"height": "age"}))


def test_two_compiled_shapes_serve_any_number_of_rows_of_a_table():
    frame = FRAME.assign(colour=pandas.Categorical(["red", "blue", "green", "red"] * 10), visits=[0, 3, 1, 7, 2] * 8)
    frame.loc[3, "age"] = np.nan
    vae = VAE(**SMALL).fit(frame)
    programs = []

    def count(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            programs.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        for rows in (1, 40):
            vae.score_samples(frame.iloc[:rows], 10)
            vae.transform(frame.iloc[:rows])
        assert programs, "the control: the first calls compile"
        programs.clear()
        for rows in (2, 3, 17, 39):
            vae.score_samples(frame.iloc[:rows], 10)
            vae.transform(frame.iloc[:rows])
        assert not programs
    finally:
        jax.monitoring.unregister_event_duration_listener(count)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("reel", r"schema\['age'\].kind is 'reel', which does not exist. Did you mean 'real'\?"),
        (None, r"schema\['age'\].kind is None; expected one of real, positive"),
        (3, r"schema\['age'\].kind is 3; expected one of real, positive"),
    ],
)
def test_a_kind_that_does_not_exist_is_refused(kind: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        VAE(**SMALL, schema={"age": kind}).fit(FRAME)
