"""`EnsembleVAE`: one density of several models."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from scipy.special import logsumexp

from lowerbound import VAE, EnsembleVAE
from lowerbound.errors import ConfigurationError

SMALL = VAE(latent_dim=1, hidden_widths=(6,), epochs=3, batch_size=25)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(100, 1)) * [1.0, 2.0] + 0.3 * rng.normal(size=(100, 2))


@pytest.fixture(scope="module")
def fitted(rows: np.ndarray) -> EnsembleVAE:
    return EnsembleVAE(SMALL, n_members=3, random_state=5, n_jobs=2).fit(rows)


def test_the_density_is_the_mean_of_the_members_densities(fitted: EnsembleVAE, rows: np.ndarray):
    each = np.array([member.score_samples(rows[:7], 50) for member in fitted.members_])
    density, std = fitted.score_samples(rows[:7], 50, return_std=True)
    np.testing.assert_allclose(density, logsumexp(each, axis=0) - np.log(3), rtol=1e-12)
    np.testing.assert_allclose(std, each.std(axis=0), rtol=1e-12)
    # Jensen: never below the mean of the logarithms, and here the members differ.
    assert (density >= each.mean(axis=0)).all()
    assert (std > 0).all()


def test_members_are_the_models_fitted_alone(fitted: EnsembleVAE, rows: np.ndarray):
    alone = VAE(**SMALL.get_params() | {"random_state": 6}).fit(rows)
    np.testing.assert_allclose(alone.score_samples(rows[:5]), fitted.members_[1].score_samples(rows[:5]), rtol=1e-5)
    assert [member.config_.training.seed for member in fitted.members_] == [5, 6, 7]


def test_samples_come_from_every_member_and_repeat(fitted: EnsembleVAE):
    drawn = fitted.sample(40, random_state=1)
    assert drawn.shape == (40, 2)
    np.testing.assert_array_equal(drawn, fitted.sample(40, random_state=1))
    assert not np.array_equal(drawn, fitted.sample(40, random_state=2))


def test_frames_come_out_where_frames_went_in(rows: np.ndarray):
    frame = pandas.DataFrame(rows, columns=["a", "b"])
    ensemble = EnsembleVAE(SMALL, n_members=2, random_state=0).fit(frame)
    assert list(ensemble.sample(9, random_state=0).columns) == ["a", "b"] == list(ensemble.feature_names_in_)


def test_what_cannot_be_is_refused(rows: np.ndarray):
    with pytest.raises(ConfigurationError, match="n_members"):
        EnsembleVAE(SMALL, n_members=0).fit(rows)
    with pytest.raises(ConfigurationError, match="expected a VAE"):
        EnsembleVAE("vae").fit(rows)
    with pytest.raises(ConfigurationError, match="latent_dim"):
        EnsembleVAE(VAE(latent_dim=-1), n_members=2, n_jobs=2).fit(rows)


def test_members_that_give_probabilities_to_other_values_have_no_mean_density() -> None:
    rows = np.random.default_rng(0).normal(size=(120, 2))
    often, rarely = rows.copy(), rows.copy()
    often[:40, 0] = 0.5
    small = {"epochs": 1, "hidden_widths": (4,), "random_state": 0}
    both = EnsembleVAE(VAE(2, **small), n_members=2, random_state=0).fit(often)
    assert np.isfinite(both.score_samples(often[:3], 10)).all()
    both.members_[1] = VAE(2, **small).fit(rarely)
    with pytest.raises(
        ConfigurationError, match="the members give probabilities to different values, because other values recur"
    ):
        both.score_samples(often[:3], 10)
