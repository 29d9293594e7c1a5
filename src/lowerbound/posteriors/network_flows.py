"""Flow posteriors whose steps are networks of their own, told about the example by a context from the encoder."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..bijections import AbstractBijection, MaskedAutoregressive, SplineCoupling
from ..densities import DiagonalGaussianDensity, Transformed
from .base import AbstractPosteriorFamily


class AbstractNetworkFlow(AbstractPosteriorFamily):
    """A diagonal Gaussian pushed through one bijection with trained networks, in a context that the encoder puts out."""

    context_dim: eqx.AbstractVar[int]
    flow: eqx.AbstractVar[AbstractBijection]
    is_flow: ClassVar[bool] = True

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """(2 latent_dim + context_dim,): mu, log sigma^2 and h."""
        return (2 * self.latent_dim + self.context_dim,)

    @override
    def at(self, params: Float[Array, " params"]) -> Transformed:
        mu, log_variance, context = jnp.split(params, (self.latent_dim, 2 * self.latent_dim))
        return Transformed(DiagonalGaussianDensity.clipped(mu, log_variance), (self.flow,), context)


class InverseAutoregressive(AbstractNetworkFlow):
    r"""Inverse autoregressive flow (Kingma et al. 2016, arXiv 1606.04934, algorithm 1).

        z_0 = mu + sigma * epsilon,     z_t = s_t * z_{t-1} + (1 - s_t) * m_t
        log q(z_T|x) = log N(z_0; mu, diag(sigma^2)) - sum_t sum_j log s_tj

    s_t in (0, 1) and m_t come from masked networks that see the earlier latents of z_{t-1} and the context h, which the encoder
    puts out beside mu and log sigma^2; the order of the latents is reversed between steps. See `MaskedAutoregressive`. A draw
    and its density take one pass for each step. The density of a given z takes `latent_dim` passes for each step.

    - `latent_dim`: J. `num_flows`: T. `hidden_width`: units of each network. `context_dim`: the length of h.

    Raises `ConfigurationError` for a size that cannot be.
    """

    num_flows: int = eqx.field(static=True)
    hidden_width: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    flow: MaskedAutoregressive

    def __init__(
        self, latent_dim: int, num_flows: int = 4, hidden_width: int = 128, context_dim: int = 32, *, key: PRNGKeyArray
    ) -> None:
        self.latent_dim, self.num_flows, self.hidden_width = latent_dim, num_flows, hidden_width
        self.context_dim = context_dim
        self.flow = MaskedAutoregressive(
            latent_dim, context_dim, num_layers=num_flows, hidden_width=hidden_width, form="gate", key=key
        )


class CouplingSpline(AbstractNetworkFlow):
    r"""A coupling flow of rational-quadratic splines (Durkan et al. 2019, Neural Spline Flows, arXiv 1906.04032).

        z_0 = mu + sigma * epsilon,     z_t = f_t(z_{t-1}, h)
        log q(z_T|x) = log N(z_0; mu, diag(sigma^2)) - sum_t log|det df_t/dz_{t-1}|

    The context h comes from the encoder, beside mu and log sigma^2. See `SplineCoupling`. A draw, its density and the density
    of a given z all take one pass for each step. The splines bend [-5, 5] and leave alone what lies outside.

    - `latent_dim`: J >= 2. `num_flows`: T. `hidden_width`: units of each network. `num_bins`: of each spline. `context_dim`: the
      length of h.

    Raises `ConfigurationError` for a size that cannot be.
    """

    num_flows: int = eqx.field(static=True)
    hidden_width: int = eqx.field(static=True)
    num_bins: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    flow: SplineCoupling
    least_latents: ClassVar[int] = 2

    def __init__(
        self,
        latent_dim: int,
        num_flows: int = 4,
        hidden_width: int = 128,
        num_bins: int = 8,
        context_dim: int = 32,
        *,
        key: PRNGKeyArray,
    ) -> None:
        self.latent_dim, self.num_flows, self.hidden_width = latent_dim, num_flows, hidden_width
        self.num_bins, self.context_dim = num_bins, context_dim
        self.flow = SplineCoupling(
            latent_dim, context_dim, num_layers=num_flows, hidden_width=hidden_width, num_bins=num_bins, key=key
        )
