"""The diagonal Gaussian posterior with the reparametrisation trick."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractPrior, StandardNormal
from .base import AbstractPosterior, AbstractPosteriorFamily

# exp(+-LOG_VARIANCE_LIMIT) are still ordinary float32 numbers; no useful posterior is wider than e^7.5 or narrower than e^-7.5.
LOG_VARIANCE_LIMIT = 15.0


class ConditionedDiagonalGaussian(AbstractPosterior):
    """N(z; mu, diag(sigma^2)) for one example."""

    mu: Float[Array, " latent"]
    log_variance: Float[Array, " latent"]

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = mu + sigma * epsilon with epsilon ~ N(0, I) (Kingma and Welling 2014, eq. 10), and log q(z|x)."""
        epsilon = jax.random.normal(key, self.mu.shape)
        z = self.mu + jnp.exp(0.5 * self.log_variance) * epsilon
        return z, -0.5 * jnp.sum(jnp.square(epsilon) + self.log_variance + jnp.log(2 * jnp.pi))

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log N(z; mu, diag(sigma^2)) in nats."""
        squared = jnp.square(z - self.mu) * jnp.exp(-self.log_variance)
        return -0.5 * jnp.sum(squared + self.log_variance + jnp.log(2 * jnp.pi))

    @property
    def mean(self) -> Float[Array, " latent"]:
        """mu."""
        return self.mu

    def kl_to(self, prior: AbstractPrior) -> Float[Array, " latent"] | None:
        """-(1 + log sigma^2 - mu^2 - sigma^2) / 2 for each latent, to N(0, I) (Kingma and Welling 2014, appendix B)."""
        if not isinstance(prior, StandardNormal):
            return None
        return -0.5 * (1.0 + self.log_variance - jnp.square(self.mu) - jnp.exp(self.log_variance))


class DiagonalGaussian(AbstractPosteriorFamily):
    r"""q(z|x) = N(z; mu(x), diag(sigma^2(x))) (Kingma and Welling 2014, eq. 9).

    The encoder puts out (mu, log sigma^2). The log-variance is clipped to +-15, so that no encoder output can overflow.
    """

    latent_dim: int = eqx.field(static=True)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(2, latent_dim): mu and log sigma^2."""
        return (2, self.latent_dim)

    def condition(self, params: Float[Array, "two latent"]) -> AbstractPosterior:
        """N(mu, diag(sigma^2)) from the stacked (mu, log sigma^2)."""
        return ConditionedDiagonalGaussian(params[0], jnp.clip(params[1], -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))
