"""Equally spaced levels as one of NumPyro's constraints."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpyro.distributions import constraints

_SINGLE_EPS = float(np.finfo(np.float32).eps)


class Lattice(constraints.Constraint):
    """The `num_levels` equally spaced numbers from `low` to `high`, each to a thousandth of a step and what float32 can tell.

    >>> Lattice(0.0, 1.0, 3)(np.array([0.0, 0.25, 0.5, 1.5]))
    array([ True, False,  True, False])
    """

    is_discrete = True

    def __init__(self, low: float, high: float, num_levels: int) -> None:
        self.low, self.high, self.num_levels = low, high, num_levels

    @property
    def step(self) -> float:
        """The distance between two levels."""
        return (self.high - self.low) / (self.num_levels - 1)

    @property
    def log_scale_floor(self) -> float:
        """The logarithm of a tenth of a step: a variable of that scale has nearly all its mass on one level already."""
        return float(np.log(0.1 * (self.high - self.low) / (self.num_levels - 1)))

    def nearest(self, x: Array) -> Array:
        """The level nearest to each number."""
        level = jnp.clip(jnp.round((x - self.low) / self.step), 0, self.num_levels - 1)
        # Divided last: 255 times the float32 nearest to k / 255 is k exactly, so 8-bit draws come back as whole numbers.
        return self.low + (self.high - self.low) * (level / (self.num_levels - 1))

    def __call__(self, x: Any) -> Any:
        """Whether each number is one of the levels."""
        xp = jnp if isinstance(x, jax.Array) else np
        level = (x - self.low) / self.step
        rounding = 4 * _SINGLE_EPS * max(abs(self.low), abs(self.high)) / abs(self.step)
        return xp.abs(level - xp.clip(xp.round(level), 0, self.num_levels - 1)) < 0.001 + rounding

    def __repr__(self) -> str:
        return f"{self.num_levels} levels from {self.low:g} to {self.high:g}"

    def feasible_like(self, prototype: Any) -> Any:
        """The lowest level."""
        return jnp.full_like(prototype, self.low)

    def tree_flatten(self) -> Any:
        """No arrays."""
        return (), ((), {"low": self.low, "high": self.high, "num_levels": self.num_levels})

    def eq(self, other: object, static: bool = False) -> bool:
        """Whether the other one has the same levels."""
        return isinstance(other, Lattice) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.low, self.high, self.num_levels))


def is_count(x: Array) -> Bool[Array, "..."]:
    """Whether each number is a whole number from 0 up; a remainder, as in NumPyro's constraint, would cost more."""
    return (x >= 0) & (x - jnp.floor(x) == 0)


def picked(table: Float[Array, "entries ..."], index: Array) -> Float[Array, "..."]:
    """The entry of each element's index, of shape (*samples, *shape of an entry); beyond an end of the table, the one there."""
    samples = (1,) * (index.ndim - table.ndim + 1)
    return jnp.take_along_axis(table.reshape(len(table), *samples, *table.shape[1:]), index[None], axis=0, mode="clip")[0]
