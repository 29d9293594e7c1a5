"""Priors made of Gaussians with trained means and variances."""

from __future__ import annotations

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..densities import DiagonalGaussianDensity, Mixture
from ..errors import ConfigurationError
from ..networks import MLP
from ..networks.layers import seed_of
from .base import AbstractPrior, Recognise

# At the start half of the variance lies between the components and half within, so that the whole is about N(0, I).
INITIAL_VARIANCE = 0.5


class LearnedGaussian(AbstractPrior):
    r"""p(z|c) = N(z; mu(c), diag(sigma^2(c))), or N(z; mu, diag(sigma^2)) where there is no condition.

    The conditional prior of a conditional model (Sohn et al. 2015, Learning Structured Output Representation using Deep
    Conditional Generative Models): (mu, log sigma^2) come from a network of one hidden layer. Without a condition
    they are trained numbers themselves, which start at 0. The log-variance is clipped to +-15. Its KL from a diagonal Gaussian
    posterior has a closed form.

    - `latent_dim`: J. `condition_dim`: the length of c; 0 for none. `hidden_width`: units of the hidden layer.

    Raises `ConfigurationError` for a width below 1 or a negative length.
    """

    hidden_width: int = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)
    params: Float[Array, "two latent"] | None
    network: MLP | None
    is_factorised: ClassVar[bool] = True

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

    @override
    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> DiagonalGaussianDensity:
        params = self.params if self.network is None else self.network(jnp.zeros(0), condition=condition)
        assert params is not None
        return DiagonalGaussianDensity.clipped(params[0], params[1])


class MixtureOfGaussians(AbstractPrior):
    r"""p(z) = sum_k pi_k N(z; mu_k, diag(sigma_k^2)) with trained pi (through a softmax), mu and log sigma^2.

    (Dilokthanakul et al. 2016, arXiv 1611.02648, and the "MoG" prior of Tomczak and Welling 2018, arXiv 1705.07120, section 4.)

    The means start as draws from N(0, I / 2): components that start together would get the same gradient and stay together.
    Log-variances are clipped to +-15. A draw carries a gradient to its own component's mean and variance, none to the weights.

    - `latent_dim`: J. `num_components`: K >= 1.

    Raises `ConfigurationError` for fewer than one of either.
    """

    num_components: int = eqx.field(static=True)
    logits: Float[Array, " component"]
    means: Float[Array, "component latent"]
    log_variances: Float[Array, "component latent"]

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
        self.log_variances = jnp.full(shape, math.log(INITIAL_VARIANCE), jnp.float32)

    @override
    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> Mixture:
        components = jax.vmap(DiagonalGaussianDensity.clipped)(self.means, self.log_variances)
        return Mixture(*eqx.partition(components, eqx.is_array), self.num_components, self.logits)
