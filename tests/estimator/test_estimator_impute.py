"""Holes filled in arrays and in frames, columns predicted from the others, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowerbound import VAE
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.estimator.imputing import Imputed

pd = pytest.importorskip("pandas")


def _frame(count: int, seed: int) -> tuple[Any, Any]:
    """A frame with holes, and the whole one: a number, one that follows it, a group that both decide, a count, a name a row."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=count)
    whole = pd.DataFrame(
        {
            "a": a,
            "b": np.round(3 * a + rng.normal(0, 0.3, count), 2),
            "group": np.where(a + rng.normal(0, 0.1, count) > 0, "high", "low"),
            "level": rng.integers(0, 3, count),
            "name": [f"n{seed}-{row}" for row in range(count)],
        }
    )
    lost = rng.random((count, 5)) < [0.2, 0.2, 0.2, 0.2, 0.0]
    return whole.mask(lost), whole


@pytest.fixture(scope="module")
def fitted() -> VAE:
    frame, _ = _frame(400, 0)
    vae = VAE(2, hidden_widths=(16,), epochs=100, batch_size=50, prior="standard-normal", random_state=0)
    with pytest.warns(UserWarning, match="'name'"):
        return vae.fit(frame)


def test_a_frame_comes_back_with_its_holes_filled_and_all_else_as_it_was(fitted: VAE) -> None:
    frame, whole = _frame(80, 1)
    before = frame.copy(deep=True)
    filled = fitted.impute(frame, num_samples=50)
    pd.testing.assert_frame_equal(frame, before)
    assert list(filled.columns) == list(frame.columns)
    assert not filled.isna().any().any()
    for name in frame.columns:
        known = frame[name].notna()
        assert (filled[name][known].astype(str) == frame[name][known].astype(str)).all() or np.allclose(
            filled[name][known].astype(float), frame[name][known].astype(float)
        )
    assert set(filled["group"]) == {"high", "low"}
    # Where only the group is missing, the numbers tell it but for a twentieth of the rows.
    alone = frame["group"].isna() & frame["a"].notna()
    assert (filled["group"] == whole["group"])[alone].mean() > 0.7
    draws = fitted.impute(frame, n_draws=3, num_samples=50)
    assert len(draws) == 3
    lost = frame["a"].isna()
    assert (draws[0]["a"] != draws[1]["a"])[lost].all()
    assert (draws[0]["a"] == draws[1]["a"])[~lost].all()


def test_intervals_come_with_their_coverage_and_the_same_seed_gives_the_same(fitted: VAE) -> None:
    frame, whole = _frame(80, 1)
    found = fitted.impute(frame, interval=0.8, num_samples=50)
    assert isinstance(found, Imputed)
    assert list(found.low.columns) == ["a", "b", "level"]
    for name in ("a", "b"):
        lost = frame[name].isna()
        assert found.low[name].notna().equals(lost)
        assert (found.low[name] <= found.high[name])[lost].all()
        # Two cells in five must be missed by chance: less than once in a million with 80 % for each.
        assert ((found.low[name] <= whole[name]) & (whole[name] <= found.high[name]))[lost].mean() > 0.4
    assert [column.name for column in found.columns] == ["a", "b", "group", "level"]
    assert found.columns[0].num_holes == int(frame["a"].isna().sum())
    assert found.columns[0].coverage.num_cells > 20
    again = fitted.impute(frame, interval=0.8, num_samples=50)
    pd.testing.assert_frame_equal(found.values, again.values)
    other = fitted.impute(frame, interval=0.8, num_samples=50, calibration=_frame(60, 2)[0])
    pd.testing.assert_frame_equal(found.values, other.values)
    assert not found.low["a"].equals(other.low["a"])


