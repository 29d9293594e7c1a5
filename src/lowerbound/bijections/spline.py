"""The rational-quadratic spline of one number."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The spline acts within [-5, 5], where all but a millionth of N(0, 1) lies; outside the map is the identity.
INTERVAL = 5.0
# No bin is narrower or lower than this part of the average bin, and no slope at a knot is below the least: in thinner bins
# float32 could not find the way back.
SMALLEST_SHARE = 0.08
SMALLEST_SLOPE = 0.01
# softplus of this is 1 - SMALLEST_SLOPE.
_RAW_OF_UNIT_SLOPE = math.log(math.expm1(1 - SMALLEST_SLOPE))


class RationalQuadraticSpline(eqx.Module):
    r"""A monotone map of the line: rational-quadratic between K + 1 knots on [-5, 5], the identity outside.

    Within bin k, with theta = (x - x_k) / (x_{k+1} - x_k), its mean slope s and the slopes d_k, d_{k+1} at its ends,

        y = y_k + (y_{k+1} - y_k) (s theta^2 + d_k theta (1 - theta)) / (s + (d_{k+1} + d_k - 2 s) theta (1 - theta))

    (Durkan et al. 2019, Neural Spline Flows, arXiv 1906.04032, eqs. 4 and 5; the inverse is the root of a quadratic.)
    The slope at both ends is 1, so that the density of what passes through has no jump there.

    - `widths`, `heights`: of the bins. `slopes`: at all K + 1 knots.
    """

    widths: Float[Array, " bins"]
    heights: Float[Array, " bins"]
    slopes: Float[Array, " knots"]

    @classmethod
    def from_raw(cls, raw: Float[Array, " params"]) -> RationalQuadraticSpline:
        """From 3 K - 1 numbers: widths and heights before softmax, inner slopes before softplus; the identity at 0."""
        num_bins = (len(raw) + 1) // 3
        floor = SMALLEST_SHARE / num_bins
        widths, heights = (
            2 * INTERVAL * (floor + (1 - SMALLEST_SHARE) * jax.nn.softmax(part))
            for part in (raw[:num_bins], raw[num_bins : 2 * num_bins])
        )
        slopes = SMALLEST_SLOPE + jax.nn.softplus(raw[2 * num_bins :] + _RAW_OF_UNIT_SLOPE)
        return cls(widths, heights, jnp.pad(slopes, 1, constant_values=1.0))

    def forward_and_log_det(self, x: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """y, and log dy/dx."""
        inside = jnp.abs(x) < INTERVAL
        width, height, left, right, start, value = self._bin(jnp.where(inside, x, 0.0), self.widths, self.heights)
        theta = (jnp.where(inside, x, 0.0) - start) / width
        mean_slope = height / width
        between = theta * (1 - theta)
        denominator = mean_slope + (left + right - 2 * mean_slope) * between
        y = value + height * (mean_slope * theta**2 + left * between) / denominator
        log_slope = self._log_slope(theta, left, right, mean_slope)
        return jnp.where(inside, y, x), jnp.where(inside, log_slope, 0.0)

    def inverse_and_log_det(self, y: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """x, and log dx/dy."""
        inside = jnp.abs(y) < INTERVAL
        height, width, left, right, start, value = self._bin(jnp.where(inside, y, 0.0), self.heights, self.widths)
        mean_slope = height / width
        share = (jnp.where(inside, y, 0.0) - start) / height
        bend = (left + right - 2 * mean_slope) * share
        # a theta^2 + b theta + c = 0, divided by the bin's height.
        a, b, c = mean_slope - left + bend, left - bend, -mean_slope * share
        root = jnp.sqrt(jnp.maximum(b**2 - 4 * a * c, 1e-12))
        theta = 2 * c / (-b - root)
        log_slope = self._log_slope(theta, left, right, mean_slope)
        return jnp.where(inside, value + theta * width, y), jnp.where(inside, -log_slope, 0.0)

    def _bin(self, at: Array, along: Array, across: Array) -> tuple[Array, ...]:
        """Of the bin in which `at` lies: both sizes, the slopes at its ends, and where it starts along and across."""
        ends = jnp.cumsum(along) - INTERVAL
        number = jnp.sum(at >= ends[:-1])
        # A selection by a mask compiles to less than a gather, whose gradient is a scatter.
        is_it = jnp.arange(len(along)) == number
        is_before = jnp.arange(len(along)) < number

        def pick(values: Array) -> Array:
            return jnp.sum(jnp.where(is_it, values, 0.0))

        start, value = (jnp.sum(jnp.where(is_before, sizes, 0.0)) - INTERVAL for sizes in (along, across))
        return pick(along), pick(across), pick(self.slopes[:-1]), pick(self.slopes[1:]), start, value

    @staticmethod
    def _log_slope(theta: Array, left: Array, right: Array, mean_slope: Array) -> Array:
        between = theta * (1 - theta)
        numerator = right * theta**2 + 2 * mean_slope * between + left * (1 - theta) ** 2
        return 2 * jnp.log(mean_slope) + jnp.log(numerator) - 2 * jnp.log(mean_slope + (left + right - 2 * mean_slope) * between)
