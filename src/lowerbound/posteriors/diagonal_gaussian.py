"""The diagonal Gaussian posterior with the reparametrisation trick."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractLatentDensity, DiagonalGaussianDensity, Space, StandardNormal
from .base import AbstractFactorisedPosterior, AbstractPosteriorFamily

# exp(+-LOG_VARIANCE_LIMIT) are still ordinary float32 numbers; no useful posterior is wider than e^7.5 or narrower than e^-7.5.
LOG_VARIANCE_LIMIT = 15.0


class ConditionedDiagonalGaussian(AbstractFactorisedPosterior):
    """N(z; mu, diag(sigma^2)) for one example."""

    mu: Float[Array, " latent"]
    log_variance: Float[Array, " latent"]

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = mu + sigma * epsilon with epsilon ~ N(0, I) (Kingma and Welling 2014, eq. 10), and log q(z|x)."""
        epsilon = jax.random.normal(key, self.mu.shape)
        z = self.mu + jnp.exp(0.5 * self.log_variance) * epsilon
        return z, -0.5 * jnp.sum(jnp.square(epsilon) + self.log_variance + jnp.log(2 * jnp.pi))

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw."""
        return self.sample_and_log_prob(key)[0]

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log N(z; mu, diag(sigma^2)) in nats."""
        return jnp.sum(self.log_prob_by_latent(z))

    def log_prob_by_latent(self, z: Float[Array, " latent"]) -> Float[Array, " latent"]:
        """log N(z_j; mu_j, sigma_j^2) in nats."""
        squared = jnp.square(z - self.mu) * jnp.exp(-self.log_variance)
        return -0.5 * (squared + self.log_variance + jnp.log(2 * jnp.pi))

    @property
    def mean(self) -> Float[Array, " latent"]:
        """mu."""
        return self.mu

    @property
    def variance(self) -> Float[Array, " latent"]:
        """sigma^2."""
        return jnp.exp(self.log_variance)

    def kl_to(self, prior: AbstractLatentDensity) -> Float[Array, " latent"] | None:
        """-(1 + log sigma^2 - mu^2 - sigma^2) / 2 for each latent, to N(0, I) (Kingma and Welling 2014, appendix B).

        To N(m, diag(s^2)) it is -(1 + log(sigma^2/s^2) - (mu - m)^2/s^2 - sigma^2/s^2) / 2.
        """
        if isinstance(prior, DiagonalGaussianDensity):
            log_ratio = self.log_variance - prior.log_variance
            squared = jnp.square(self.mu - prior.mu) * jnp.exp(-prior.log_variance)
            return -0.5 * (1.0 + log_ratio - squared - jnp.exp(log_ratio))
        if not isinstance(prior, StandardNormal):
            return None
        return -0.5 * (1.0 + self.log_variance - jnp.square(self.mu) - jnp.exp(self.log_variance))


class DiagonalGaussian(AbstractPosteriorFamily):
    r"""q(z|x) = N(z; mu(x), diag(sigma^2(x))) (Kingma and Welling 2014, eq. 9).

    The encoder puts out (mu, log sigma^2). The log-variance is clipped to +-15, so that no encoder output can overflow.
    """

    latent_dim: int = eqx.field(static=True)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = True

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(2, latent_dim): mu and log sigma^2."""
        return (2, self.latent_dim)

    def condition(self, params: Float[Array, "two latent"]) -> ConditionedDiagonalGaussian:
        """N(mu, diag(sigma^2)) from the stacked (mu, log sigma^2)."""
        return ConditionedDiagonalGaussian(params[0], jnp.clip(params[1], -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))
