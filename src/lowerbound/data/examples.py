"""An example on its way to a model: the data, and whatever else is known of it."""

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


class Example(eqx.Module):
    """One example, or a batch of them with the examples along the first axis of everything.

    The arrays are NumPy's until they are on the device.

    - `x`: of the event's shape, in the user's units. `condition`: (condition_dim,), or None.

    >>> len(Example(np.zeros((5, 3)))[1:3])
    2
    """

    x: Num[Any, "..."]
    condition: Float[Any, "*examples condition"] | None = None

    @classmethod
    def of(cls, data: Example | Array | np.ndarray) -> Example:
        """Examples as they are; an array as examples without a condition."""
        return data if isinstance(data, Example) else cls(data)

    def on_device(self) -> Example:
        """The same with JAX arrays."""
        return jax.tree.map(jnp.asarray, self)

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, index: Any) -> Example:
        return jax.tree.map(lambda array: array[index], self)


def examples_of(dataset: Dataset, rows: np.ndarray, spec: DataSpec) -> Example:
    """Some rows of a data set as the device gets them, each with its condition where `spec` has one.

    Raises `DataError` when a condition is not of the described kind.
    """
    x = for_device(dataset.examples[rows])
    if spec.condition is None or dataset.condition is None:
        return Example(x)
    return Example(x, spec.condition.encode(dataset.condition[rows]))
