"""The standard normal prior."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .base import AbstractPrior


class StandardNormal(AbstractPrior):
    r"""p(z) = N(z; 0, I), the prior of Kingma and Welling (2014, section 3).

    log p(z) = -|z|^2 / 2 - (J / 2) log(2 pi), J = `latent_dim`
    """

    latent_dim: int = eqx.field(static=True)

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log N(z; 0, I) in nats."""
        return -0.5 * jnp.sum(jnp.square(z)) - 0.5 * self.latent_dim * jnp.log(2 * jnp.pi)

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw from N(0, I)."""
        return jax.random.normal(key, (self.latent_dim,))