def test_a_column_is_predicted_from_the_others_whatever_stands_in_it(fitted: VAE) -> None:
    _, whole = _frame(60, 3)
    masses = fitted.predict_proba(whole, target="group")
    assert masses.shape == (60, 2)
    np.testing.assert_allclose(masses.sum(axis=1), 1.0)
    column = next(column for column in fitted.spec_.columns if column.name == "group")
    named = np.asarray(column.categories)[masses.argmax(axis=1)]
    np.testing.assert_array_equal(fitted.predict(whole, target="group"), named)
    assert (named == whole["group"]).mean() > 0.7
    # What the column holds is not looked at, and it may be absent.
    turned = whole.assign(group=whole["group"].map({"high": "low", "low": "high"}))
    for frame in (turned, whole.drop(columns=["group"])):
        np.testing.assert_array_equal(fitted.predict_proba(frame, target="group"), masses)
    assert np.corrcoef(fitted.predict(whole, target="b").astype(float), whole["b"])[0, 1] > 0.5


def test_how_right_predictions_are_stands_beside_a_strong_classifier(fitted: VAE) -> None:
    frame, whole = _frame(400, 0)
    new, _ = _frame(60, 3)
    found = fitted.evaluate_labels(new, X_train=frame, target="group", num_samples=50)
    assert list(found) == ["model", "gradient boosting", "class shares"]
    # Only rows whose group is known are counted, and each is asked the same.
    assert {each.num_rows for each in found.values()} == {int(new["group"].notna().sum())}
    # Half of the rows are in each group, and a tells it of all but a few.
    assert found["model"].accuracy > found["class shares"].accuracy
    assert found["model"].log_loss < found["class shares"].log_loss
    known = new["group"].notna()
    says = fitted.predict_proba(new, target="group", num_samples=50)[known]
    assert found["model"].accuracy == (says.argmax(axis=1) == (new["group"][known] == "low")).mean()
    assert list(fitted.evaluate_labels(whole, target="group", num_samples=50)) == ["model"]


def test_what_cannot_be_predicted_is_refused(fitted: VAE) -> None:
    _, whole = _frame(5, 3)
    with pytest.raises(ConfigurationError, match=r"target is 'grup', which does not exist\. Did you mean 'group'\?"):
        fitted.predict(whole, target="grup")
    with pytest.raises(ConfigurationError, match="target is missing: expected the name of the column to predict, of a, b, group"):
        fitted.predict(whole)
    with pytest.raises(ConfigurationError, match="target is 'b', which is real and no category; use predict"):
        fitted.predict_proba(whole, target="b")
    with pytest.raises(DataError, match="X is a ndarray; expected a data frame with the columns a, b, group"):
        fitted.predict(np.zeros((3, 4)), target="group")
    with pytest.raises(ConfigurationError, match="n_draws is -1"):
        fitted.impute(whole, n_draws=-1)


@pytest.mark.long
def test_arrays_with_nan_and_a_model_that_was_loaded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1)) @ np.ones((1, 3)) + 0.1 * rng.normal(size=(200, 3))
    vae = VAE(1, hidden_widths=(8,), epochs=300, batch_size=50, prior="standard-normal", random_state=0).fit(X)
    holes = X[:40].copy()
    holes[::2, 1] = np.nan
    filled = vae.impute(holes, num_samples=100)
    lost = np.isnan(holes)
    np.testing.assert_array_equal(filled[~lost], holes[~lost])
    # The other two columns tell it to 0.1 or so, and its mean to 1.
    assert np.abs(filled - X[:40])[lost].mean() < 0.5
    assert len(vae.impute(holes, n_draws=2, num_samples=20)) == 2
    assert np.isfinite(vae.impute(holes, interval=0.5, num_samples=50).low[lost]).all()
    vae.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.impute(holes, num_samples=100), filled)
    with pytest.raises(ConfigurationError, match="interval is given, but there are no rows to measure intervals on"):
        loaded.impute(holes, interval=0.9)
    assert loaded.impute(holes, interval=0.5, calibration=X[100:], num_samples=50).low.shape == holes.shape
    with pytest.raises(AttributeError):
        loaded.predict(holes)
