"""The code of a plain autoencoder: the encoder's output itself."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractLatentDensity, Space
from .base import AbstractPosterior, AbstractPosteriorFamily


class DeterministicCode(AbstractPosterior):
    """z = code for one example. It has no density: `log_prob` is 0 by convention, and no bound may be made of it."""

    code: Float[Array, " latent"]

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """The code, and 0."""
        return self.code, jnp.zeros(())

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """The code."""
        return self.code

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """0, which is no density."""
        return jnp.zeros(())

    @property
    def mean(self) -> Float[Array, " latent"]:
        """The code."""
        return self.code

    def kl_to(self, prior: AbstractLatentDensity) -> None:
        """None: from a point to a density it is infinite."""
        return


class Deterministic(AbstractPosteriorFamily):
    """z = f(x), the encoder's output, for autoencoders (Hinton and Salakhutdinov 2006).

    There is no q(z|x) with a density, so no lower bound on log p(x) either: only the objectives of autoencoders take it.
    """

    latent_dim: int = eqx.field(static=True)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = False
    is_factorised: ClassVar[bool] = False

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(latent_dim,): the code."""
        return (self.latent_dim,)

    def condition(self, params: Float[Array, " latent"]) -> DeterministicCode:
        """The code itself."""
        return DeterministicCode(params)
