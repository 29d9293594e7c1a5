"""The planar step: z moves along one direction, by an amount that depends on z along another."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from .base import AbstractBijection, Context, Point, PointAndLogDet
from .monotone import tanh_rise, tanh_root

# m(x) = 0 here: the w^T u at which the constrained shift is none.
UNSHIFTED = math.log(math.e - 1)
# Below this w^T u, -1 + softplus is -1 in float32, and the map could not be inverted.
SMALLEST_PRODUCT = -15.0


class PlanarStep(AbstractBijection):
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

    @override
    def forward_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        argument = self.w @ z + self.b
        return z + self.u_hat * jnp.tanh(argument), jnp.log(tanh_rise(argument, self.slope))

    @override
    def inverse_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        """With a = w^T z + b, the root of a + w^T u_hat tanh(a) = w^T z' + b (appendix A.1)."""
        argument = tanh_root(self.w @ z + self.b, self.slope)
        return z - self.u_hat * jnp.tanh(argument), -jnp.log(tanh_rise(argument, self.slope))
