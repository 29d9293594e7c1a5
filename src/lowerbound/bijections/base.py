"""The contract of an invertible map, and what maps with trained networks have in common."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from typing_extensions import override

from ..errors import ConfigurationError

Point = Float[Array, " latent"]
Context = Float[Array, " context"] | None
PointAndLogDet = tuple[Float[Array, " latent"], Float[Array, ""]]


class AbstractBijection(eqx.Module):
    """An invertible map of R^latent_dim, of which flow priors and flow posteriors are made.

    Its parameters are trained weights, which may be told of a context (a vector; None where there is none), or numbers that
    the encoder has set for one example. Both directions can be differentiated by z, by the context and by the parameters, even
    where one of them is found numerically.
    """

    @abstractmethod
    def forward_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        """f(z), and log|det df/dz| at z: one pass through each network."""

    @abstractmethod
    def inverse_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        """f^-1(z), and log|det df^-1/dz| at z: minus the log-determinant of `forward_and_log_det` at f^-1(z)."""


class Inverted(AbstractBijection):
    """The same map the other way round."""

    of: AbstractBijection

    @override
    def forward_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        return self.of.inverse_and_log_det(z, context)

    @override
    def inverse_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        return self.of.forward_and_log_det(z, context)


def with_context(z: Float[Array, " numbers"], context: Context) -> Float[Array, " numbers_and_context"]:
    """What a network sees: some numbers, and the context where there is one."""
    return z if context is None else jnp.concatenate([z, context])


class Conditioners(eqx.Module):
    """One network of one hidden layer for each layer of a flow, their weights stacked so that the layers are one compiled loop.

    Weights start as N(0, 1/fan_in), the last layer's at a tenth of that, so that a flow starts near a map that does not depend
    on its input.
    """

    hidden_weight: Float[Array, "layers fan_in hidden"]
    hidden_bias: Float[Array, "layers hidden"]
    output_weight: Float[Array, "layers hidden fan_out"]
    output_bias: Float[Array, "layers fan_out"]

    @classmethod
    def initial(
        cls, num_layers: int, fan_in: int, hidden_width: int, output_bias: np.ndarray, random: np.random.Generator
    ) -> "Conditioners":
        """Fresh weights; `output_bias` has shape (fan_out,)."""

        def weight(shape: tuple[int, ...], gain: float) -> Float[Array, "layers fan_in fan_out"]:
            return jnp.asarray(gain / np.sqrt(max(shape[1], 1)) * random.standard_normal(shape), jnp.float32)

        fan_out = len(output_bias)
        return cls(
            hidden_weight=weight((num_layers, fan_in, hidden_width), 1.0),
            hidden_bias=jnp.zeros((num_layers, hidden_width)),
            output_weight=weight((num_layers, hidden_width, fan_out), 0.1),
            output_bias=jnp.asarray(np.tile(output_bias, (num_layers, 1)), jnp.float32),
        )


def require_sizes(name: str, **sizes: int) -> None:
    """Raises `ConfigurationError` for a size below 1 (`context_dim` and `condition_dim`: below 0)."""
    for key, size in sizes.items():
        smallest = 0 if key in ("context_dim", "condition_dim") else 1
        if size < smallest:
            raise ConfigurationError(f"{name}: {key} is {size}; it must be a whole number from {smallest} up.")
