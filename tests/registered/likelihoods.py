"""Every likelihood, once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from checks import Density, lattice
from jaxtyping import Array, PRNGKeyArray

from lowerbound.likelihoods import AbstractLikelihood, Bernoulli, DiscretizedLogistic, Gaussian

from .case import EXTREME, Case, numpyro

# Two elements each, so that a grid holds the whole event and a wrong dependence between elements is seen.
LIKELIHOODS: dict[str, Callable[[], AbstractLikelihood]] = {
    "gaussian-free": lambda: Gaussian((2,), np.float32(0.01)),
    "gaussian-sigmoid": lambda: Gaussian((1, 2), np.float32(0.01), np.array([[[0.0, -1.0]], [[1.0, 3.0]]])),
    "gaussian-floor-per-element": lambda: Gaussian((2,), np.array([0.01, 0.5])),
    "bernoulli": lambda: Bernoulli((2,)),
    "discretized-logistic-bounded": lambda: DiscretizedLogistic((1, 2)),
    "discretized-logistic-free": lambda: DiscretizedLogistic((2,), -1.0, 1.0, 17, bounded_mean=False),
}


def levels_of(likelihood: AbstractLikelihood) -> tuple[float, float, int] | None:
    """(lowest, highest, how many) of a discrete likelihood's levels."""
    if isinstance(likelihood, Bernoulli):
        return 0.0, 1.0, 2
    if isinstance(likelihood, DiscretizedLogistic):
        return likelihood.low, likelihood.high, likelihood.num_levels
    return None


def likelihood_case(make: Callable[[], AbstractLikelihood]) -> Case:
    def inputs(part: AbstractLikelihood, key: PRNGKeyArray) -> tuple[Any, ...]:
        params_key, sample_key = jax.random.split(key)
        params = jax.random.normal(params_key, part.param_shape)
        return params, jnp.asarray(part.distribution(params).sample(sample_key), jnp.float32), sample_key

    def extremes(part: AbstractLikelihood) -> list[tuple[Any, ...]]:
        low, high, _ = levels_of(part) or (0.0, 1.0, 0)
        num_heads = math.prod(part.param_shape) // math.prod(part.event_shape)
        one = np.ones(part.event_shape, np.float32)
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
        distribution = part.distribution(jax.random.normal(key, part.param_shape))
        levels = levels_of(part)
        if levels is not None:
            axes = lattice(*levels, dimensions=2)
        else:
            centre, width = (np.asarray(x, np.float64).ravel() for x in (distribution.mean, jnp.sqrt(distribution.variance)))
            axes = tuple(np.linspace(m - 9 * s, m + 9 * s, 361) for m, s in zip(centre, width, strict=True))
        log_prob, sample = numpyro(distribution.log_prob), numpyro(distribution.sample)
        return Density(log_prob, sample, axes, levels is not None, part.event_shape)

    return Case(lambda key: make(), numpyro(inputs), extremes, numpyro(call), shapes, density)
