"""Every likelihood, once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from checks import Density, lattice
from jaxtyping import Array, PRNGKeyArray

from lowerbound.likelihoods import (
    AbstractLikelihood,
    Bernoulli,
    Beta,
    Categorical,
    CategoriesLikelihood,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Filter,
    Gaussian,
    GaussianFixedScale,
    GaussianLearnedScale,
    GaussianMixture,
    GaussianOptimalScale,
    InflatedGaussianMixture,
    InflatedLogNormalMixture,
    Laplace,
    LogNormal,
    LogNormalMixture,
    LowRankGaussian,
    Mixed,
    Multinomial,
    NegativeBinomial,
    NeighbourBernoulli,
    NeighbourLogistics,
    Neighbours,
    NumPyroLikelihood,
    Ordinal,
    Poisson,
    QuantizedGaussian,
    StudentT,
    Support,
    ZeroInflatedLogNormal,
    ZeroInflatedNegativeBinomial,
)
from lowerbound.models import split_trained

from .case import EXTREME, Case, numpyro

# Two elements each, so that a grid holds the whole event and a wrong dependence between elements is seen.
# The second element has one value that recurs, the first two.
ATOMS, SHARES = np.array([[0.1, 0.2], [0.25, np.inf]]), np.array([[0.2, 0.3], [0.1, 0.0]])
LIKELIHOODS: dict[str, Callable[[], AbstractLikelihood]] = {
    "gaussian-free": lambda: Gaussian((2,), np.float32(0.01)),
    "gaussian-sigmoid": lambda: Gaussian((1, 2), np.float32(0.01), np.array([[[0.0, -1.0]], [[1.0, 3.0]]])),
    "gaussian-floor-per-element": lambda: Gaussian((2,), np.array([0.01, 0.5])),
    "gaussian-per-element": lambda: GaussianLearnedScale((2,), np.float32(0.01), np.array([0.0, -1.0])),
    "gaussian-shared": lambda: GaussianLearnedScale((1, 2), np.float32(0.01), mean_range=np.array([[[0.0, -1.0]], [[1.0, 3.0]]])),
    "gaussian-fixed": lambda: GaussianFixedScale((2,), np.float32(0.01), scale=np.array([0.7, 2.0])),
    "gaussian-optimal": lambda: GaussianOptimalScale((2,), np.float32(0.01)),
    "low-rank-gaussian": lambda: LowRankGaussian((1, 2), np.float32(0.01), rank=2),
    "laplace": lambda: Laplace((2,), np.float32(0.01)),
    "student-t": lambda: StudentT((1, 2), np.float32(0.01)),
    "log-normal": lambda: LogNormal((2,), np.array([0.01, 0.02])),
    "continuous-bernoulli": lambda: ContinuousBernoulli((1, 2), np.float32(0.001)),
    "beta": lambda: Beta((2,), np.float32(0.001)),
    "quantized-gaussian-bounded": lambda: QuantizedGaussian((1, 2)),
    "quantized-gaussian-free": lambda: QuantizedGaussian((2,), -1.0, 1.0, 17, bounded_mean=False),
    "numpyro-gamma": lambda: NumPyroLikelihood((2,), family="Gamma"),
    "bernoulli": lambda: Bernoulli((2,)),
    "discretized-logistic-bounded": lambda: DiscretizedLogistic((1, 2)),
    "discretized-logistic-free": lambda: DiscretizedLogistic((2,), -1.0, 1.0, 17, bounded_mean=False),
    "discretized-logistic-mixture": lambda: DiscretizedLogisticMixture((1, 2), -3.0, 3.0, 17, num_components=2),
    "discretized-logistic-mixture-colour": lambda: DiscretizedLogisticMixture((1, 1, 3), 0.0, 1.0, 7, 2, colour=True, unit=0.5),
    "neighbour-bernoulli": lambda: NeighbourBernoulli((1, 2), Neighbours(1, units=4, reach=1, key=jax.random.key(0))),
    "neighbour-logistics": lambda: NeighbourLogistics(
        (1, 2),
        -3.0,
        3.0,
        17,
        neighbours=Filter.none(1),
        num_components=2,
    ),
    "categorical": lambda: Categorical((1, 2), 5),
    "ordinal": lambda: Ordinal.of_moments((2,), 5, 2.0, 1.5),
    "poisson": lambda: Poisson((2,), False),
    "poisson-library-size": lambda: Poisson((1, 2), True, 6.0),
    "negative-binomial": lambda: NegativeBinomial((2,), False, dispersion="from-z"),
    "negative-binomial-library-size": lambda: NegativeBinomial((1, 2), True, 6.0, "per-element", np.full((1, 2), 0.7)),
    "zero-inflated-negative-binomial": lambda: ZeroInflatedNegativeBinomial((2,), False, dispersion="from-z"),
    "zero-inflated-negative-binomial-library-size": lambda: ZeroInflatedNegativeBinomial(
        (2,), True, 6.0, "per-element", np.array([0.7, 1.5])
    ),
    "multinomial": lambda: Multinomial((1, 2), 6.0),
    "gaussian-mixture": lambda: GaussianMixture((1, 2), np.float32(0.01), num_components=2),
    "log-normal-mixture": lambda: LogNormalMixture((2,), np.array([0.01, 0.02]), num_components=2),
    "zero-inflated-log-normal": lambda: ZeroInflatedLogNormal((2,), np.float32(0.01), num_components=2),
    "inflated-gaussian-mixture": lambda: InflatedGaussianMixture((2,), 0.01, num_components=2, atoms=ATOMS, shares=SHARES),
    "inflated-log-normal-mixture": lambda: InflatedLogNormalMixture((2,), 0.01, num_components=2, atoms=ATOMS, shares=SHARES),
    "categories": lambda: CategoriesLikelihood((1, 2), 4, np.array([[0.1, 0.02]])),
    "mixed": lambda: Mixed(
        (CategoriesLikelihood((1,), 3, 0.1), GaussianMixture((1,), np.float32(0.01), num_components=2)), ((1,), (0,))
    ),
}


def levels_of(likelihood: AbstractLikelihood) -> tuple[float, float, int] | None:
    """(lowest, highest, how many) of a discrete likelihood's levels."""
    if isinstance(likelihood, Bernoulli | NeighbourBernoulli):
        return 0.0, 1.0, 2
    if isinstance(likelihood, DiscretizedLogistic | QuantizedGaussian):
        return likelihood.low, likelihood.high, likelihood.num_levels
    if isinstance(likelihood, DiscretizedLogisticMixture | NeighbourLogistics):
        return likelihood.low, likelihood.high, likelihood.num_levels
    if isinstance(likelihood, Categorical | Ordinal | CategoriesLikelihood):
        return 0.0, 4.0, 5
    if isinstance(likelihood, Multinomial):
        return 0.0, likelihood.typical_total, round(likelihood.typical_total) + 1
    if likelihood.support is Support.COUNTS:
        # The means here stay below 13 and theta above 0.6: the mass beyond is less than (13 / 13.6)^400 < 1e-7.
        return 0.0, 400.0, 401
    return None


