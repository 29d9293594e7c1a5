"""Gaussian posteriors with dependent latents: densities against SciPy, the closed form of the KL against Monte Carlo."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from support.chance import agrees, differs

from lowerbound.densities import AbstractLatentDensity, DiagonalGaussianDensity, StandardNormalDensity, kl
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.posteriors import AbstractPosteriorFamily, FullGaussian, Householder, LowRankGaussian
from lowerbound.priors import MixtureOfGaussians

LATENT_DIM = 3
NUM_DRAWS = 20_000
FAMILIES: dict[str, AbstractPosteriorFamily] = {
    "low-rank-gaussian": LowRankGaussian(LATENT_DIM, rank=2),
    "full-gaussian": FullGaussian(LATENT_DIM),
    "householder": Householder(LATENT_DIM, num_flows=2),
}
every_family = pytest.mark.parametrize("name", FAMILIES)


def _moments(name: str, params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance from the encoder's numbers, by the definitions, in double precision."""
    heads = params.reshape(-1)
    mu, variance = heads[:LATENT_DIM], np.exp(heads[LATENT_DIM : 2 * LATENT_DIM])
    scale, rest = np.diag(np.sqrt(variance)), heads[2 * LATENT_DIM :]
    if name == "low-rank-gaussian":
        u = scale @ rest.reshape(2, LATENT_DIM).T
        return mu, np.diag(variance) + u @ u.T
    if name == "full-gaussian":
        lower = scale @ np.array([[1, 0, 0], [rest[0], 1, 0], [rest[1], rest[2], 1]])
        return mu, lower @ lower.T
    turn = np.eye(LATENT_DIM)
    for vector in rest.reshape(2, LATENT_DIM) + np.eye(LATENT_DIM)[0]:
        turn = (np.eye(LATENT_DIM) - 2 * np.outer(vector, vector) / (vector @ vector)) @ turn
    return turn @ mu, turn @ np.diag(variance) @ turn.T


def _params(name: str, seed: int) -> jax.Array:
    family = FAMILIES[name]
    return jnp.asarray(np.random.default_rng(seed).standard_normal(family.param_shape), jnp.float32)


@every_family
def test_density_and_mean_are_those_of_the_definition(name: str) -> None:
    z = np.random.default_rng(9).standard_normal((5, LATENT_DIM)).astype(np.float32)
    log_prob = jax.jit(lambda params: jax.vmap(FAMILIES[name].at(params).log_prob)(jnp.asarray(z)))
    law: Any = scipy.stats.multivariate_normal  # SciPy's stubs take the covariance for a number
    for seed in range(5):
        params = _params(name, seed)
        mean, covariance = _moments(name, np.asarray(params, np.float64))
        np.testing.assert_allclose(np.asarray(log_prob(params)), law.logpdf(z, mean, covariance), rtol=2e-5, atol=2e-5)
        np.testing.assert_allclose(np.asarray(FAMILIES[name].at(params).mean), mean, atol=1e-5)


@every_family
def test_closed_form_of_the_kl_is_the_monte_carlo_mean(name: str) -> None:
    standard = StandardNormalDensity(LATENT_DIM)
    other = DiagonalGaussianDensity(jnp.array([0.5, -1.0, 0.2]), jnp.array([-0.7, 0.3, 1.1]))
    # The negative control: a prior a tenth too narrow.
    narrow = DiagonalGaussianDensity(jnp.zeros(LATENT_DIM), jnp.full(LATENT_DIM, 2 * np.log(0.9), jnp.float32))
    priors: tuple[AbstractLatentDensity, ...] = (standard, other, narrow)

    @jax.jit
    def said(params: jax.Array, keys: jax.Array) -> tuple[Any, jax.Array]:
        posterior = FAMILIES[name].at(params)

        def log_ratios(key: jax.Array) -> jax.Array:
            z, log_prob = posterior.sample_and_log_prob(key)
            return log_prob - jnp.stack([prior.log_prob(z) for prior in priors])

        return [kl(posterior, prior) for prior in priors], jax.vmap(log_ratios)(keys)

    for seed in range(3):
        closed, ratios = said(_params(name, seed), jax.random.split(jax.random.key(seed), NUM_DRAWS))
        assert all(found.shape == () for found in closed)
        means, errors = zip(*(mean_and_error(column) for column in np.asarray(ratios).T), strict=True)
        assert agrees(closed, means, errors)
        assert differs(closed[0], means[2], errors[2])


@every_family
def test_kl_is_none_for_a_prior_without_a_closed_form(name: str) -> None:
    mixture = MixtureOfGaussians(LATENT_DIM, 2, key=jax.random.key(0)).bind(lambda x, c: StandardNormalDensity(LATENT_DIM), None)
    assert kl(FAMILIES[name].at(_params(name, 0)), mixture) is None


def test_low_rank_density_keeps_its_digits_where_woodbury_would_not() -> None:
    """Wide along one direction, narrow beside it: the two terms of Woodbury's identity are 1e6 and differ by 3."""
    wide = np.array([40.0, -50.0, 30.0])
    params = jnp.asarray(np.stack([np.zeros(3), np.full(3, -14.0), wide, np.zeros(3)]), jnp.float32)
    z = np.exp(-7) * (20 * wide + np.array([1.0, -1.0, 0.5]))
    mean, covariance = _moments("low-rank-gaussian", np.asarray(params, np.float64))
    law: Any = scipy.stats.multivariate_normal
    found = LowRankGaussian(3, rank=2).at(params).log_prob(jnp.asarray(z, jnp.float32))
    assert float(found) == pytest.approx(law.logpdf(z, mean, covariance), abs=2e-3)
