"""The classifier of examples of which few have a label."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.svm import SVC

from lowerbound import VAE, VAEClassifier
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation import class_probabilities

_RNG = np.random.default_rng(0)
GROUP = _RNG.integers(0, 3, 240)
X = (_RNG.normal(size=(240, 4)) + 6 * np.eye(3, 4)[GROUP]).astype(np.float32)
# Three of each group have a label.
Y = np.full(240, -1)
for number in range(3):
    Y[np.flatnonzero(number == GROUP)[:3]] = number
_SMALL: dict[str, Any] = {"automatic": False, "hidden_widths": (16,), "epochs": 40, "batch_size": 40, "learning_rate": 0.01}
M1 = VAE(2, **_SMALL)
M2 = VAE(2, model="semi-supervised", objective="semi-supervised", **_SMALL)


@pytest.fixture(scope="module")
def both() -> VAEClassifier:
    return VAEClassifier(m1=M1, m2=M2, random_state=0).fit(X, Y)


def test_both_models_together_name_the_groups(both: VAEClassifier) -> None:
    assert both.classes_.tolist() == [0, 1, 2]
    proba = both.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_array_equal(both.predict(X), proba.argmax(axis=1))
    # Groups six deviations apart; each is a third of the examples.
    assert both.score(X[Y < 0], GROUP[Y < 0]) > 0.95
    assert both.sample([0, 2], random_state=0).shape == (2, 4)
    restored = pickle.loads(pickle.dumps(both))
    np.testing.assert_array_equal(restored.predict_proba(X[:5]), proba[:5])
    # What was given stays unfitted.
    assert not hasattr(M1, "model_")


@pytest.mark.parametrize("classifier", ["logistic-regression", SVC()], ids=["named", "own"])
def test_a_classifier_of_codes(classifier: Any) -> None:
    names = np.asarray(["a", "b", "c"], object)[GROUP]
    names[Y < 0] = None
    fitted = VAEClassifier("m1", m1=M1, classifier=classifier, random_state=0).fit(X, names)
    assert fitted.classes_.tolist() == ["a", "b", "c"]
    assert np.mean(fitted.predict(X) == np.asarray(["a", "b", "c"])[GROUP]) > 0.9
    assert not hasattr(fitted, "m2_")
    assert clone(fitted).get_params()["method"] == "m1"  # pyright: ignore[reportAttributeAccessIssue]


def test_the_second_model_alone_predicts_also_when_loaded(tmp_path: Path) -> None:
    fitted = VAEClassifier("m2", m2=M2, random_state=0).fit(X, Y)
    assert fitted.score(X[Y < 0], GROUP[Y < 0]) > 0.95
    fitted.m2_.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(loaded.predict_proba(X[:7]), fitted.predict_proba(X[:7]))
    # Every example with a label is trained on.
    assert fitted.m2_.config_.data.validation == 0.1
    drawn = np.asarray(loaded.sample(200, condition=np.ones(200, int), random_state=0))
    assert np.abs(drawn.mean(axis=0) - [0, 6, 0, 0]).max() < 2


def test_models_without_labels_have_no_predict() -> None:
    assert not hasattr(VAE(), "predict")
    plain = VAE(2, **{**_SMALL, "epochs": 1}).fit(X)
    assert not hasattr(plain, "predict_proba")
    with pytest.raises(ConfigurationError, match="a SingleLayer, infers no labels; train one with model"):
        class_probabilities(plain.model_, X)
    assert hasattr(M2, "predict")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(240, -1), "y has 0 labels, none at all; expected examples of two classes or more"),
        (np.where(Y == 0, 0, -1), "y has 3 labels, all of 1 class, 0"),
        (Y[:5], "y has 5 labels, but X has 240 examples"),
        (None, "the target y is None; give a class for each example, -1 for none"),
        (Y + 0.5, "the label 'y' is [0-9.]*5 in row 0, which is no class"),
        (
            pd.Series(pd.Categorical(np.asarray(["a", "b", "c"])[GROUP], categories=["a", "b", "c", "d"])),
            "no example has the label 'd'; give one at least, or leave the category out",
        ),
    ],
)
def test_labels_that_cannot_serve(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        VAEClassifier(m1=M1, m2=M2).fit(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "m3"}, "method is 'm3'; expected one of m1, m2, m1[+]m2"),
        ({"m1": "vae"}, "m1 is 'vae'; expected a VAE, or None"),
        ({"method": "m2", "m2": VAE()}, r"m2 has model=None; expected VAE\(model='semi-supervised'"),
        ({"method": "m1", "m1": VAE(2, **{**_SMALL, "epochs": 1}), "classifier": "tree"}, "or one of 'logistic-regression'"),
        ({"method": "m1", "m1": VAE(2, **{**_SMALL, "epochs": 1}), "classifier": SVC}, "expected a classifier of scikit-learn"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        VAEClassifier(**options).fit(X, Y)


def test_a_class_that_was_not_seen_cannot_be_sampled(both: VAEClassifier) -> None:
    with pytest.raises(DataError, match="y has the class 7; expected classes among 0, 1, 2"):
        both.sample([1, 7])


def test_values_drawn_anew_need_spreads_of_their_shape() -> None:
    with pytest.raises(DataError, match=r"spread has the type float64 and the shape \(4,\); expected finite numbers from 0 up"):
        VAE(2, **_SMALL).fit(X, spread=np.ones(4))


def test_values_drawn_anew_are_scaled_by_the_deviation_of_their_draws() -> None:
    x, spread = np.column_stack([X[:, 0], 1e-3 * X[:, 1]]), np.tile(np.asarray([0.5, 2.0], np.float32), (len(X), 1))
    vae = VAE(1, **{**_SMALL, "epochs": 1}, likelihood="gaussian", validation=0).fit(x, spread=spread)
    drawn = x.repeat(200, axis=0) + spread.repeat(200, axis=0) * np.random.default_rng(1).normal(size=(len(x) * 200, 2))
    # A standard deviation of 48,000 draws is known to a third of a percent.
    np.testing.assert_allclose(vae.spec_.std, drawn.std(axis=0), rtol=0.02)
    np.testing.assert_allclose(vae.spec_.mean, x.mean(axis=0), rtol=1e-5)
    # Of the values themselves the second would be a two-thousandth.
    assert x.std(axis=0)[1] < 0.01


def test_labelled_examples_lose_their_weight_in_the_first_quarter_of_the_epochs_that_are_asked_for() -> None:
    fitted = VAE(2, model="semi-supervised", objective="semi-supervised", hidden_widths=(8,), epochs=8).fit(X, condition=Y)
    assert fitted.config_.objective.labelled_epochs == 2


@pytest.mark.parametrize("method", ["m1", "m2"])
def test_sparse_rows_are_taken_as_the_same_dense_ones(method: str) -> None:
    some: dict[str, Any] = {"m1": VAE(2, **{**_SMALL, "epochs": 2}), "m2": VAE(**{**M2.get_params(), "epochs": 2})}
    sparse, rows = VAEClassifier(method, **some, random_state=0), scipy.sparse.csr_matrix(X)
    dense = VAEClassifier(method, **some, random_state=0).fit(X, Y)
    np.testing.assert_allclose(sparse.fit(rows, Y).predict_proba(rows[:9]), dense.predict_proba(X[:9]), rtol=1e-5)
    assert sparse.n_features_in_ == 4
    with pytest.raises(DataError, match="y has 5 labels, but X has 240 examples"):
        sparse.fit(rows, Y[:5])
