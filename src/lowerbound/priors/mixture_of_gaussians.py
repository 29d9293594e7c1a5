"""The prior that is a mixture of Gaussians."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import ConfigurationError
from ..networks.layers import seed_of
from .base import AbstractLatentDensity, AbstractPrior, Recognise, Space
from .learned_gaussian import LOG_VARIANCE_LIMIT

# At the start half of the variance lies between the components and half within, so that the whole is about N(0, I).
INITIAL_VARIANCE = 0.5


class MixtureOfGaussians(AbstractPrior, AbstractLatentDensity):
    r"""p(z) = sum_k pi_k N(z; mu_k, diag(sigma_k^2)) with trained pi (through a softmax), mu and log sigma^2.

    (Dilokthanakul et al. 2016, arXiv 1611.02648, and the "MoG" prior of Tomczak and Welling 2018, arXiv 1705.07120, section 4.)

    The means start as draws from N(0, I / 2): components that start together would get the same gradient and stay together.
    Log-variances are clipped to +-15. A draw carries a gradient to its own component's mean and variance, none to the weights.

    - `latent_dim`: J. `num_components`: K >= 1.

    Raises `ConfigurationError` for fewer than one of either.
    """

    latent_dim: int = eqx.field(static=True)
    num_components: int = eqx.field(static=True)
    logits: Float[Array, " component"]
    means: Float[Array, "component latent"]
    log_variances: Float[Array, "component latent"]
    space: ClassVar[Space] = "euclidean"
    is_made_of_posterior: ClassVar[bool] = False

    def __init__(self, latent_dim: int, num_components: int = 10, *, key: PRNGKeyArray) -> None:
        if latent_dim < 1 or num_components < 1:
            raise ConfigurationError(
                f"MixtureOfGaussians: latent_dim is {latent_dim} and num_components {num_components}; both must be 1 or more."
            )
        self.latent_dim, self.num_components = latent_dim, num_components
        shape = (num_components, latent_dim)
        means = (1 - INITIAL_VARIANCE) ** 0.5 * np.random.default_rng(seed_of(key)).standard_normal(shape)
        self.logits = jnp.zeros(num_components)
        self.means = jnp.asarray(means, jnp.float32)
        self.log_variances = jnp.full(shape, jnp.log(INITIAL_VARIANCE))

    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> MixtureOfGaussians:
        """Itself: it depends on nothing."""
        return self

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log p(z) in nats."""
        log_variances = self._clipped()
        squared = jnp.square(z - self.means) * jnp.exp(-log_variances)
        each = -0.5 * jnp.sum(squared + log_variances + jnp.log(2 * jnp.pi), axis=1)
        return jax.nn.logsumexp(jax.nn.log_softmax(self.logits) + each)

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw: of a component, then from it."""
        component_key, noise_key = jax.random.split(key)
        component = jax.random.categorical(component_key, self.logits)
        noise = jax.random.normal(noise_key, (self.latent_dim,))
        return self.means[component] + jnp.exp(0.5 * self._clipped()[component]) * noise

    def _clipped(self) -> Float[Array, "component latent"]:
        return jnp.clip(self.log_variances, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
