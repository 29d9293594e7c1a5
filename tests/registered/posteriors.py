"""Every family of posteriors, once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from checks import Density
from jaxtyping import Array, PRNGKeyArray

from lowerbound.posteriors import AbstractPosteriorFamily, DiagonalGaussian
from lowerbound.priors import StandardNormal

from .case import EXTREME, LATENT_DIM, Case, Make

POSTERIORS: dict[str, Callable[[PRNGKeyArray], AbstractPosteriorFamily]] = {
    "diagonal-gaussian": lambda key: DiagonalGaussian(LATENT_DIM),
}


def posterior_case(make: Make) -> Case:
    def extremes(part: AbstractPosteriorFamily) -> list[tuple[Any, ...]]:
        # All the same, and the first half against the second: a large mean with a small spread, say.
        size = math.prod(part.param_shape)
        signs = (
            np.ones(size),
            -np.ones(size),
            np.where(np.arange(size) < size // 2, 1, -1),
            np.where(np.arange(size) < size // 2, -1, 1),
        )
        rows = [jnp.asarray(EXTREME * sign, jnp.float32).reshape(part.param_shape) for sign in signs]
        return [(params, jnp.zeros(LATENT_DIM), jax.random.key(0)) for params in rows]

    def call(part: AbstractPosteriorFamily, params: Array, z: Array, key: PRNGKeyArray) -> dict[str, Any]:
        posterior = part.condition(params)
        draw, log_prob_of_draw = posterior.sample_and_log_prob(key)
        said = {"log_prob": posterior.log_prob(z), "mean": posterior.mean, "draw": draw, "of_draw": log_prob_of_draw}
        kl = posterior.kl_to(StandardNormal(LATENT_DIM))
        return said if kl is None else {**said, "kl": kl.sum()}

    def density(part: AbstractPosteriorFamily, key: PRNGKeyArray) -> Density:
        posterior = part.condition(jax.random.normal(key, part.param_shape))
        keys = jax.random.split(jax.random.key(0), 1000)
        draws = np.asarray(jax.vmap(lambda k: posterior.sample_and_log_prob(k)[0])(keys), np.float64)
        axes = tuple(np.linspace(m - 9 * s, m + 9 * s, 361) for m, s in zip(draws.mean(0), draws.std(0), strict=True))
        return Density(posterior.log_prob, lambda k: posterior.sample_and_log_prob(k)[0], axes, False, (LATENT_DIM,))

    z = (LATENT_DIM,)

    def shapes(part: AbstractPosteriorFamily) -> dict[str, Any]:
        kl = part.condition(jnp.zeros(part.param_shape)).kl_to(StandardNormal(LATENT_DIM))
        return {"log_prob": (), "mean": z, "draw": z, "of_draw": ()} | ({} if kl is None else {"kl": ()})

    return Case(
        make,
        inputs=lambda part, key: (jax.random.normal(key, part.param_shape), jax.random.normal(key, z), key),
        extremes=extremes,
        call=call,
        shapes=shapes,
        density=density,
    )
