"""Every family of posteriors, once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from checks import TOLERANCE_OF_KINKS, Density
from jaxtyping import Array, PRNGKeyArray

from lowerbound.densities import SphericalUniformDensity, StandardNormalDensity, kl
from lowerbound.posteriors import (
    AbstractPosteriorFamily,
    CouplingSpline,
    Deterministic,
    DiagonalGaussian,
    FullGaussian,
    Householder,
    HouseholderSylvester,
    InverseAutoregressive,
    LowRankGaussian,
    OrthogonalSylvester,
    Planar,
    TriangularSylvester,
    VonMisesFisher,
)

from .case import EXTREME, LATENT_DIM, Case, Make, perturbed
from .sphere import SPHERE_DIM, sphere_density

POSTERIORS: dict[str, Callable[[PRNGKeyArray], AbstractPosteriorFamily]] = {
    "diagonal-gaussian": lambda key: DiagonalGaussian(LATENT_DIM),
    "low-rank-gaussian": lambda key: LowRankGaussian(LATENT_DIM, rank=1),
    "full-gaussian": lambda key: FullGaussian(LATENT_DIM),
    "planar": lambda key: Planar(LATENT_DIM, num_flows=3),
    "householder": lambda key: Householder(LATENT_DIM, num_flows=3),
    "sylvester-orthogonal": lambda key: OrthogonalSylvester(LATENT_DIM, num_flows=2, num_directions=1),
    "sylvester-householder": lambda key: HouseholderSylvester(LATENT_DIM, num_flows=2, num_reflections=2),
    "sylvester-triangular": lambda key: TriangularSylvester(LATENT_DIM, num_flows=2),
    "inverse-autoregressive": lambda key: perturbed(InverseAutoregressive(LATENT_DIM, 2, 8, context_dim=3, key=key), key, 0.1),
    "coupling-spline": lambda key: perturbed(CouplingSpline(LATENT_DIM, 2, 8, num_bins=4, context_dim=3, key=key), key, 0.1),
    "von-mises-fisher": lambda key: VonMisesFisher(SPHERE_DIM),
    "deterministic": lambda key: Deterministic(LATENT_DIM),
}


def prior_for(part: AbstractPosteriorFamily) -> StandardNormalDensity | SphericalUniformDensity:
    """The plainest prior in the family's space."""
    return (SphericalUniformDensity if part.space == "hypersphere" else StandardNormalDensity)(part.latent_dim)


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
        return [(params, jnp.zeros(part.latent_dim), jax.random.key(0)) for params in rows]

    def call(part: AbstractPosteriorFamily, params: Array, z: Array, key: PRNGKeyArray) -> dict[str, Any]:
        posterior = part.at(params)
        draw, log_prob_of_draw = posterior.sample_and_log_prob(key)
        said = {"log_prob": posterior.log_prob(z), "mean": posterior.mean, "draw": draw, "of_draw": log_prob_of_draw}
        divergence = kl(posterior, prior_for(part))
        return said if divergence is None else {**said, "kl": divergence.sum()}

    def density(part: AbstractPosteriorFamily, key: PRNGKeyArray) -> Density:
        # At full spread planar steps have ridges narrower than the grid's cells.
        spread = 0.5 if isinstance(part, Planar) else 1.0
        posterior = part.at(spread * jax.random.normal(key, part.param_shape))
        if part.space == "hypersphere":
            return sphere_density(posterior.log_prob, posterior.sample)
        keys = jax.random.split(jax.random.key(0), 1000)
        draws = np.asarray(jax.vmap(lambda k: posterior.sample_and_log_prob(k)[0])(keys), np.float64)
        axes = tuple(np.linspace(m - 9 * s, m + 9 * s, 361) for m, s in zip(draws.mean(0), draws.std(0), strict=True))
        tolerance = TOLERANCE_OF_KINKS if isinstance(part, CouplingSpline) else 1e-5
        return Density(
            posterior.log_prob, lambda k: posterior.sample_and_log_prob(k)[0], axes, False, (LATENT_DIM,), tolerance=tolerance
        )

    def inputs(part: AbstractPosteriorFamily, key: PRNGKeyArray) -> tuple[Any, ...]:
        z = jax.random.normal(key, (part.latent_dim,))
        on_space = z / jnp.linalg.norm(z) if part.space == "hypersphere" else z
        return jax.random.normal(key, part.param_shape), on_space, key

    def shapes(part: AbstractPosteriorFamily) -> dict[str, Any]:
        z = (part.latent_dim,)
        divergence = kl(part.at(jnp.zeros(part.param_shape)), prior_for(part))
        return {"log_prob": (), "mean": z, "draw": z, "of_draw": ()} | ({} if divergence is None else {"kl": ()})

    return Case(
        make,
        inputs=inputs,
        extremes=extremes,
        call=call,
        shapes=shapes,
        density=density if make(jax.random.key(0)).has_density else None,
    )
