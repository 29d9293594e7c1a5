"""Every prior, once."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from checks import Density
from jaxtyping import Array, PRNGKeyArray

from lowerbound.posteriors import DiagonalGaussian
from lowerbound.priors import AbstractLatentDensity, AbstractPrior, StandardNormal

from .case import EXTREME, LATENT_DIM, Case, Make

PRIORS: dict[str, Callable[[PRNGKeyArray], AbstractPrior]] = {
    "standard-normal": lambda key: StandardNormal(LATENT_DIM),
}


def bound(prior: AbstractPrior) -> AbstractLatentDensity:
    """The prior as a model would bind it, with an encoder that tells the first numbers of its input."""

    def recognise(encoder_input: Array, condition: Array | None) -> AbstractLatentDensity:
        return DiagonalGaussian(LATENT_DIM).condition(jnp.resize(encoder_input, (2, LATENT_DIM)))

    return prior.bind(recognise, None)


def prior_case(make: Make) -> Case:
    def density(part: AbstractPrior, key: PRNGKeyArray) -> Density:
        return Density(bound(part).log_prob, bound(part).sample, (np.linspace(-9, 9, 361),) * 2, False, (LATENT_DIM,))

    return Case(
        make,
        inputs=lambda part, key: (jax.random.normal(key, (LATENT_DIM,)), key),
        extremes=lambda part: [(jnp.full(LATENT_DIM, value), jax.random.key(0)) for value in (-EXTREME, EXTREME)],
        call=lambda part, z, key: {"log_prob": bound(part).log_prob(z), "sample": bound(part).sample(key)},
        shapes=lambda part: {"log_prob": (), "sample": (LATENT_DIM,)},
        density=density,
    )
