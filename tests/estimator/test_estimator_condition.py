"""A conditional model: p(x|c) with a category or numbers given to every method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lowerbound import VAE
from lowerbound.errors import ConfigurationError, DataError

RNG = np.random.default_rng(0)
GROUP = RNG.integers(0, 2, 400)
# The group moves the first column by ten deviations; the rest is the same in both.
ROWS = RNG.normal(size=(400, 3)) + np.stack([10.0 * GROUP, 0 * GROUP, 0 * GROUP], axis=1)


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE(2, hidden_widths=(16,), epochs=60, learning_rate=0.01, random_state=0, automatic=False).fit(ROWS, condition=GROUP)


def test_samples_are_of_the_group_that_was_asked_for(vae: VAE) -> None:
    for group in (0, 1):
        drawn = vae.sample(300, condition=np.full(300, group), random_state=0)
        assert abs(drawn[:, 0].mean() - 10 * group) < 1.0
        assert drawn[:, 0].std() < 3.0


def test_the_density_is_given_the_condition(vae: VAE) -> None:
    right = vae.score_samples(ROWS[:50], condition=GROUP[:50])
    wrong = vae.score_samples(ROWS[:50], condition=1 - GROUP[:50])
    assert (right > wrong + 5).all()
    assert vae.evaluate(ROWS[:50], 50, condition=GROUP[:50]).elbo_nats <= right.mean() + 0.1


def test_every_method_takes_it(vae: VAE) -> None:
    codes = vae.transform(ROWS[:5], condition=GROUP[:5])
    assert codes.shape == (5, 2)
    reconstructed = vae.reconstruct(ROWS[:5], condition=GROUP[:5])
    np.testing.assert_array_equal(vae.inverse_transform(codes, condition=GROUP[:5]), reconstructed)


def test_saved_and_loaded_it_is_the_same(vae: VAE, tmp_path: Path) -> None:
    vae.save(tmp_path / "model")
    again = VAE.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(ROWS, condition=GROUP), vae.transform(ROWS, condition=GROUP))


def test_a_condition_that_is_missing_wrong_or_unwanted_is_refused(vae: VAE) -> None:
    with pytest.raises(ConfigurationError, match=r"condition is missing: this model was fitted with one \(one of 0, 1\)"):
        vae.sample(3)
    with pytest.raises(DataError, match=r"condition has shape \(2,\); expected a row for each of the 3 examples"):
        vae.sample(3, condition=[0, 1])
    with pytest.raises(DataError, match="has the value 2 in row 0; expected one of 0, 1"):
        vae.transform(ROWS[:1], condition=[2])
    plain = VAE(2, hidden_widths=(8,), epochs=1, random_state=0, automatic=False).fit(ROWS)
    with pytest.raises(ConfigurationError, match="this model was fitted without one"):
        plain.transform(ROWS, condition=GROUP)


def test_the_group_is_told_by_bayes_rule(vae: VAE) -> None:
    # Ten deviations apart, and half of the rows each: the truth is all but certain.
    masses = vae.predict_proba(ROWS[:50], num_samples=20)
    np.testing.assert_allclose(masses.sum(axis=1), 1.0)
    np.testing.assert_array_equal(masses.argmax(axis=1), GROUP[:50])
    assert vae.predict(ROWS[:5], num_samples=20).tolist() == GROUP[:5].tolist()
    with pytest.raises(ConfigurationError, match="condition is given, but it is what is asked for; leave it out"):
        vae.predict(ROWS[:5], condition=GROUP[:5])
    with pytest.raises(ConfigurationError, match="by is 'bays', which does not exist"):
        vae.predict(ROWS[:5], by="bays")
