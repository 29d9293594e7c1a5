"""Examples on their way to a model: the data, and the condition that comes with each where there is one."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Num


class Examples(eqx.Module):
    """Some examples, or a batch of them.

    - `x`: (n, *event_shape), in the user's units. `condition`: (n, condition_dim), or None.

    >>> len(Examples(np.zeros((5, 3)))[1:3])
    2
    """

    x: Num[Array | np.ndarray, "examples ..."]
    condition: Float[Array | np.ndarray, "examples condition"] | None = None

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, index: Any) -> Examples:
        return jax.tree.map(lambda array: array[index], self)
