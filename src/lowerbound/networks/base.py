"""The contract of a network: an array in, an array out, nothing about probability."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.context import arguments_of
from ..config.part import PartConfig
from ..errors import ConfigurationError


class AbstractNetwork(eqx.Module):
    """A function of one example and, where `condition_dim` > 0, of a condition. Dropout acts only when a key is given.

    With `condition_dim` 0 a condition that is given is not looked at; `with_condition` does both.
    """

    in_shape: tuple[int, ...] = eqx.field(static=True)
    out_shape: tuple[int, ...] = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)

    @classmethod
    def build(
        cls,
        config: PartConfig,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        *,
        condition_dim: int,
        image_shape: tuple[int, ...],
        key: PRNGKeyArray,
    ) -> "AbstractNetwork":
        """The network that a configuration asks for, with fresh weights.

        - `image_shape`: the shape of one example of the data. A network for images encodes when `in_shape` is it, and
          otherwise decodes: `out_shape` then is (heads, *image_shape), or `image_shape` itself.
        """
        sizes = {"condition_dim": condition_dim, "image_shape": image_shape, "key": key}
        return cls(in_shape, out_shape, **arguments_of(cls, config, elsewhere=("decoder_widths", "output_bias"), **sizes))

    @property
    @abstractmethod
    def is_random_in_training(self) -> bool:
        """Whether a key changes the output: false where there is no dropout, and then no random number is drawn for it."""

    @abstractmethod
    def __call__(
        self,
        x: Float[Array, "..."],
        *,
        condition: Float[Array, " condition"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "..."]:
        """The output for one example; `key` turns on whatever is random in training."""

    @abstractmethod
    def with_output_bias(self, bias: np.ndarray) -> "AbstractNetwork":
        """The same network with its last layer's bias replaced; `bias` has shape `out_shape`.

        Where a last layer shares its bias between places (a convolution), it is an additive bias of its own.
        """


def with_condition(
    x: Float[Array, " features"], condition: Float[Array, " condition"] | None, condition_dim: int
) -> Float[Array, " more_features"]:
    """x with the condition appended, where the network takes one.

    Raises `ConfigurationError` when it takes one and none, or one of another length, is given.
    """
    if condition_dim == 0:
        return x
    if condition is None or condition.shape != (condition_dim,):
        got = "none was given" if condition is None else f"one of shape {condition.shape} was given"
        raise ConfigurationError(
            f"the model was trained with a condition of {condition_dim} numbers for each example, but {got}; give `condition` "
            f"an array of shape (n, {condition_dim}), one row for each example (--condition on the command line)."
        )
    return jnp.concatenate([x, condition])
