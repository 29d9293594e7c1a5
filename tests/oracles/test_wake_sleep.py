"""Wake-sleep on probabilistic PCA: its two gradients by hand, from the same draws, and where both of them vanish."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, PRNGKeyArray
from support.built import build_model
from support.chance import agrees, differs

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.models import Draws, SingleLayer
from lowerbound.objectives import WakeSleep, check_needs
from lowerbound.objectives.base import batch_terms
from lowerbound.objectives.wake_sleep import dreamt
from lowerbound.posteriors import Refinement
from lowerbound.verification.linear_gaussian import LinearGaussian, poor_model

X = LinearGaussian.random(6, 2, orthogonal=False, seed=5).draw(20, seed=6)
KEY = jax.random.key(1)
_dreamt = eqx.filter_jit(dreamt)


def maximum_likelihood(data: np.ndarray, latent_dim: int) -> LinearGaussian:
    """The probabilistic PCA of largest likelihood (Tipping and Bishop 1999, eq. 3.7); its exact posterior is diagonal."""
    data = np.asarray(data, np.float64)
    values, vectors = np.linalg.eigh(np.cov(data.T, bias=True))
    noise = values[:-latent_dim].mean()
    return LinearGaussian(
        vectors[:, -latent_dim:] * np.sqrt(values[-latent_dim:] - noise), data.mean(axis=0), float(np.sqrt(noise))
    )


@eqx.filter_jit
def _gradient(model: SingleLayer, key: PRNGKeyArray) -> SingleLayer:
    def loss(model: SingleLayer) -> Array:
        return WakeSleep()(model, Example(jnp.asarray(X)), key, jnp.int32(0), training=True).loss

    return eqx.filter_grad(loss)(model)


@eqx.filter_jit
def _draws(model: SingleLayer) -> tuple[Array, Array, Array, Array]:
    """z of the wake half, and z', x' and q's parameters of the dreams."""
    batch, (wake_key, dream_key, _) = Example(jnp.asarray(X)), WakeSleep.keys(KEY)
    z, dreams = dreamt(model, batch, dream_key)
    return batch_terms(model, batch, wake_key, Draws(1)).z[:, 0], z, dreams.x, jax.vmap(model.encoder)(dreams.x)


@pytest.mark.parametrize("refinement", [None, Refinement(2, 0.05)], ids=["plain", "refined"])
def test_both_gradients_by_hand(refinement: Refinement | None) -> None:
    model: Any = eqx.tree_at(lambda model: model.refinement, poor_model(), refinement, is_leaf=lambda leaf: leaf is None)
    gradient: Any = _gradient(model, KEY)
    z, dreamt_z, dreamt_x, params = (np.asarray(each, np.float64) for each in _draws(model))
    weight, scale = np.asarray(model.decoder.weight, np.float64), np.exp(float(model.decoder.log_spread))
    residual = X - z @ weight.T - np.asarray(model.decoder.bias)
    np.testing.assert_allclose(gradient.decoder.weight, -(residual.T @ z) / scale**2 / len(X), atol=2e-4)
    np.testing.assert_allclose(gradient.decoder.bias, -residual.mean(axis=0) / scale**2, atol=2e-4)
    of_scale = (1 - (residual / scale) ** 2).sum(axis=1).mean()
    assert float(gradient.decoder.log_spread) == pytest.approx(of_scale, abs=1e-3)
    if refinement is None:
        mean, variance = params[:, 0], np.exp(params[:, 1])
        slope = (mean - dreamt_z) / variance
        np.testing.assert_allclose(gradient.encoder.weight, slope.T @ dreamt_x / len(X), atol=2e-4)
        np.testing.assert_allclose(gradient.encoder.log_spread, 0.5 * (1 - slope**2 * variance).mean(axis=0), atol=1e-4)


@eqx.filter_jit
def _gradients(model: SingleLayer) -> SingleLayer:
    return jax.lax.map(lambda key: _gradient(model, key), jax.random.split(KEY, 4000), batch_size=200)


def test_both_gradients_vanish_at_maximum_likelihood_with_the_exact_posterior() -> None:
    truth = maximum_likelihood(X, 2)
    found: Any = _gradients(truth.model())
    leaves = [np.asarray(leaf).reshape(4000, -1) for leaf in jax.tree.leaves((found.encoder, found.decoder))]
    for mean, error in (mean_and_error(column) for leaf in leaves for column in leaf.T):
        assert agrees(mean, 0.0, error, slack=1e-4)
    # The negative control: with another q, or another scale of x, neither half is at rest.
    wrong: Any = _gradients(truth.model(variance_factor=1.5, log_scale_error=0.3))
    for leaf in (wrong.encoder.log_spread[:, 0], wrong.encoder.log_spread[:, 1], wrong.decoder.log_spread):
        mean, error = mean_and_error(np.asarray(leaf))
        assert differs(mean, 0.0, error)


def test_a_dream_is_given_what_its_example_is_given() -> None:
    counts = np.random.default_rng(0).poisson(3.0, (12, 5)).astype(np.int32)
    sections = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [4]}, "likelihood": {"name": "multinomial"}}
    model = build_model(RunConfig.from_dict(sections), describe(counts), jax.random.key(0))
    _, dreams = _dreamt(model, Example(counts), KEY)
    np.testing.assert_array_equal(dreams.x.sum(axis=1), counts.sum(axis=1))
    assert not np.array_equal(dreams.x, counts)
    observed = np.random.default_rng(1).random(X.shape) < 0.7
    z, dreams = _dreamt(poor_model(), Example(X, observed=observed, weight=np.ones(len(X), np.float32)), KEY)
    np.testing.assert_array_equal(dreams.observed, observed)
    assert z.shape == (len(X), 2)
    with pytest.raises(
        ConfigurationError, match="counts given their sum, which is not known where some elements are not observed"
    ):
        dreamt(model, Example(counts, observed=observed[:12, :5]), KEY)


def test_a_prior_made_of_the_posterior_is_refused() -> None:
    sections = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [4]}, "prior": {"name": "vamp", "num_components": 3}}
    model = build_model(RunConfig.from_dict(sections), describe(X), jax.random.key(0))
    with pytest.raises(
        ConfigurationError, match=r"apart from the posterior, but the prior of this model is made of the .*mixture-of-g"
    ):
        check_needs(WakeSleep(), model)
