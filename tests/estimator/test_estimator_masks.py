"""`VAE(mask="self-masking")` on a table with words, and what of it is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.special

from lowerbound import VAE, compare_models
from lowerbound.assembly.parts import part_to_json
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import impute
from lowerbound.likelihoods import GaussianMixture, Mixed
from lowerbound.masks import SelfMasking
from lowerbound.verification.linear_gaussian import LinearGaussian

SMALL = {"hidden_widths": (8,), "epochs": 3, "batch_size": 50, "random_state": 0, "automatic": False}


def _table() -> pd.DataFrame:
    """Large incomes are missing, and so are words without an order, at random."""
    rng = np.random.default_rng(0)
    age = rng.normal(40, 8, 300)
    income = np.exp(0.03 * age + 0.2 * rng.normal(size=300))
    town = np.where(rng.random(300) < 0.5, "A", "B").astype(object)
    town[rng.random(300) < 0.3] = "C"
    town[rng.random(300) < 0.1] = None
    return pd.DataFrame({"age": age, "income": np.where(income > np.quantile(income, 0.7), np.nan, income), "town": town})


@pytest.mark.long
def test_a_table_with_words_is_trained_scored_filled_and_saved(tmp_path: Path) -> None:
    X = _table()
    own = {"mask": {"direction": "large"}, "likelihood": {"scale": "shared"}}
    vae = VAE(2, likelihood="mixed", mask="self-masking", config=own, **SMALL).fit(X)
    assert vae.model_.mask.places == (1,), "towns have no order, and no age is missing"
    assert float(vae.model_.mask.slope[1]) < 0
    assert [type(block).__name__ for block in vae.model_.likelihood.blocks][1] == "GaussianLearnedScale"
    scores = vae.evaluate(X, num_samples=20)
    assert scores.given == "mask too"
    vae.save(tmp_path / "model")
    again = VAE.load(tmp_path / "model")
    assert again.get_params()["mask"] == "self-masking"
    np.testing.assert_array_equal(again.score_samples(X), vae.score_samples(X))
    drawn = vae.sample(300, random_state=0)
    assert 0 < drawn["income"].isna().mean() < 1, "by the law of the mask"
    filled, plain = vae.impute(X), VAE(2, **SMALL).fit(X).impute(X)
    hole = X["income"].isna()
    assert not filled.isna().any().any()
    assert filled["income"][hole].mean() > plain["income"][hole].mean(), "what is missing is taken to be large"
    np.testing.assert_array_equal(filled["income"][~hole], X["income"][~hole])
    assert vae.predict_proba(X, target="town").shape == (300, 3)
    with pytest.raises(ConfigurationError, match="interval is given, but this model takes values to be missing because of what"):
        vae.impute(X, interval=0.9)
    with pytest.raises(ConfigurationError, match=r"one gives log p\(x, mask\).*Give both the same mask.name"):
        compare_models({"with": vae, "without": VAE(2, **SMALL).fit(X)}, X)


@pytest.mark.filterwarnings("ignore:mask.name is 'self-masking' and likelihood.scale is from-z")
def test_a_mask_without_anything_to_learn_is_refused() -> None:
    X = _table()
    with pytest.raises(ConfigurationError, match="every training example has all its values, so there is no mask to learn"):
        VAE(2, mask="self-masking", **SMALL).fit(np.random.default_rng(0).normal(size=(60, 2)))
    with pytest.raises(ConfigurationError, match=r"of no element with missing values \(the first is 'town'\)"):
        VAE(2, mask="self-masking", **SMALL).fit(X[["age", "town"]])


def test_a_likelihood_made_of_others_is_not_saved_as_an_object() -> None:
    mixed = Mixed((GaussianMixture((1,), 0.01), GaussianMixture((1,), 0.01)), ((0,), (1,)))
    with pytest.raises(ConfigurationError, match="likelihood is a Mixed given as an object, whose blocks are parts themselves"):
        part_to_json("likelihood", mixed)


_LAW = LinearGaussian(np.array([[1.2, 0], [0.9, 0.6], [0, 1.2], [-0.8, 0.8], [0.7, -0.9], [1.0, 0.4]]), np.zeros(6), 0.5)
# Filling takes longer than learning.
_FILLED = 200
_PLACES, _SLOPES = (0, 2, 4), -3.0 / np.sqrt(np.diag(_LAW.covariance))


def _with_holes(*, at_random: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a linear-Gaussian law, and which cells of three columns are missing: mostly large ones, or as many at random."""
    x, rng = _LAW.draw(500, seed=3), np.random.default_rng(4)
    missing = rng.random(x.shape) < (0.5 if at_random else scipy.special.expit(-_SLOPES * x))
    missing[:, 1::2] = False
    return x, missing


def _error(x: np.ndarray, filled: np.ndarray, missing: np.ndarray) -> float:
    rows = len(filled)
    return float(np.sqrt(np.mean(np.square(filled - x[:rows])[missing[:rows]])))


def _filled(x: np.ndarray, missing: np.ndarray, mask: str) -> np.ndarray:
    """The first rows by a model that has learned from all of them, in other units than the truth's."""
    vae = VAE(
        2,
        likelihood="gaussian",
        objective="iwae",
        mask=mask,
        hidden_widths=(16,),
        decoder_widths=(),
        epochs=30,
        batch_size=100,
        learning_rate=0.03,
        automatic=False,
        config={"likelihood": {"scale": "shared"}},
        random_state=0,
    )
    holes = np.where(missing, np.nan, 40 * x + 1000)
    return (vae.fit(holes).impute(holes[:_FILLED]) - 1000) / 40


def test_a_law_that_is_learned_fills_nearly_as_well_as_the_truth() -> None:
    """Control: a model without a law of the mask fills much worse."""
    x, missing = _with_holes(at_random=False)
    truth = dataclasses.replace(_LAW.model(), mask=SelfMasking(np.zeros(6), _SLOPES, _PLACES))
    holes = np.where(missing, np.nan, x).astype(np.float32)
    best = impute(truth, Example(holes[:_FILLED], observed=~missing[:_FILLED])).mean
    error, least, without = (
        _error(x, filled, missing) for filled in (_filled(x, missing, "self-masking"), best, _filled(x, missing, "at-random"))
    )
    assert least < error < 1.25 * least
    assert without > 1.5 * least


@pytest.mark.long
def test_a_law_of_the_mask_costs_little_where_values_are_missing_at_random() -> None:
    x, missing = _with_holes(at_random=True)
    error, without = (_error(x, _filled(x, missing, mask), missing) for mask in ("self-masking", "at-random"))
    assert error < 1.1 * without
