"""The multilayer perceptron whose hidden units are gated instead of put through an activation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.context import check_values
from .base import AbstractNetwork, with_condition
from .layers import Linear, drawn_weight, seed_of

# E[sigmoid(v)^2] for v ~ N(0, 1) is 0.293: with values this much wider, h keeps the variance of its input at the start.
_VALUE_GAIN = 1.85


class GatedMLP(AbstractNetwork):
    r"""h_0 = x, h_i = (W_i h_{i-1} + b_i) * sigmoid(V_i h_{i-1} + c_i), output = W h_n + b, reshaped to `out_shape`.

    A gated linear unit (Dauphin et al. 2017, arXiv 1612.08083, eq. 1): the value has no activation of its own, unlike van den
    Oord et al. 2016 (arXiv 1606.05328, eq. 2), where it goes through tanh. It is the hidden layer of the VampPrior's and of
    Sylvester flows' experiments (Tomczak and Welling 2018, arXiv 1705.07120; van den Berg et al. 2018, arXiv 1803.05649).

    W_i and V_i are stored side by side, one matrix product for both. V_i starts as N(0, 1/fan_in), W_i as N(0, 1.85^2/fan_in),
    which keeps the size of h from layer to layer; the last layer's weights as N(0, 0.1^2/fan_in). Dropout follows each hidden
    layer. A condition is appended to the flattened input.

    Raises `ConfigurationError` for a dropout outside [0, 1).
    """

    layers: tuple[Linear, ...]
    dropout: eqx.nn.Dropout
    in_shape: tuple[int, ...] = eqx.field(static=True)
    out_shape: tuple[int, ...] = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        *,
        hidden_widths: Sequence[int] = (200, 200),
        dropout: float = 0.0,
        condition_dim: int = 0,
        key: PRNGKeyArray,
    ) -> None:
        check_values("network", GatedMLP, {"hidden_widths": hidden_widths, "dropout": dropout})
        self.in_shape, self.out_shape, self.condition_dim = tuple(in_shape), tuple(out_shape), condition_dim
        widths = [math.prod(in_shape) + condition_dim, *hidden_widths]
        *seeds, last_seed = seed_of(key).spawn(len(widths))
        hidden = [_gated_layer(fan_in, width, seed) for fan_in, width, seed in zip(widths[:-1], widths[1:], seeds, strict=True)]
        self.layers = (*hidden, Linear.initial(widths[-1], math.prod(out_shape), 0.1, last_seed))
        self.dropout = eqx.nn.Dropout(dropout)

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
        num_hidden = len(self.layers) - 1
        keys = [None] * num_hidden if key is None else jax.random.split(key, num_hidden)
        for layer, layer_key in zip(self.layers[:-1], keys, strict=True):
            value, gate = jnp.split(layer(hidden), 2)
            hidden = value * jax.nn.sigmoid(gate)
            if self.dropout.p > 0:
                hidden = self.dropout(hidden, key=layer_key, inference=layer_key is None)
        return self.layers[-1](hidden).reshape(self.out_shape)

    def with_output_bias(self, bias: np.ndarray) -> GatedMLP:
        """The same network with its last layer's bias replaced; `bias` has shape `out_shape`."""
        return eqx.tree_at(lambda network: network.layers[-1].bias, self, jnp.asarray(bias, jnp.float32).reshape(-1))


def _gated_layer(fan_in: int, width: int, seed: np.random.SeedSequence) -> Linear:
    """(W, V) side by side, biases at 0."""
    value, gate = (
        drawn_weight((fan_in, width), fan_in, gain, part) for gain, part in zip((_VALUE_GAIN, 1.0), seed.spawn(2), strict=True)
    )
    return Linear(jnp.concatenate([value, gate], axis=1), jnp.zeros(2 * width))
