"""A Gaussian prior with a trained mean and variance, both functions of the condition where the model has one."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import ConfigurationError
from ..networks import MLP
from .base import AbstractLatentDensity, AbstractPrior, Recognise, Space

# As in the diagonal Gaussian posterior: exp(+-15) are still ordinary float32 numbers.
LOG_VARIANCE_LIMIT = 15.0


class DiagonalGaussianDensity(AbstractLatentDensity):
    """N(z; mu, diag(sigma^2))."""

    mu: Float[Array, " latent"]
    log_variance: Float[Array, " latent"]

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log N(z; mu, diag(sigma^2)) in nats."""
        squared = jnp.square(z - self.mu) * jnp.exp(-self.log_variance)
        return -0.5 * jnp.sum(squared + self.log_variance + jnp.log(2 * jnp.pi))

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw, mu + sigma * epsilon."""
        return self.mu + jnp.exp(0.5 * self.log_variance) * jax.random.normal(key, self.mu.shape)


class LearnedGaussian(AbstractPrior):
    r"""p(z|c) = N(z; mu(c), diag(sigma^2(c))), or N(z; mu, diag(sigma^2)) where there is no condition.

    The conditional prior of a conditional model (Sohn et al. 2015, Learning Structured Output Representation using Deep
    Conditional Generative Models): (mu, log sigma^2) come from a network of one hidden layer. Without a condition
    they are trained numbers themselves, which start at 0. The log-variance is clipped to +-15. Its KL from a diagonal Gaussian
    posterior has a closed form.

    - `latent_dim`: J. `condition_dim`: the length of c; 0 for none. `hidden_width`: units of the hidden layer.

    Raises `ConfigurationError` for a width below 1 or a negative length.
    """

    latent_dim: int = eqx.field(static=True)
    hidden_width: int = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)
    params: Float[Array, "two latent"] | None
    network: MLP | None
    space: ClassVar[Space] = "euclidean"
    is_made_of_posterior: ClassVar[bool] = False

    def __init__(self, latent_dim: int, hidden_width: int = 64, condition_dim: int = 0, *, key: PRNGKeyArray) -> None:
        if latent_dim < 1 or hidden_width < 1 or condition_dim < 0:
            raise ConfigurationError(
                f"LearnedGaussian: latent_dim is {latent_dim}, hidden_width {hidden_width}, condition_dim {condition_dim}; the "
                "first two must be 1 or more and the last 0 (no condition) or more."
            )
        self.latent_dim, self.hidden_width, self.condition_dim = latent_dim, hidden_width, condition_dim
        is_conditional = condition_dim > 0
        self.params = None if is_conditional else jnp.zeros((2, latent_dim))
        self.network = (
            MLP((0,), (2, latent_dim), hidden_widths=(hidden_width,), condition_dim=condition_dim, key=key)
            if is_conditional
            else None
        )

    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> DiagonalGaussianDensity:
        """N(mu(c), diag(sigma^2(c)))."""
        params = self.params if self.network is None else self.network(jnp.zeros(0), condition=condition)
        assert params is not None
        return DiagonalGaussianDensity(params[0], jnp.clip(params[1], -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))
