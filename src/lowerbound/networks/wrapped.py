"""Anything that is called with an array and gives an array, an Equinox module of your own say, as a network."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..errors import ConfigurationError
from .base import AbstractNetwork, with_condition


class Wrapped(AbstractNetwork):
    """output = module(x) + bias, reshaped to `out_shape`; what `module` gives has as many numbers as that.

    - `module`: called with x as it comes, of shape `in_shape`; with the vector of x and the condition behind each other where
      `condition_dim` > 0. Its floating-point JAX arrays are trained.
    - `bias`: starts at 0, or where the likelihood wants the decoder to start; it is trained too.
    - `takes_key`: whether `module` takes a `key`: of an array while training, of None otherwise.

    Raises `ConfigurationError` when `module` cannot be called with such an array, or gives another number of numbers.
    """

    module: Callable[..., Array]
    bias: Float[Array, "..."]
    takes_key: bool = eqx.field(static=True)

    def __init__(
        self,
        module: Callable[..., Array],
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        *,
        condition_dim: int = 0,
        takes_key: bool = False,
    ) -> None:
        self.module, self.in_shape, self.out_shape = module, tuple(in_shape), tuple(out_shape)
        self.condition_dim, self.takes_key = condition_dim, takes_key
        self.bias = jnp.zeros(self.out_shape, jnp.float32)
        # Traced and not run: a wrong shape is said here and not in the middle of a training step.
        x, condition = jax.ShapeDtypeStruct(self.in_shape, jnp.float32), jax.ShapeDtypeStruct((condition_dim,), jnp.float32)
        name = type(module).__name__
        try:
            given = eqx.filter_eval_shape(self._of_module, x, condition, None)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"module is a {name}, which cannot be called with an array of shape {self._seen_shape}: {error}. Wrap a function "
                "that brings x into the shape that it takes."
            ) from error
        if not hasattr(given, "shape") or np.prod(given.shape) != np.prod(self.out_shape):
            got = f"an array of shape {given.shape}" if hasattr(given, "shape") else f"a {type(given).__name__}"
            raise ConfigurationError(
                f"module is a {name}, which gives {got}; expected as many numbers as out_shape={self.out_shape} has, "
                f"{np.prod(self.out_shape)}."
            )

    @property
    @override
    def is_random_in_training(self) -> bool:
        return self.takes_key

    @property
    def _seen_shape(self) -> tuple[int, ...]:
        return (int(np.prod(self.in_shape)) + self.condition_dim,) if self.condition_dim else self.in_shape

    def _of_module(self, x: Any, condition: Any, key: PRNGKeyArray | None) -> Any:
        seen = with_condition(x.reshape(-1), condition, self.condition_dim) if self.condition_dim else x
        return self.module(seen, key=key) if self.takes_key else self.module(seen)

    @override
    def __call__(
        self,
        x: Float[Array, "..."],
        *,
        condition: Float[Array, " condition"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "..."]:
        return self._of_module(x, condition, key).reshape(self.out_shape) + self.bias

    @override
    def with_output_bias(self, bias: np.ndarray) -> "Wrapped":
        return eqx.tree_at(lambda network: network.bias, self, jnp.asarray(bias, jnp.float32).reshape(self.out_shape))
