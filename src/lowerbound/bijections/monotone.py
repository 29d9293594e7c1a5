"""The scalar equation to which the inverses of planar and Sylvester flows come down."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Enough for float32 rounding at every slope from 3e-7 to 1e4 (tests/oracles/test_flows.py); most roots need 5.
NEWTON_STEPS = 16


@jax.custom_jvp
def tanh_root(c: Float[Array, ""], slope: Float[Array, ""]) -> Float[Array, ""]:
    r"""The one root t of t + (slope - 1) tanh(t) = c, for slope > 0.

    The left side is odd and rises, by `slope` at 0. On t > 0 it is concave for slope > 1 and convex for slope < 1, so
    Newton's method that starts on the side of the root where the tangent does not overshoot,

        slope >= 1: t_0 = max(c - slope + 1, c / slope),   slope < 1: t_0 = min(c - slope + 1, c / slope)   (for c > 0),

    goes to the root without ever crossing it; no bracket is needed. Derivatives of any order are those of the implicit
    function, dt = (dc - tanh(t) dslope) / (d left side / dt).

    - `slope`: below 1 by how much tanh can turn the map back, -1 < slope - 1 in the papers' conditions.
    """
    size, gain = jnp.abs(c), slope - 1.0
    shallow, steep = size / slope, size - gain

    def newton(_: Array, t: Array) -> Array:
        return t - (t + gain * jnp.tanh(t) - size) / tanh_rise(t, slope)

    start = jnp.where(gain > 0, jnp.maximum(steep, shallow), jnp.minimum(steep, shallow))
    return jnp.where(c < 0, -1.0, 1.0) * jax.lax.fori_loop(0, NEWTON_STEPS, newton, start)


@tanh_root.defjvp
def _tanh_root_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    (c, slope), (c_dot, slope_dot) = primals, tangents
    t = tanh_root(c, slope)
    return t, (c_dot - jnp.tanh(t) * slope_dot) / tanh_rise(t, slope)


def tanh_rise(t: Float[Array, "..."], slope: Float[Array, "..."]) -> Float[Array, "..."]:
    """1 + (slope - 1) tanh'(t) = tanh(t)^2 + slope (1 - tanh(t)^2), as a sum of positive terms that cannot round to 0."""
    squared = jnp.square(jnp.tanh(t))
    return squared + slope * (1.0 - squared)