def of_one_total(part: AbstractLikelihood, log_prob: Callable[..., Any]) -> Callable[..., Any]:
    """A multinomial's log-mass is one given the total; on a grid of counts, all other totals are left out."""
    if not isinstance(part, Multinomial):
        return log_prob
    return lambda x: jnp.where(x.sum() == part.typical_total, log_prob(x), -jnp.inf)


def _log_prob(part: AbstractLikelihood, params: Array, x: Array) -> Array:
    return numpyro(of_one_total(part, part.distribution(params).log_prob))(x)


def _sample(part: AbstractLikelihood, params: Array, key: PRNGKeyArray) -> Array:
    return numpyro(part.distribution(params).sample)(key)


# Raw numbers around which the tests draw, and how far; by default 0 and 1. A density with a pole at an end of its support is
# more than float32 can integrate: its grid has too few numbers there.
TYPICAL: dict[type, tuple[Any, float]] = {
    Beta: (np.array([[0.0], [2.5]], np.float32), 0.5),
    NumPyroLikelihood: (np.float32(1.0), 0.5),
    NegativeBinomial: (np.float32(1.0), 0.5),
    ZeroInflatedNegativeBinomial: (np.float32(1.0), 0.5),
    # A narrow component beside a wide one is more than the grid can hold.
    GaussianMixture: (np.float32(0.0), 0.5),
}
# Values at the edge of each support.
EDGES = {
    Support.REAL: (0.0, 1.0),
    Support.RECURRING: (0.0, 1.0),
    Support.POSITIVE_RECURRING: (1e-3, 1e3),
    Support.POSITIVE: (1e-3, 1e3),
    Support.INTERVAL: (0.0, 1.0),
    Support.SHARES: (0.0, 1.0),
    Support.NONNEGATIVE: (0.0, 1e3),
    Support.COLUMNS: (0.0, 1.0),
}
# Part of whose mass lies at points, and part between them, which no grid holds: `oracles/test_table_likelihoods.py` has theirs.
OF_TWO_KINDS = (Mixed, InflatedGaussianMixture, InflatedLogNormalMixture, ZeroInflatedLogNormal)


def _support_of(part: AbstractLikelihood) -> Support:
    return Support.POSITIVE if isinstance(part, NumPyroLikelihood) else part.support


