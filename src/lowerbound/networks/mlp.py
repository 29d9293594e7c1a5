"""The multilayer perceptron: hidden layers shared by all of a part's heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.sections import NetworkConfig
from ..errors import ConfigurationError, unknown_name_message
from .base import AbstractNetwork, with_condition


def elu(x: Array) -> Array:
    """x where x > 0, otherwise exp(x) - 1 (Clevert et al. 2016).

    `jax.nn.elu` takes expm1, which costs twice as much on CPU; the difference is a rounding error of 6e-8 beside 0.
    """
    return jnp.where(x > 0, x, jnp.exp(jnp.where(x > 0, 0.0, x)) - 1.0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "elu": elu,
    "gelu": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
}


class Linear(eqx.Module):
    """x W + b. The weight is stored (fan_in, fan_out): on CPU a batch then multiplies it a tenth faster than its transpose."""

    weight: Float[Array, "fan_in fan_out"]
    bias: Float[Array, " fan_out"]

    @classmethod
    def initial(cls, fan_in: int, fan_out: int, gain: float, seed: np.random.SeedSequence) -> Linear:
        """Weights from N(0, gain^2 / fan_in), biases at 0."""
        # NumPy draws the weights: JAX would compile a program for every shape, which takes longer than the first steps.
        weight = gain / math.sqrt(fan_in) * np.random.default_rng(seed).standard_normal((fan_in, fan_out))
        return cls(jnp.asarray(weight, jnp.float32), jnp.zeros(fan_out))

    def __call__(self, x: Float[Array, " fan_in"]) -> Float[Array, " fan_out"]:
        """x W + b."""
        return x @ self.weight + self.bias


class MLP(AbstractNetwork):
    r"""h_0 = x, h_i = f_i(W_i h_{i-1} + b_i), output = W h_n + b, reshaped to `out_shape`.

    The last matrix holds every head side by side (mu and log sigma^2, say), so all heads share the hidden layers.
    Weights start as N(0, 1/fan_in), biases at 0 (LeCun et al. 1998); the last layer's weights at a tenth of that, so that
    training starts from a nearly constant output. Dropout (Srivastava et al. 2014) follows each hidden layer. A condition is
    appended to the flattened input.
    """

    layers: tuple[Linear, ...]
    dropout: eqx.nn.Dropout
    in_shape: tuple[int, ...] = eqx.field(static=True)
    out_shape: tuple[int, ...] = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)
    activations: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        *,
        hidden_widths: Sequence[int] = (200, 200),
        activations: str | Sequence[str] = "elu",
        dropout: float = 0.0,
        condition_dim: int = 0,
        key: PRNGKeyArray,
    ) -> None:
        names = (activations,) * len(hidden_widths) if isinstance(activations, str) else tuple(activations)
        for name in names:
            if name not in ACTIVATIONS:
                raise ConfigurationError(unknown_name_message("network.activations", name, ACTIVATIONS))
        if len(names) != len(hidden_widths):
            raise ConfigurationError(
                f"network.activations has {len(names)} names for {len(hidden_widths)} hidden layers; "
                "give one name for all layers, or one for each."
            )
        self.in_shape, self.out_shape, self.activations = tuple(in_shape), tuple(out_shape), names
        self.condition_dim = condition_dim
        widths = [math.prod(in_shape) + condition_dim, *hidden_widths, math.prod(out_shape)]
        seeds = np.random.SeedSequence(np.asarray(jax.random.key_data(key)).tolist()).spawn(len(widths) - 1)
        gains = [1.0] * len(hidden_widths) + [0.1]
        self.layers = tuple(
            Linear.initial(fan_in, fan_out, gain, seed)
            for fan_in, fan_out, gain, seed in zip(widths[:-1], widths[1:], gains, seeds, strict=True)
        )
        self.dropout = eqx.nn.Dropout(dropout)

    @classmethod
    def build(
        cls,
        config: NetworkConfig,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        *,
        condition_dim: int,
        image_shape: tuple[int, ...],
        key: PRNGKeyArray,
    ) -> MLP:
        """With the configured widths; an image is flattened."""
        return cls(
            in_shape,
            out_shape,
            hidden_widths=config.hidden_widths,
            activations=config.activations,
            dropout=config.dropout,
            condition_dim=condition_dim,
            key=key,
        )

    @property
    def is_random_in_training(self) -> bool:
        """True with dropout."""
        return self.dropout.p > 0

    def __call__(
        self,
        x: Float[Array, "..."],
        *,
        condition: Float[Array, " condition"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "..."]:
        """The output for one example, of shape `out_shape`."""
        hidden = with_condition(x.reshape(-1), condition, self.condition_dim)
        keys = [None] * len(self.activations) if key is None else jax.random.split(key, len(self.activations))
        for layer, name, layer_key in zip(self.layers[:-1], self.activations, keys, strict=True):
            hidden = ACTIVATIONS[name](layer(hidden))
            if self.dropout.p > 0:
                hidden = self.dropout(hidden, key=layer_key, inference=layer_key is None)
        return self.layers[-1](hidden).reshape(self.out_shape)

    def with_output_bias(self, bias: np.ndarray) -> MLP:
        """The same network with its last layer's bias replaced; `bias` has shape `out_shape`."""
        return eqx.tree_at(lambda network: network.layers[-1].bias, self, jnp.asarray(bias, jnp.float32).reshape(-1))
