"""Flow priors: N(0, I) seen through an invertible network."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..bijections import AbstractBijection, MaskedAutoregressive, SplineCoupling
from ..networks import with_condition
from .base import AbstractLatentDensity, AbstractPrior, Recognise, Space


class FlowDensity(AbstractLatentDensity):
    r"""log p(z|c) = log N(f(z, c); 0, I) + log|det df/dz|: f takes latents to noise, so that the density needs no inverse."""

    flow: AbstractBijection
    context: Float[Array, " condition"]

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log p(z|c) in nats."""
        noise, log_det = self.flow.forward_and_log_det(z, self.context)
        return log_det - 0.5 * jnp.sum(jnp.square(noise) + jnp.log(2 * jnp.pi))

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw, f^-1(epsilon, c)."""
        noise = jax.random.normal(key, (self.flow.latent_dim,))
        return self.flow.inverse_and_log_det(noise, self.context)[0]


class SplineFlow(AbstractPrior):
    """A coupling flow of rational-quadratic splines (Durkan et al. 2019, arXiv 1906.04032); see `SplineCoupling`.

    Its draws and its density take one pass for each layer. It starts near N(0, I).

    - `latent_dim`: J >= 2. `num_layers`, `hidden_width`: of the networks. `num_bins`: of the splines. `condition_dim`: the length
      of the condition; 0 for none.

    Raises `ConfigurationError` for a size that cannot be.
    """

    latent_dim: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)
    hidden_width: int = eqx.field(static=True)
    num_bins: int = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)
    flow: SplineCoupling
    space: ClassVar[Space] = "euclidean"
    is_made_of_posterior: ClassVar[bool] = False

    def __init__(
        self,
        latent_dim: int,
        num_layers: int = 4,
        hidden_width: int = 64,
        num_bins: int = 8,
        condition_dim: int = 0,
        *,
        key: PRNGKeyArray,
    ) -> None:
        self.latent_dim, self.num_layers, self.hidden_width = latent_dim, num_layers, hidden_width
        self.num_bins, self.condition_dim = num_bins, condition_dim
        self.flow = SplineCoupling(
            latent_dim, condition_dim, num_layers=num_layers, hidden_width=hidden_width, num_bins=num_bins, key=key
        )

    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> FlowDensity:
        """The flow given c."""
        return FlowDensity(self.flow, with_condition(jnp.zeros(0), condition, self.condition_dim))


class AutoregressiveFlow(AbstractPrior):
    """A masked autoregressive flow (Papamakarios et al. 2017, arXiv 1705.07057); see `MaskedAutoregressive`.

    Its density takes one pass for each layer, a draw J passes. It starts near N(0, I).

    - `latent_dim`: J. `num_layers`, `hidden_width`: of the networks. `condition_dim`: the length of the condition; 0 for none.

    Raises `ConfigurationError` for a size that cannot be.
    """

    latent_dim: int = eqx.field(static=True)
    num_layers: int = eqx.field(static=True)
    hidden_width: int = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)
    flow: MaskedAutoregressive
    space: ClassVar[Space] = "euclidean"
    is_made_of_posterior: ClassVar[bool] = False

    def __init__(
        self, latent_dim: int, num_layers: int = 4, hidden_width: int = 64, condition_dim: int = 0, *, key: PRNGKeyArray
    ) -> None:
        self.latent_dim, self.num_layers, self.hidden_width = latent_dim, num_layers, hidden_width
        self.condition_dim = condition_dim
        self.flow = MaskedAutoregressive(
            latent_dim, condition_dim, num_layers=num_layers, hidden_width=hidden_width, form="affine", key=key
        )

    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> FlowDensity:
        """The flow given c."""
        return FlowDensity(self.flow, with_condition(jnp.zeros(0), condition, self.condition_dim))
