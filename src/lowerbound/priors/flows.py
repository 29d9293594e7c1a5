"""Flow priors: N(0, I) seen through an invertible network."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..bijections import AbstractBijection, Inverted, MaskedAutoregressive, SplineCoupling
from ..densities import DiagonalGaussianDensity, Transformed
from ..networks import with_condition
from .base import AbstractPrior, Recognise


class AbstractFlowPrior(AbstractPrior):
    r"""log p(z|c) = log N(f(z, c); 0, I) + log|det df/dz|: f takes latents to noise, so that the density needs no inverse."""

    condition_dim: eqx.AbstractVar[int]
    flow: eqx.AbstractVar[AbstractBijection]

    @override
    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> Transformed:
        zeros = jnp.zeros(self.latent_dim)
        context = with_condition(jnp.zeros(0), condition, self.condition_dim)
        return Transformed(DiagonalGaussianDensity(zeros, zeros), (Inverted(self.flow),), context)


class SplineFlow(AbstractFlowPrior):
    """A coupling flow of rational-quadratic splines (Durkan et al. 2019, arXiv 1906.04032); see `SplineCoupling`.

    Its draws and its density take one pass for each layer. It starts near N(0, I).

    - `latent_dim`: J >= 2. `num_layers`, `hidden_width`: of the networks. `num_bins`: of the splines. `condition_dim`: the length
      of the condition; 0 for none.

    Raises `ConfigurationError` for a size that cannot be.
    """

    num_layers: int = eqx.field(static=True)
    hidden_width: int = eqx.field(static=True)
    num_bins: int = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)
    flow: SplineCoupling
    least_latents: ClassVar[int] = 2

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


class AutoregressiveFlow(AbstractFlowPrior):
    """A masked autoregressive flow (Papamakarios et al. 2017, arXiv 1705.07057); see `MaskedAutoregressive`.

    Its density takes one pass for each layer, a draw J passes. It starts near N(0, I).

    - `latent_dim`: J. `num_layers`, `hidden_width`: of the networks. `condition_dim`: the length of the condition; 0 for none.

    Raises `ConfigurationError` for a size that cannot be.
    """

    num_layers: int = eqx.field(static=True)
    hidden_width: int = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)
    flow: MaskedAutoregressive

    def __init__(
        self, latent_dim: int, num_layers: int = 4, hidden_width: int = 64, condition_dim: int = 0, *, key: PRNGKeyArray
    ) -> None:
        self.latent_dim, self.num_layers, self.hidden_width = latent_dim, num_layers, hidden_width
        self.condition_dim = condition_dim
        self.flow = MaskedAutoregressive(
            latent_dim, condition_dim, num_layers=num_layers, hidden_width=hidden_width, form="affine", key=key
        )
