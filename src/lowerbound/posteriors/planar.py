"""Planar flows: each step shifts z along one direction, by an amount that depends on z along another."""

from __future__ import annotations

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..priors import Space
from .base import AbstractPosteriorFamily
from .checks import check_at_least_one
from .diagonal_gaussian import DiagonalGaussian
from .flows import AbstractFlowStep, FlowPosterior, num_numbers, unpacked, unstacked
from .monotone import tanh_rise, tanh_root

# m(x) = 0 here: the w^T u at which the constrained shift is none.
UNSHIFTED = math.log(math.e - 1)
# Below this w^T u, -1 + softplus is -1 in float32, and the map could not be inverted.
SMALLEST_PRODUCT = -15.0


class PlanarStep(AbstractFlowStep):
    r"""z' = z + u_hat h(w^T z + b), h = tanh, for one example.

    u_hat = u + (m(w^T u) - w^T u) w / |w|^2,   m(x) = -1 + log(1 + e^x)
    log|det dz'/dz| = log(1 + h'(w^T z + b) w^T u_hat)

    (Rezende and Mohamed 2015, arXiv 1505.05770, eqs. 10 to 12 and appendix A.1.) w^T u_hat = m(w^T u) > -1 makes the map
    invertible. Often mis-copied: without the division by |w|^2, or with m(x) = log(1 + e^x).

    The field `u` holds u - log(e - 1) w / |w|^2, the paper's vector from another origin: where it is 0 the step is the
    identity, and there is no pole at w = 0, where the paper's u_hat grows like m(0) / |w|.
    """

    w: Float[Array, " latent"]
    u: Float[Array, " latent"]
    b: Float[Array, ""]

    @property
    def slope(self) -> Float[Array, ""]:
        """1 + w^T u_hat, in (0, inf): log(1 + e^(w^T u)) of the paper's u."""
        return jax.nn.softplus(jnp.maximum(self.w @ self.u + UNSHIFTED, SMALLEST_PRODUCT))

    @property
    def u_hat(self) -> Float[Array, " latent"]:
        """The direction of the shift."""
        squared = self.w @ self.w
        # A w of length 0 needs no correction, as w^T u is 0 whatever u is.
        has_direction = squared > 1e-12
        factor = jnp.where(has_direction, 1.0 / jnp.where(has_direction, squared, 1.0), 0.0)
        return self.u + (self.slope - 1.0 - self.w @ self.u) * factor * self.w

    def forward_and_log_det(self, z: Float[Array, " latent"]) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z', and its log-determinant."""
        argument = self.w @ z + self.b
        return z + self.u_hat * jnp.tanh(argument), jnp.log(tanh_rise(argument, self.slope))

    def inverse_and_log_det(self, z: Float[Array, " latent"]) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """The z that `forward_and_log_det` takes to the given one, and minus its log-determinant there.

        a = w^T z + b is the root of a + w^T u_hat tanh(a) = w^T z' + b (appendix A.1).
        """
        argument = tanh_root(self.w @ z + self.b, self.slope)
        return z - self.u_hat * jnp.tanh(argument), -jnp.log(tanh_rise(argument, self.slope))


class Planar(AbstractPosteriorFamily):
    r"""q(z|x) of a diagonal Gaussian pushed through planar steps whose w, u and b the encoder chooses for each example.

    (Rezende and Mohamed 2015, Variational Inference with Normalizing Flows, arXiv 1505.05770, section 4.)

    With an encoder output of 0 every step is the identity, and each has its own axis as w: at w = u = 0 nothing would have a
    gradient.

    - `num_flows`: K, steps.

    Raises `ConfigurationError` when it is below 1.
    """

    latent_dim: int = eqx.field(static=True)
    num_flows: int = eqx.field(static=True, default=4)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_at_least_one("planar", num_flows=self.num_flows)

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        vectors = (self.num_flows, self.latent_dim)
        return [(2, self.latent_dim), vectors, vectors, (self.num_flows,)]

    @property
    def param_shape(self) -> tuple[int, ...]:
        """mu and log sigma^2, then every w, every u and every b; all flat."""
        return (num_numbers(self._shapes),)

    def condition(self, params: Float[Array, " params"]) -> FlowPosterior:
        """q(z|x) with these parameters."""
        base, w, u, b = unpacked(params, self._shapes)
        axes = jnp.eye(self.latent_dim, dtype=params.dtype)[np.arange(self.num_flows) % self.latent_dim]
        steps = jax.vmap(PlanarStep)(w + axes, u, b)
        return FlowPosterior(DiagonalGaussian(self.latent_dim).condition(base), unstacked(steps, self.num_flows))