def typical_params(part: AbstractLikelihood, key: PRNGKeyArray) -> Array:
    """Ordinary outputs of a decoder."""
    centre, width = TYPICAL.get(type(part), (np.float32(0.0), 1.0))
    return centre + width * jax.random.normal(key, part.param_shape)


def with_random_numbers(part: AbstractLikelihood, key: PRNGKeyArray) -> AbstractLikelihood:
    """The same part; its own trained numbers, where it has any, moved at random."""
    trained, rest = split_trained(part)
    return eqx.combine(jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(key, leaf.shape), trained), rest)


def grid(part: AbstractLikelihood, distribution: Any) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...] | None]:
    """Points that hold nearly all mass of a continuous distribution of two elements, and what each stands for."""
    u = np.linspace(-1, 1, 361)
    support = _support_of(part)
    if support is Support.POSITIVE:
        log_values = np.linspace(-25, 25, 721)
        return (np.exp(log_values),) * 2, (np.exp(log_values) * (log_values[1] - log_values[0]),) * 2
    if support in (Support.INTERVAL, Support.SHARES):
        # Takahasi and Mori's double exponential, which needs no condition on the ends.
        values = scipy.special.expit(2 * np.sinh(2.8 * u))
        return (values,) * 2, (values * (1 - values) * 5.6 * np.cosh(2.8 * u) * (u[1] - u[0]),) * 2
    centre, width = (np.asarray(x, np.float64).ravel() for x in (distribution.mean, jnp.sqrt(distribution.variance)))
    if isinstance(part, Laplace | StudentT):
        # The cube makes a kink at the centre smooth, the exponential reaches far tails.
        axes = tuple(m + s * np.sinh(9 * u**3) for m, s in zip(centre, width, strict=True))
        return axes, tuple(s * 27 * u**2 * np.cosh(9 * u**3) * (u[1] - u[0]) for s in width)
    return tuple(m + 9 * s * u for m, s in zip(centre, width, strict=True)), None


def likelihood_case(make: Callable[[], AbstractLikelihood]) -> Case:
    def inputs(part: AbstractLikelihood, key: PRNGKeyArray) -> tuple[Any, ...]:
        params_key, sample_key = jax.random.split(key)
        params = typical_params(part, params_key)
        return params, jnp.asarray(part.distribution(params).sample(sample_key), jnp.float32), sample_key

    def extremes(part: AbstractLikelihood) -> list[tuple[Any, ...]]:
        low, high = (1e-3, 0.999) if isinstance(part, Beta) else (levels_of(part) or EDGES[_support_of(part)])[:2]
        one = np.ones(part.event_shape, np.float32)
        if isinstance(part, Mixed):
            signs = np.where(np.arange(math.prod(part.param_shape)) % 2, -EXTREME, EXTREME)
            ends = [(jnp.asarray(raw, jnp.float32), jax.random.key(0)) for raw in (signs, -signs, abs(signs), -abs(signs))]
            return [(p, jnp.asarray(limit * one), key) for p, key in ends for limit in (low, high)]
        num_heads = math.prod(part.param_shape) // math.prod(part.event_shape)
        every_combination = itertools.product((-EXTREME, EXTREME), repeat=num_heads)
        params = [jnp.asarray([raw * one for raw in heads]).reshape(part.param_shape) for heads in every_combination]
        return [(p, jnp.asarray(limit * one), jax.random.key(0)) for p in params for limit in (low, high)]

    def call(part: AbstractLikelihood, params: Array, x: Array, key: PRNGKeyArray) -> dict[str, Any]:
        distribution = part.distribution(params)
        return {
            "log_prob": distribution.log_prob(x),
            "mean": distribution.mean,
            "sample": jnp.asarray(distribution.sample(key), jnp.float32),
            "monitors": part.monitors(params),
        }

    def shapes(part: AbstractLikelihood) -> dict[str, Any]:
        monitors = dict.fromkeys(part.monitors(jnp.zeros(part.param_shape)), ())
        return {"log_prob": (), "mean": part.event_shape, "sample": part.event_shape, "monitors": monitors}

    def density(part: AbstractLikelihood, key: PRNGKeyArray) -> Density:
        params = typical_params(part, key)
        levels = levels_of(part)
        size = math.prod(part.event_shape)
        axes, widths = (lattice(*levels, dimensions=size), None) if levels is not None else grid(part, part.distribution(params))
        # One program for all parameters.
        log_prob, sample = eqx.Partial(_log_prob, part, params), eqx.Partial(_sample, part, params)
        return Density(log_prob, sample, axes, levels is not None, part.event_shape, widths)

    has_grid = not isinstance(make(), OF_TWO_KINDS)
    whole = (lambda key: with_random_numbers(make(), key)), numpyro(inputs), extremes, numpyro(call), shapes
    return Case(*whole, density if has_grid else None)
