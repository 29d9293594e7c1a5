"""Densities on the unit sphere in three dimensions, as densities over a rectangle."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from checks import Density
from jaxtyping import Array, PRNGKeyArray

SPHERE_DIM = 3


def sphere_density(log_prob: Callable[[Array], Array], sample: Callable[[PRNGKeyArray], Array]) -> Density:
    """The same density over (longitude, height): by Archimedes, that map from the sphere keeps areas."""

    axes = (midpoints(-np.pi, np.pi, 240), midpoints(-1.0, 1.0, 480))
    return Density(eqx.Partial(_log_prob, log_prob), eqx.Partial(_sample, sample), axes, False, (2,))


def _log_prob(log_prob: Callable[[Array], Array], point: Array) -> Array:
    longitude, height = point
    radius = jnp.sqrt(1 - height**2)
    return log_prob(jnp.stack([height, radius * jnp.cos(longitude), radius * jnp.sin(longitude)]))


def _sample(sample: Callable[[PRNGKeyArray], Array], key: PRNGKeyArray) -> Array:
    z = sample(key)
    return jnp.stack([jnp.arctan2(z[2], z[1]), z[0]])


def midpoints(low: float, high: float, count: int) -> np.ndarray:
    """The middles of `count` equal cells."""
    return low + (np.arange(count) + 0.5) * (high - low) / count
