"""The code of a plain autoencoder: the encoder's output itself."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..densities import AbstractPosterior
from .base import AbstractPosteriorFamily


class DeterministicCode(AbstractPosterior):
    """z = code for one example. It has no density: `log_prob` is 0 by convention, and no bound may be made of it."""

    code: Float[Array, " latent"]

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        return self.code, jnp.zeros(())

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        return jnp.zeros(())

    @property
    @override
    def mean(self) -> Float[Array, " latent"]:
        return self.code


class Deterministic(AbstractPosteriorFamily):
    """z = f(x), the encoder's output, for autoencoders (Hinton and Salakhutdinov 2006).

    There is no q(z|x) with a density, so no lower bound on log p(x) either: only the objectives of autoencoders take it.
    """

    has_density: ClassVar[bool] = False

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """(latent_dim,): the code."""
        return (self.latent_dim,)

    @override
    def at(self, params: Float[Array, " latent"]) -> DeterministicCode:
        return DeterministicCode(params)
