"""A number of a part that training sets by a rule of its own."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Tracked(eqx.Module):
    """A number that follows a moving average instead of the optimiser; training (`training/tracked.py`) knows it by this type."""

    value: Float[Array, "..."]

    @classmethod
    def of(cls, value: Any) -> Tracked:
        """This number as a tracked one."""
        return value if isinstance(value, Tracked) else cls(jnp.asarray(value, jnp.float32))
