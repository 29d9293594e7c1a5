"""Likelihoods against SciPy in double precision, at ordinary and at extreme parameters."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from registry import CASES, LIKELIHOODS
from scipy_continuous import SCIPY_CONTINUOUS
from scipy_discrete import SCIPY_DISCRETE
from scipy_tables import SCIPY_TABLES

from lowerbound.likelihoods import (
    AbstractLikelihood,
    Bernoulli,
    CategoriesLikelihood,
    DiscretizedLogistic,
    DiscretizedLogisticDistribution,
    Gaussian,
    Laplace,
    Lattice,
    LogNormal,
    LowRankGaussian,
    Mixed,
    NumPyroLikelihood,
    QuantizedGaussian,
    StudentT,
)


def _gaussian(part: Gaussian, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    scale = np.maximum(np.exp(params[1]), part.scale_floor)
    mean = params[0]
    if part.mean_range is not None:
        low, high = np.asarray(part.mean_range, np.float64)
        mean = low + (high - low) * scipy.special.expit(mean)
    return scipy.stats.norm.logpdf(x, mean, scale)


def _bernoulli(part: Bernoulli, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.bernoulli.logpmf(x, scipy.special.expit(params))


def logistic_masses(loc: float, scale: float, low: float, high: float, num_levels: int) -> np.ndarray:
    """The masses of all levels, from differences of distribution functions in double precision.

    Each difference is taken in the tail where it loses no digits: of F below the location, of 1 - F above it.
    """
    step = (high - low) / (num_levels - 1)
    edges = np.concatenate([[-np.inf], low + step * (np.arange(1, num_levels) - 0.5), [np.inf]])
    below = np.diff(scipy.stats.logistic.cdf(edges, loc, scale))
    above = -np.diff(scipy.stats.logistic.sf(edges, loc, scale))
    return np.where(edges[1:] < loc, below, above)


def _discretized_logistic(part: DiscretizedLogistic, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    loc = part.low + (part.high - part.low) * scipy.special.expit(params[0]) if part.bounded_mean else params[0]
    step = (part.high - part.low) / (part.num_levels - 1)
    scale = np.maximum(np.exp(params[1]), 0.1 * step)
    levels = np.rint((x - part.low) / step).astype(int)
    masses = [
        logistic_masses(one_loc, one_scale, part.low, part.high, part.num_levels)[level]
        for one_loc, one_scale, level in zip(loc.ravel(), scale.ravel(), levels.ravel(), strict=True)
    ]
    return np.log(np.reshape(masses, x.shape))


SCIPY: dict[type, Callable[..., np.ndarray]] = {
    Gaussian: _gaussian,
    Bernoulli: _bernoulli,
    DiscretizedLogistic: _discretized_logistic,
    **SCIPY_CONTINUOUS,
    **SCIPY_DISCRETE,
    **SCIPY_TABLES,
}


# Where pixels know those before them, all pictures that there are say whether a law is one (test_neighbours.py).
@pytest.mark.parametrize("name", [name for name in LIKELIHOODS if not name.startswith("neighbour-")])
def test_agrees_with_scipy(name: str) -> None:
    case = CASES[f"likelihood-{name}"]
    part, said = LIKELIHOODS[name](), eqx.filter_jit(case.call)
    for seed in range(10):
        params, x, key = case.inputs(part, jax.random.key(seed))
        expected = SCIPY[type(part)](part, np.asarray(params, np.float64), np.asarray(x, np.float64)).sum()
        assert float(said(part, params, x, key)["log_prob"]) == pytest.approx(expected, rel=2e-5, abs=2e-5)


@pytest.mark.parametrize("scale", [0.1 / 255, 0.3 / 255, 2 / 255, 0.1, 3.0, 1e4])
@pytest.mark.parametrize("loc", [-0.5, 0.0, 0.3337, 0.5, 1.0, 1.7])
def test_discretized_logistic_masses(loc: float, scale: float) -> None:
    """All 256 levels, edges and far tails, at scales from one that fits between two levels to one far beyond the range."""
    distribution = DiscretizedLogisticDistribution(jnp.float32(loc), jnp.float32(scale), Lattice(0.0, 1.0, 256))
    found = np.asarray(distribution.log_prob(jnp.linspace(0, 1, 256)), np.float64)
    masses = logistic_masses(float(np.float32(loc)), float(np.float32(scale)), 0.0, 1.0, 256)
    # A level is itself rounded to float32, by up to 3e-8 of the range: in units of the scale that is the error of the argument.
    rounding = 3e-8 / scale
    assert np.exp(found).sum() == pytest.approx(1.0, abs=2e-6 + rounding)
    seen = masses > 1e-290
    np.testing.assert_allclose(found[seen], np.log(masses[seen]), rtol=1e-6, atol=2e-6 + 2 * rounding)
    assert np.isfinite(found).all()


def test_discretized_logistic_mean_is_the_sum_over_levels() -> None:
    levels = np.linspace(-1, 1, 17)
    for loc in (-3.0, -0.4, 0.01, 1.2):
        for scale in (0.02, 0.3, 5.0):
            distribution = DiscretizedLogisticDistribution(jnp.float32(loc), jnp.float32(scale), Lattice(-1.0, 1.0, 17))
            expected = levels @ logistic_masses(loc, scale, -1.0, 1.0, 17)
            assert float(distribution.mean) == pytest.approx(expected, abs=2e-6)


def test_discretized_logistic_of_a_huge_scale_keeps_the_tails_on_the_edges() -> None:
    """Half of everything lies beyond each end of the range, so the edge levels share the mass."""
    distribution = DiscretizedLogisticDistribution(jnp.float32(0.5), jnp.float32(1e6), Lattice(0.0, 1.0, 256))
    masses = np.exp(np.asarray(distribution.log_prob(jnp.linspace(0, 1, 256))))
    assert masses[[0, -1]] == pytest.approx(0.5, abs=1e-5)
    assert masses[1:-1].max() < 1e-8


@pytest.mark.parametrize(
    "part", [Gaussian((3,), np.array([0.1, 0.2, 0.4])), DiscretizedLogistic((3,), 0.0, 1.0, 11, bounded_mean=False)]
)
def test_floor_binds_and_says_so(part: AbstractLikelihood) -> None:
    floors = np.array([0.1, 0.2, 0.4]) if isinstance(part, Gaussian) else np.full(3, 0.01)
    log_scale = np.log(floors) + np.array([-5.0, -0.01, 0.01])
    params = jnp.asarray(np.stack([np.full(3, 0.5), log_scale]), jnp.float32)

    def log_prob(params: jax.Array) -> float:
        return float(jnp.asarray(part.distribution(params).log_prob(jnp.full(3, 0.5))))

    # Only the third scale is its own: the first two are the floor's whatever the decoder says below it.
    assert log_prob(params.at[1, :2].add(-3.0)) == log_prob(params)
    assert log_prob(params.at[1, 2].add(1.0)) < log_prob(params) - 0.2
    assert float(part.monitors(params)["fraction_at_floor"]) == pytest.approx(2 / 3)
    assert float(part.monitors(params + 10)["fraction_at_floor"]) == 0.0
    if isinstance(part, Gaussian):
        np.testing.assert_allclose(
            np.sqrt(np.asarray(part.distribution(params).variance)), [0.1, 0.2, 0.4 * np.exp(0.01)], rtol=1e-5
        )


def test_bernoulli_says_which_probabilities_are_saturated() -> None:
    monitors = Bernoulli((4,)).monitors(jnp.array([-20.0, 0.0, 1.0, 14.0]))
    assert float(monitors["fraction_saturated"]) == 0.5


# Those of counts and of levels without a location: test_discrete_likelihoods. Of columns of categories: test_table_likelihoods.
WITHOUT_MEAN = (*SCIPY_DISCRETE, CategoriesLikelihood, Mixed)


@pytest.mark.parametrize("name", [name for name, make in LIKELIHOODS.items() if type(make()) not in WITHOUT_MEAN])
def test_initial_params_describe_the_data(name: str) -> None:
    """The decoder's first bias gives back the mean (away from the ends of a bounded range), and a Gaussian's the deviation."""
    part = LIKELIHOODS[name]()
    mean, std = np.full(part.event_shape, 0.3), np.full(part.event_shape, 0.6)
    params = part.initial_params(mean, std)
    assert params.shape == part.param_shape
    distribution = part.distribution(jnp.asarray(params))
    if isinstance(part, DiscretizedLogistic | QuantizedGaussian):
        # The levels cut the tails off, so only the location itself can be compared.
        loc = params[0] if not part.bounded_mean else part.low + (part.high - part.low) * scipy.special.expit(params[0])
        np.testing.assert_allclose(loc, mean, rtol=1e-5)
        deviations = np.exp(params[1]) * (np.pi / np.sqrt(3) if isinstance(part, DiscretizedLogistic) else 1)
        np.testing.assert_allclose(deviations, std, rtol=1e-5)
        return
    np.testing.assert_allclose(np.asarray(distribution.mean), mean, rtol=1e-5)
    if isinstance(part, Gaussian | LowRankGaussian | Laplace | StudentT | LogNormal | NumPyroLikelihood):
        np.testing.assert_allclose(np.sqrt(np.asarray(distribution.variance)), std, rtol=1e-5)
