"""The contract of a network: an array in, an array out, nothing about probability."""

from abc import abstractmethod

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


class AbstractNetwork(eqx.Module):
    """A function of one example. Dropout, where a network has it, acts only when a key is given."""

    in_shape: eqx.AbstractVar[tuple[int, ...]]
    out_shape: eqx.AbstractVar[tuple[int, ...]]

    @property
    @abstractmethod
    def is_random_in_training(self) -> bool:
        """Whether a key changes the output: false where there is no dropout, and then no random number is drawn for it."""

    @abstractmethod
    def __call__(self, x: Float[Array, "..."], key: PRNGKeyArray | None = None) -> Float[Array, "..."]:
        """The output for one example; `key` turns on whatever is random in training."""

    @abstractmethod
    def with_output_bias(self, bias: np.ndarray) -> "AbstractNetwork":
        """The same network with its last layer's bias replaced; `bias` has shape `out_shape`."""
