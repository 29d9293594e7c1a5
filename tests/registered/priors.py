"""Every prior, once."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from checks import TOLERANCE_OF_KINKS, Density
from jaxtyping import Array, PRNGKeyArray

from lowerbound.densities import AbstractLatentDensity
from lowerbound.posteriors import DiagonalGaussian
from lowerbound.priors import (
    AbstractPrior,
    AutoregressiveFlow,
    HypersphericalUniform,
    LearnedGaussian,
    MixtureOfGaussians,
    SplineFlow,
    StandardNormal,
    VampPrior,
)

from .case import EXTREME, LATENT_DIM, Case, Make, perturbed
from .sphere import SPHERE_DIM, sphere_density

PRIORS: dict[str, Callable[[PRNGKeyArray], AbstractPrior]] = {
    "standard-normal": lambda key: StandardNormal(LATENT_DIM),
    "learned-gaussian": lambda key: perturbed(LearnedGaussian(LATENT_DIM, key=key), key),
    "learned-gaussian-conditional": lambda key: LearnedGaussian(LATENT_DIM, 8, condition_dim=3, key=key),
    "mixture-of-gaussians": lambda key: perturbed(MixtureOfGaussians(LATENT_DIM, 3, key=key), key),
    "vamp": lambda key: VampPrior(LATENT_DIM, 0.4 * jax.random.normal(key, (3, 2, LATENT_DIM))),
    "spline-flow": lambda key: perturbed(SplineFlow(LATENT_DIM, 2, 8, num_bins=4, condition_dim=3, key=key), key, 0.1),
    "autoregressive-flow": lambda key: perturbed(AutoregressiveFlow(LATENT_DIM, 2, 8, condition_dim=3, key=key), key, 0.05),
    "hyperspherical-uniform": lambda key: HypersphericalUniform(SPHERE_DIM),
}


def bound(prior: AbstractPrior) -> AbstractLatentDensity:
    """The prior as a model would bind it, with an encoder that tells the first numbers of its input."""

    def recognise(encoder_input: Array, condition: Array | None) -> AbstractLatentDensity:
        return DiagonalGaussian(LATENT_DIM).at(jnp.resize(encoder_input, (2, LATENT_DIM)))

    condition_dim = getattr(prior, "condition_dim", 0)
    return prior.bind(recognise, jnp.linspace(-1, 1, condition_dim) if condition_dim > 0 else None)


def prior_case(make: Make) -> Case:
    def density(part: AbstractPrior, key: PRNGKeyArray) -> Density:
        if part.space == "hypersphere":
            return sphere_density(bound(part).log_prob, bound(part).sample)
        tolerance = TOLERANCE_OF_KINKS if isinstance(part, SplineFlow) else 1e-5
        axes = (np.linspace(-9, 9, 361),) * 2
        return Density(bound(part).log_prob, bound(part).sample, axes, False, (LATENT_DIM,), tolerance=tolerance)

    return Case(
        make,
        inputs=lambda part, key: (jax.random.normal(key, (part.latent_dim,)), key),
        extremes=lambda part: [
            (jnp.full(part.latent_dim, value, jnp.float32), jax.random.key(0)) for value in (-EXTREME, EXTREME)
        ],
        call=lambda part, z, key: {"log_prob": bound(part).log_prob(z), "sample": bound(part).sample(key)},
        shapes=lambda part: {"log_prob": (), "sample": (part.latent_dim,)},
        density=density,
    )
