"""Gaussians of independent latents."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from .base import AbstractFactorisedPosterior, AbstractLatentDensity

# exp(+-LOG_VARIANCE_LIMIT) are still ordinary float32 numbers; no useful density is wider than e^7.5 or narrower than e^-7.5.
LOG_VARIANCE_LIMIT = 15.0


class DiagonalGaussianDensity(AbstractFactorisedPosterior):
    """N(z; mu, diag(sigma^2))."""

    mu: Float[Array, " latent"]
    log_variance: Float[Array, " latent"]

    @classmethod
    def clipped(cls, mu: Float[Array, " latent"], log_variance: Float[Array, " latent"]) -> DiagonalGaussianDensity:
        """With the log-variance held within +-15, so that no output of a network can overflow."""
        return cls(mu, jnp.clip(log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = mu + sigma * epsilon with epsilon ~ N(0, I) (Kingma and Welling 2014, eq. 10), and its log-density."""
        epsilon = jax.random.normal(key, self.mu.shape)
        z = self.mu + jnp.exp(0.5 * self.log_variance) * epsilon
        return z, -0.5 * jnp.sum(jnp.square(epsilon) + self.log_variance + jnp.log(2 * jnp.pi))

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        return jnp.sum(self.log_prob_by_latent(z))

    @override
    def log_prob_by_latent(self, z: Float[Array, " latent"]) -> Float[Array, " latent"]:
        squared = jnp.square(z - self.mu) * jnp.exp(-self.log_variance)
        return -0.5 * (squared + self.log_variance + jnp.log(2 * jnp.pi))

    @property
    @override
    def mean(self) -> Float[Array, " latent"]:
        return self.mu

    @property
    @override
    def variance(self) -> Float[Array, " latent"]:
        return jnp.exp(self.log_variance)


class StandardNormalDensity(AbstractLatentDensity):
    """N(z; 0, I): log p(z) = -|z|^2 / 2 - (J / 2) log(2 pi), J = `latent_dim`."""

    latent_dim: int = eqx.field(static=True)

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        return -0.5 * jnp.sum(jnp.square(z)) - 0.5 * self.latent_dim * jnp.log(2 * jnp.pi)

    @override
    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        return jax.random.normal(key, (self.latent_dim,))
