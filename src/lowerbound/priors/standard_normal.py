"""The standard normal prior."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .base import AbstractLatentDensity, AbstractPrior, Recognise, Space


class StandardNormal(AbstractPrior, AbstractLatentDensity):
    r"""p(z) = N(z; 0, I), the prior of Kingma and Welling (2014, section 3).

    log p(z) = -|z|^2 / 2 - (J / 2) log(2 pi), J = `latent_dim`

    It depends on nothing, so it is its own density.
    """

    latent_dim: int = eqx.field(static=True)
    space: ClassVar[Space] = "euclidean"
    is_made_of_posterior: ClassVar[bool] = False

    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> StandardNormal:
        """Itself."""
        return self

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log N(z; 0, I) in nats."""
        return -0.5 * jnp.sum(jnp.square(z)) - 0.5 * self.latent_dim * jnp.log(2 * jnp.pi)

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw from N(0, I)."""
        return jax.random.normal(key, (self.latent_dim,))
