"""The step of a Sylvester normalising flow and its exact numerical inverse."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from .base import AbstractBijection, Context, Point, PointAndLogDet
from .monotone import tanh_rise, tanh_root
from .orthogonal import AbstractDirections

# The largest |r_ii| and |r~_ii|: then 1 + h' r_ii r~_ii >= 0.01, so that float32 finds the inverse.
DIAGONAL_LIMIT = 0.995


class SylvesterStep(AbstractBijection):
    r"""z' = z + Q R h(R~ Q^T z + b), h = tanh, for one example.

    log|det dz'/dz| = sum_i log(1 + h'(a_i) r_ii r~_ii),   a = R~ Q^T z + b

    (van den Berg et al. 2018, Sylvester Normalizing Flows for Variational Inference, arXiv 1803.05649, section 3; the
    log-determinant is their eq. 10.) Invertible where r_ii r~_ii > -1. Often mis-copied with Q^T R~ in place of R~ Q^T, which is
    no Sylvester flow: the determinant is then no product of diagonals.

    The inverse goes through v = Q^T z, from the last direction to the first: each is the root of one rising scalar function,
    and what is orthogonal to Q does not move.

    - `directions`: Q, Q^T Q = I. `outer`, `inner`: R and R~, upper triangular. `bias`: b.
    """

    directions: AbstractDirections
    outer: Float[Array, "directions directions"]
    inner: Float[Array, "directions directions"]
    bias: Float[Array, " directions"]

    @property
    def _slopes(self) -> Float[Array, " directions"]:
        """1 + r_ii r~_ii."""
        return 1.0 + jnp.diagonal(self.outer) * jnp.diagonal(self.inner)

    @override
    def forward_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        argument = self.inner @ self.directions.components(z) + self.bias
        moved = z + self.directions.times(self.outer @ jnp.tanh(argument))
        return moved, jnp.sum(jnp.log(tanh_rise(argument, self._slopes)))

    @override
    def inverse_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        argument, height = self._solved(self.directions.components(z))
        found = z - self.directions.times(self.outer @ height)
        return found, -jnp.sum(jnp.log(tanh_rise(argument, self._slopes)))

    def _solved(self, target: Float[Array, " directions"]) -> tuple[Float[Array, " directions"], Float[Array, " directions"]]:
        """a = R~ v + b and h(a), of the v with v + R h(R~ v + b) = target.

        Direction i, with those after it known, is v_i + r_ii h(r~_ii v_i + s) = y. Times r~_ii that is the equation
        a + r_ii r~_ii h(a) = r~_ii y + s of `tanh_root`, also where r~_ii is 0.
        """
        slopes, zeros = self._slopes, jnp.zeros_like(target)

        def solve(known: tuple[Array, Array], row: tuple[Array, ...]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
            v, height = known
            i, outer, inner, bias, slope, goal = row
            goal = goal - outer @ height
            argument = tanh_root(inner @ v + bias + inner[i] * goal, slope)
            h = jnp.tanh(argument)
            return (v.at[i].set(goal - outer[i] * h), height.at[i].set(h)), (argument, h)

        rows = (jnp.arange(len(zeros)), self.outer, self.inner, self.bias, slopes, target)
        return jax.lax.scan(solve, (zeros, zeros), rows, reverse=True)[1]


def triangular_shapes(size: int) -> tuple[tuple[int, ...], ...]:
    """What the encoder puts out for R, R~ and b of one step: a square that holds both triangles, R~'s diagonal, and the bias."""
    return (size, size), (size,), (size,)


def step_of(
    directions: AbstractDirections,
    square: Float[Array, "directions directions"],
    inner_diagonal: Float[Array, " directions"],
    bias: Float[Array, " directions"],
) -> SylvesterStep:
    """A step from the encoder's numbers: R is the square's upper triangle, R~ the lower one turned over.

    The diagonals go through tanh, as in the paper's appendix. That of R~ starts at tanh(1): with R, R~ and b all at 0 nothing
    would have a gradient. R = 0 alone makes the step the identity.

    What stands beside the diagonals is divided by the number of directions, M. A row of R adds up to M numbers that an
    optimiser moves together, and each step of Adam would move z by M times its size: with 40 directions and a KL weight still
    near 0, draws went off to a KL divergence of 1e5 nats and did not come back.
    """
    beside = square / len(bias)
    outer = jnp.triu(beside, 1) + jnp.diag(DIAGONAL_LIMIT * jnp.tanh(jnp.diagonal(square)))
    inner = jnp.triu(beside.T, 1) + jnp.diag(DIAGONAL_LIMIT * jnp.tanh(inner_diagonal + 1.0))
    return SylvesterStep(directions, outer, inner, bias)
