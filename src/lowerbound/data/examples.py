"""Examples on their way to a model: the data, and the condition that comes with each where there is one."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from .dataset import Dataset
from .levels import for_device
from .spec import DataSpec


class Examples(eqx.Module):
    """Some examples, or a batch of them.

    - `x`: (n, *event_shape), in the user's units. `condition`: (n, condition_dim), or None.

    >>> len(Examples(np.zeros((5, 3)))[1:3])
    2
    """

    x: Num[Array | np.ndarray, "examples ..."]
    condition: Float[Array | np.ndarray, "examples condition"] | None = None

    @classmethod
    def of(cls, data: Examples | Array | np.ndarray) -> Examples:
        """Examples as they are; an array as examples without a condition."""
        return data if isinstance(data, Examples) else cls(data)

    @property
    def arrays(self) -> tuple[Array, Array | None]:
        """(x, condition) as JAX arrays."""
        return jnp.asarray(self.x), None if self.condition is None else jnp.asarray(self.condition)

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, index: Any) -> Examples:
        return jax.tree.map(lambda array: array[index], self)


def examples_of(dataset: Dataset, rows: np.ndarray, spec: DataSpec) -> Examples:
    """Some rows of a data set as the device gets them, each with its condition where `spec` has one.

    Raises `DataError` when a condition is not of the described kind.
    """
    x = for_device(dataset.examples[rows])
    if spec.condition is None or dataset.condition is None:
        return Examples(x)
    return Examples(x, spec.condition.encode(dataset.condition[rows]))
