"""The closed form of KL(q || p) against Monte Carlo and against numerical integration."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from registered.priors import bound
from registry import LATENT_DIM, POSTERIORS, PRIORS
from support.chance import agrees, differs

from lowerbound.densities import AbstractLatentDensity, AbstractPosterior, StandardNormalDensity, kl
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.posteriors import DiagonalGaussian

NUM_DRAWS = 20_000


def _conditioned(posterior_name: str, seed: int) -> AbstractPosterior:
    family = POSTERIORS[posterior_name](jax.random.key(seed))
    return family.at(1.5 * jax.random.normal(jax.random.key(seed + 1), family.param_shape))


@pytest.mark.parametrize("posterior_name", POSTERIORS)
def test_closed_forms_are_the_monte_carlo_means(posterior_name: str) -> None:
    """To every prior of the registry that the posterior has a closed form for."""
    posterior = _conditioned(posterior_name, 0)
    priors = [bound(make(jax.random.key(1))) for make in PRIORS.values()]
    closed = [(prior, found) for prior in priors if (found := kl(posterior, prior)) is not None]
    if not closed:
        return

    @eqx.filter_jit
    def log_ratios(posterior: AbstractPosterior, priors: list[AbstractLatentDensity], keys: jax.Array) -> jax.Array:
        def one(key: jax.Array) -> jax.Array:
            z, log_posterior = posterior.sample_and_log_prob(key)
            return log_posterior - jnp.stack([prior.log_prob(z) for prior in priors])

        return jax.vmap(one)(keys)

    # The negative control: the same error bars tell a KL whose prior is a fifth too narrow.
    controls = [StandardNormalOfWidth(jnp.float32(0.8))] if posterior.sample(jax.random.key(0)).shape == (LATENT_DIM,) else []
    keys = jax.random.split(jax.random.key(0), NUM_DRAWS)
    means, errors = zip(
        *map(mean_and_error, np.asarray(log_ratios(posterior, [prior for prior, _ in closed] + controls, keys)).T), strict=True
    )
    for (_, found), mean, error in zip(closed, means, errors, strict=False):
        assert agrees(found.sum(), mean, error)
    assert not controls or differs(closed[0][1].sum(), means[-1], errors[-1])


class StandardNormalOfWidth(AbstractLatentDensity):
    """N(0, width^2 I), in this test alone."""

    width: jax.Array

    def log_prob(self, z: jax.Array) -> jax.Array:
        return StandardNormalDensity(LATENT_DIM).log_prob(z / self.width) - LATENT_DIM * jnp.log(self.width)

    def sample(self, key: jax.Array) -> jax.Array:
        return self.width * jax.random.normal(key, (LATENT_DIM,))


def test_closed_form_is_none_for_a_prior_that_it_does_not_know() -> None:
    assert kl(_conditioned("diagonal-gaussian", 0), StandardNormalOfWidth(jnp.float32(2.0))) is None


@pytest.mark.parametrize("mu", [-3.0, 0.0, 0.7])
@pytest.mark.parametrize("log_variance", [-8.0, -1.0, 0.0, 1.5])
def test_gaussian_kl_is_the_integral(mu: float, log_variance: float) -> None:
    """One latent: the integral of q (log q - log p), by SciPy's adaptive quadrature in double precision."""
    sigma = np.exp(0.5 * log_variance)

    def integrand(z: float) -> float:
        log_q = scipy.stats.norm.logpdf(z, mu, sigma)
        return float(np.exp(log_q) * (log_q - scipy.stats.norm.logpdf(z)))

    integral, _ = scipy.integrate.quad(integrand, mu - 12 * sigma, mu + 12 * sigma, epsabs=1e-12)
    closed = kl(DiagonalGaussian(1).at(jnp.array([[mu], [log_variance]])), StandardNormalDensity(1))
    assert closed is not None
    assert float(closed[0]) == pytest.approx(integral, rel=1e-5, abs=1e-6)


def test_density_of_a_draw_is_the_density_there() -> None:
    posterior = _conditioned("diagonal-gaussian", 3)
    for seed in range(5):
        z, log_posterior = posterior.sample_and_log_prob(jax.random.key(seed))
        assert float(log_posterior) == pytest.approx(float(posterior.log_prob(z)), abs=1e-5)


def test_wide_and_narrow_encoder_outputs_are_held_at_e15() -> None:
    posterior = DiagonalGaussian(2).at(jnp.array([[0.0, 0.0], [-1e9, 1e9]]))
    z, log_posterior = posterior.sample_and_log_prob(jax.random.key(0))
    assert np.isfinite(np.asarray(z)).all()
    assert np.isfinite(float(log_posterior))
    found = kl(posterior, StandardNormalDensity(2))
    np.testing.assert_allclose(np.asarray(found), [0.5 * (np.exp(-15) + 15 - 1), 0.5 * (np.exp(15) - 15 - 1)], rtol=1e-5)
