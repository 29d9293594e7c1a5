"""Laws of single elements as sums: values and their probabilities, by which an expectation of any smooth function is a sum."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

# Of a normal law, in its deviations. The trapezoid rule's error falls as e^(-2 pi d / h) where a function has no pole within d:
# the mean of a logistic function of slope 5 is right to 1e-5, of slope 20 to 0.04 (tests/oracles/test_masks.py).
_FARTHEST, _COUNT = 6.0, 41
_STEP = 2 * _FARTHEST / (_COUNT - 1)
_PLACES = np.linspace(-_FARTHEST, _FARTHEST, _COUNT, dtype=np.float32)
_LOG_MASSES = (-0.5 * _PLACES**2 - np.log(np.exp(-0.5 * _PLACES**2).sum())).astype(np.float32)


class Nodes(NamedTuple):
    """The nodes of each element of an example, along the first axis: E[f(y_j)] is the sum of exp(log_mass_j) f(value_j).

    - `low`, `high`: the ends of the cell for which a node stands; the same number where it stands for itself.
    """

    value: Float[Array, "nodes ..."]
    log_mass: Float[Array, "nodes ..."]
    low: Float[Array, "nodes ..."]
    high: Float[Array, "nodes ..."]

    def draw(self, key: PRNGKeyArray) -> Float[Array, "..."]:
        """One draw of each element: of a node by its mass, and of a place in its cell."""
        node_key, place_key = jax.random.split(key)
        chosen = jax.random.categorical(node_key, jax.lax.stop_gradient(self.log_mass), axis=0)[None]
        low, high = (jnp.take_along_axis(each, chosen, axis=0)[0] for each in (self.low, self.high))
        return low + (high - low) * jax.random.uniform(place_key, low.shape, low.dtype)


def of_normal(loc: Float[Array, "..."], log_scale: Float[Array, "..."]) -> Nodes:
    """Those of independent normal laws."""
    places = _PLACES.reshape(-1, *[1] * loc.ndim)
    value, low, high = (loc + jnp.exp(log_scale) * (places + step) for step in (0.0, -_STEP / 2, _STEP / 2))
    return Nodes(value, jnp.broadcast_to(_LOG_MASSES.reshape(places.shape), value.shape), low, high)


def of_values(value: Float[Array, "nodes ..."], log_mass: Float[Array, "nodes ..."]) -> Nodes:
    """Those of values that stand for themselves."""
    value = jnp.broadcast_to(value, log_mass.shape)
    return Nodes(value, log_mass, value, value)


def joined(parts: list[Nodes], axis: int) -> Nodes:
    """Nodes of one law after another (axis 0), or of elements side by side, with nodes of mass 0 where some have fewer."""
    if axis:
        most = max(len(part.value) for part in parts)
        parts = [_padded(part, most - len(part.value)) for part in parts]
    return Nodes(*(jnp.concatenate(each, axis=axis) for each in zip(*parts, strict=True)))


def _padded(nodes: Nodes, count: int) -> Nodes:
    def more(each: Array, last: Any) -> Array:
        return jnp.concatenate([each, jnp.broadcast_to(last, (count, *each.shape[1:])).astype(each.dtype)])

    value, log_mass, low, high = nodes
    return Nodes(more(value, value[-1]), more(log_mass, -jnp.inf), more(low, low[-1]), more(high, high[-1]))


def nodes_of(distribution: Any) -> Nodes:
    """The nodes of a distribution of elements; of one that has none its mean, which says nothing of its spread."""
    if hasattr(distribution, "nodes"):
        return distribution.nodes
    mean = jnp.asarray(distribution.mean)[None]
    return of_values(mean, jnp.zeros_like(mean))
