"""With some elements hidden, log p(x_observed | z) is the marginal in closed form; what is hidden is never looked at."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from registered.likelihoods import LIKELIHOODS, typical_params

from lowerbound.errors import ConfigurationError
from lowerbound.likelihoods import (
    AbstractLikelihood,
    Bernoulli,
    Categorical,
    DiscretizedLogisticMixture,
    Gaussian,
    GaussianOptimalScale,
    LowRankGaussian,
    Multinomial,
    Poisson,
)

SHAPE = (2, 2)
OBSERVED = np.array([[True, False], [True, True]])
LEVELS = {
    "bernoulli": (Bernoulli(SHAPE), np.array([0.0, 1.0])),
    "categorical": (Categorical(SHAPE, (3, 2, 3, 3)), np.array([0.0, 1.0, 2.0])),
    "grey mixture": (DiscretizedLogisticMixture(SHAPE, 0.0, 1.0, 5, 2, unit=0.5), np.linspace(0, 1, 5)),
}


def params_of(part: AbstractLikelihood) -> jax.Array:
    return typical_params(part, jax.random.key(1))


def hidden_log_prob(part: AbstractLikelihood, params: jax.Array, x: np.ndarray, observed: np.ndarray) -> tuple[float, Any]:
    """The log-probability with NaN where nothing is observed, and its gradient, which must be finite."""
    y = jnp.asarray(np.where(observed, x, np.nan), jnp.float32)
    value, gradient = jax.jit(jax.value_and_grad(lambda raw: part.log_prob(raw, y, observed=jnp.asarray(observed))))(params)
    assert np.isfinite(np.asarray(gradient)).all()
    return float(value), gradient


@pytest.mark.parametrize("name", LEVELS)
def test_hidden_levels_are_summed_out(name: str) -> None:
    part, levels = LEVELS[name]
    params, x = params_of(part), np.full(SHAPE, levels[1])
    complete = [np.where(OBSERVED, x, level).astype(np.float32) for level in levels]
    log_probs = jax.vmap(lambda y: part.log_prob(params, y))(jnp.stack(complete))
    assert hidden_log_prob(part, params, x, OBSERVED)[0] == pytest.approx(
        scipy.special.logsumexp(np.asarray(log_probs)), abs=1e-5
    )


def test_hidden_pixels_of_a_colour_mixture_are_summed_out() -> None:
    part = DiscretizedLogisticMixture((1, 2, 3), 0.0, 1.0, 3, 2, colour=True, unit=0.5)
    params, levels = params_of(part), np.linspace(0, 1, 3, dtype=np.float32)
    x, observed = np.array([[[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]]), np.array([[[True] * 3, [False] * 3]])
    pixels = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    complete = np.stack([np.stack([x[:, 0], pixel[None]], axis=1) for pixel in pixels]).astype(np.float32)
    log_prob = eqx.filter_jit(part.log_prob)
    log_probs = jax.jit(jax.vmap(lambda y: part.log_prob(params, y)))(complete)
    assert hidden_log_prob(part, params, x, observed)[0] == pytest.approx(
        scipy.special.logsumexp(np.asarray(log_probs)), abs=1e-5
    )
    by_colour = np.asarray(part.element_log_prob(params, jnp.asarray(x, jnp.float32)))
    assert by_colour.sum() == pytest.approx(float(log_prob(params, jnp.asarray(x, jnp.float32))), abs=1e-5)
    # Red alone: its mass summed over green and blue.
    with_red = [part.element_log_prob(params, jnp.asarray(c)) for c in complete[:1]]
    red = (
        scipy.special.logsumexp(
            [
                float(log_prob(params, jnp.asarray(np.stack([x[:, 0] * 0 + p, x[:, 1]], 1), jnp.float32)))
                for p in pixels
                if p[0] == x[0, 0, 0]
            ]
        )
        - by_colour[0, 1].sum()
    )
    assert float(with_red[0][0, 0, 0]) == pytest.approx(red, abs=1e-4)
    part_of_a_pixel = observed.copy()
    part_of_a_pixel[0, 1, 0] = True
    assert "example 0 has a pixel of which only some are hidden" in str(part.cannot_hide(part_of_a_pixel[None]))
    assert part.cannot_hide(observed[None]) is None
    assert np.isnan(part.log_prob(params, jnp.asarray(x, jnp.float32), observed=jnp.asarray(part_of_a_pixel)))


@pytest.mark.parametrize("part", [Gaussian(SHAPE, 0.01), GaussianOptimalScale(SHAPE, 0.01, -1.0)], ids=["gaussian", "optimal"])
def test_hidden_elements_of_a_gaussian_leave_the_others(part: Gaussian | GaussianOptimalScale) -> None:
    params, x = params_of(part), np.array([[0.3, 7.0], [-1.0, 0.8]])
    mean = np.asarray(part.mean_of(params))
    std = np.sqrt(np.asarray(part.distribution(params).variance))
    expected = scipy.stats.norm.logpdf(x, mean, std)[OBSERVED].sum()
    value, gradient = hidden_log_prob(part, params, x, OBSERVED)
    assert value == pytest.approx(expected, abs=1e-5)
    assert (np.asarray(gradient)[..., 0, 1] == 0).all()


def test_hidden_elements_of_a_low_rank_gaussian_are_integrated_out() -> None:
    part = LowRankGaussian(SHAPE, 0.01, rank=2)
    params, x = params_of(part), np.array([[0.3, 7.0], [-1.0, 0.8]])
    normal = part.distribution(params)
    factor, kept = np.asarray(normal.factor, np.float64).reshape(2, -1), OBSERVED.ravel()
    covariance = factor.T @ factor + np.diag(np.exp(2 * np.asarray(normal.log_scale, np.float64)).ravel())
    mean = np.asarray(normal.mean).ravel()
    law: Any = scipy.stats.multivariate_normal(mean[kept], covariance[np.ix_(kept, kept)])  # pyright: ignore[reportArgumentType]
    expected = law.logpdf(x.ravel()[kept])
    assert hidden_log_prob(part, params, x, OBSERVED)[0] == pytest.approx(expected, abs=2e-5)
    alone = scipy.stats.norm.logpdf(x.ravel(), mean, np.sqrt(np.diag(covariance)))
    np.testing.assert_allclose(np.asarray(part.element_log_prob(params, jnp.asarray(x, jnp.float32))).ravel(), alone, rtol=1e-4)


def test_laws_given_their_total_refuse_hidden_elements() -> None:
    y, observed = jnp.ones(SHAPE), jnp.asarray(OBSERVED)
    with pytest.raises(ConfigurationError, match=r"Multinomial gives no log-probability of some of an example.s elements: it is"):
        Multinomial(SHAPE, 6.0).log_prob(jnp.zeros(SHAPE), y, observed=observed)
    sized = Poisson(SHAPE, True, 6.0)
    with pytest.raises(ConfigurationError, match=r"Poisson is given the example's total, .*likelihood\.library_size=false"):
        sized.log_prob(jnp.zeros(SHAPE), y, observed=observed)
    assert "total" in str(sized.cannot_hide(OBSERVED[None]))
    assert sized.cannot_hide(np.ones((1, *SHAPE), bool)) is None
    # Given the size from elsewhere, the counts are independent.
    value = sized.log_prob(jnp.zeros(SHAPE), y, observed=observed, total=jnp.float32(8.0))
    assert float(value) == pytest.approx(3 * scipy.stats.poisson.logpmf(1, 2.0), abs=1e-5)


def test_each_count_of_a_multinomial_is_binomial() -> None:
    part, raw = Multinomial((3,), 6.0), jnp.array([0.2, -1.0, 1.0])
    x = np.array([2.0, 0.0, 4.0])
    expected = scipy.stats.binom.logpmf(x, 6, scipy.special.softmax(np.asarray(raw)))
    np.testing.assert_allclose(np.asarray(part.element_log_prob(raw, jnp.asarray(x, jnp.float32))), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["gaussian-free", "gaussian-optimal", "bernoulli", "categorical"])
def test_a_faster_sum_of_all_elements_is_their_sum(name: str) -> None:
    part = LIKELIHOODS[name]()
    params = params_of(part)
    y = jnp.asarray(part.draw(params, jax.random.key(2)), jnp.float32)
    each = part.element_log_prob(params, y)
    assert each.shape == part.event_shape
    assert float(each.sum()) == pytest.approx(float(part.log_prob(params, y)), rel=1e-5, abs=1e-5)
