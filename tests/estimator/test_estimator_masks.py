"""`VAE(mask="self-masking")` on a table with words, and what of it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lowerbound import VAE, compare_models
from lowerbound.assembly.parts import part_to_json
from lowerbound.errors import ConfigurationError
from lowerbound.likelihoods import GaussianMixture, Mixed

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
    vae = VAE(2, mask="self-masking", config={"mask": {"direction": "large"}}, **SMALL).fit(X)
    assert vae.model_.mask.places == (1,), "towns have no order, and no age is missing"
    assert float(vae.model_.mask.slope[1]) < 0
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
