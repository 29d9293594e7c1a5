"""Coupling layers with rational-quadratic splines."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..errors import ConfigurationError
from ..networks.layers import elu, seed_of
from .base import AbstractBijection, Conditioners, Context, Point, PointAndLogDet, require_sizes, with_context
from .spline import RationalQuadraticSpline


class SplineCoupling(AbstractBijection):
    r"""A stack of maps in which half of the latents pass through splines whose shape depends on the other half and the context.

        y = P (z_a, g(z_b; theta(z_a, h))),      log|det dy/dz| = sum_j log g'(z_bj)

    g is a `RationalQuadraticSpline` (Durkan et al. 2019, Neural Spline Flows, arXiv 1906.04032, section 3). P permutes: layers
    come in pairs, the second of which bends what the first one passed on. theta comes from one network for each layer. Both
    directions take one pass for each layer.

    - `latent_dim`: J >= 2. `context_dim`: the length of h; 0 for none. `num_layers`, `hidden_width`: of the networks.
      `num_bins`: >= 2.

    Raises `ConfigurationError` for one latent, which has no other half.
    """

    latent_dim: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    num_bins: int = eqx.field(static=True)
    conditioners: Conditioners
    permutations: np.ndarray

    def __init__(
        self, latent_dim: int, context_dim: int, *, num_layers: int, hidden_width: int, num_bins: int, key: PRNGKeyArray
    ) -> None:
        if latent_dim < 2:
            raise ConfigurationError(
                f"a coupling of splines needs 2 latents or more, but latent_dim is {latent_dim}: one half of the latents shapes "
                "the splines of the other. For one latent, use the prior mixture-of-gaussians or the posterior "
                "inverse-autoregressive."
            )
        require_sizes("SplineCoupling", context_dim=context_dim, num_layers=num_layers, hidden_width=hidden_width)
        if num_bins < 2:
            raise ConfigurationError(f"SplineCoupling: num_bins is {num_bins}; it must be a whole number from 2 up.")
        self.latent_dim, self.context_dim, self.num_bins = latent_dim, context_dim, num_bins
        passed = latent_dim // 2
        bias = np.zeros((latent_dim - passed) * (3 * num_bins - 1))
        random = np.random.default_rng(seed_of(key))
        self.conditioners = Conditioners.initial(num_layers, passed + context_dim, hidden_width, bias, random)
        reverse = np.arange(latent_dim)[::-1]
        orders = [reverse if layer % 2 == 0 else random.permutation(latent_dim) for layer in range(num_layers)]
        self.permutations = np.asarray(orders, np.int32)

    @override
    def forward_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        def layer(carry: tuple[Array, Array], weights: tuple[Conditioners, Array]) -> tuple[tuple[Array, Array], None]:
            (z, log_det), (network, permutation) = carry, weights
            y, change = self._bend(RationalQuadraticSpline.forward_and_log_det, network, z, context)
            return (y[permutation], log_det + change), None

        return jax.lax.scan(layer, (z, jnp.zeros(())), (self.conditioners, jnp.asarray(self.permutations)))[0]

    @override
    def inverse_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        def layer(carry: tuple[Array, Array], weights: tuple[Conditioners, Array]) -> tuple[tuple[Array, Array], None]:
            (z, log_det), (network, permutation) = carry, weights
            y = jnp.zeros_like(z).at[permutation].set(z)
            z, change = self._bend(RationalQuadraticSpline.inverse_and_log_det, network, y, context)
            return (z, log_det + change), None

        weights = (self.conditioners, jnp.asarray(self.permutations))
        return jax.lax.scan(layer, (z, jnp.zeros(())), weights, reverse=True)[0]

    def _bend(
        self,
        direction: Callable[[RationalQuadraticSpline, Array], tuple[Array, Array]],
        network: Conditioners,
        z: Point,
        context: Context,
    ) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """The second half of z through the splines that the first half makes."""
        passed, bent = z[: self.latent_dim // 2], z[self.latent_dim // 2 :]
        hidden = elu(with_context(passed, context) @ network.hidden_weight + network.hidden_bias)
        raw = (hidden @ network.output_weight + network.output_bias).reshape(len(bent), 3 * self.num_bins - 1)
        bent, log_dets = jax.vmap(lambda raw, z: direction(RationalQuadraticSpline.from_raw(raw), z))(raw, bent)
        return jnp.concatenate([passed, bent]), log_dets.sum()
