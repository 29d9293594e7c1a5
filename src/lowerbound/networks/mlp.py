"""Multilayer perceptrons: hidden layers shared by all of a part's heads, put through activations or gated."""

import itertools
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..config.context import check_values
from ..config.layers import FAN_IN
from ..errors import ConfigurationError
from .base import AbstractNetwork, with_condition
from .layers import ACTIVATIONS, LayerNorm, Linear, drawn_weight, seed_of

# E[sigmoid(v)^2] for v ~ N(0, 1) is 0.293: with values this much wider, h keeps the variance of its input at the start.
_VALUE_GAIN = 1.85


class AbstractPerceptron(AbstractNetwork):
    """The hidden layers `layers[:-1]` of one flattened example and its condition, and `layers[-1]`, which holds all outputs.

    - `residual`: whether a hidden layer as wide as the hidden layer before it is added to that.
    """

    layers: eqx.AbstractVar[tuple[Linear, ...]]
    dropout: eqx.AbstractVar[eqx.nn.Dropout]
    residual: eqx.AbstractVar[bool]

    @abstractmethod
    def units(self, number: int, sums: Float[Array, " sums"]) -> Float[Array, " units"]:
        """What hidden layer `number` makes of W h + b."""

    @property
    @override
    def is_random_in_training(self) -> bool:
        return self.dropout.p > 0

    @override
    def __call__(
        self,
        x: Float[Array, "..."],
        *,
        condition: Float[Array, " condition"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "..."]:
        num_hidden = len(self.layers) - 1
        keys = [None] * num_hidden if key is None else jax.random.split(key, num_hidden)
        hidden, sums = None, self._first_sums(x.reshape(-1), condition)
        for number, (layer, layer_key) in enumerate(zip(self.layers[1:], keys, strict=True)):
            after = self.units(number, sums)
            if self.dropout.p > 0:
                after = self.dropout(after, key=layer_key, inference=layer_key is None)
            # Never around the first: the input is data, not a hidden layer, even where it has as many numbers.
            if self.residual and hidden is not None and hidden.shape == after.shape:
                after = hidden + after
            hidden, sums = after, layer(after)
        return sums.reshape(self.out_shape)

    def _first_sums(self, x: Float[Array, " features"], condition: Float[Array, " condition"] | None) -> Float[Array, " sums"]:
        """W (x, condition) + b of the first layer.

        As two products, so that one x with many conditions (`jax.vmap` over these alone) is multiplied once.
        """
        first = self.layers[0]
        if self.condition_dim == 0:
            return first(x)
        given = with_condition(x[:0], condition, self.condition_dim)
        return x @ first.weight[: len(x)] + (given @ first.weight[len(x) :] + first.bias)

    @override
    def with_output_bias(self, bias: np.ndarray) -> "AbstractPerceptron":
        return eqx.tree_at(lambda network: network.layers[-1].bias, self, jnp.asarray(bias, jnp.float32).reshape(-1))


class MLP(AbstractPerceptron):
    r"""h_0 = x, h_i = f_i(W_i h_{i-1} + b_i), output = W h_n + b, reshaped to `out_shape`.

    The last matrix holds every head side by side (mu and log sigma^2, say), so all heads share the hidden layers.
    Weights start as N(0, 1/fan_in), biases at 0 (LeCun et al. 1998); the last layer's weights at a tenth of that, so that
    training starts from a nearly constant output. Dropout (Srivastava et al. 2014) follows each hidden layer. A condition is
    appended to the flattened input.

    - `layer_norm`: each f_i sees its input normalised over the layer's units (Ba et al. 2016, arXiv 1607.06450).
    - `initial_scale`: the standard deviation of every weight at the start, in place of those of each layer ("fan-in").
    - `residual`: h_i = h_{i-1} + f_i(W_i h_{i-1} + b_i) for every hidden layer as wide as the hidden layer before it (He et al.
      2016, arXiv 1512.03385, eq. 1), dropout inside the sum's second term.

    Raises `ConfigurationError` for an unknown activation, a list of them of another length than `hidden_widths`, a dropout
    outside [0, 1), an `initial_scale` of 0 or less, `layer_norm` of a single unit, and `residual` where no two neighbouring
    hidden layers are of equal width.
    """

    layers: tuple[Linear, ...]
    norms: tuple[LayerNorm, ...]
    dropout: eqx.nn.Dropout
    activations: tuple[str, ...] = eqx.field(static=True)
    residual: bool = eqx.field(static=True)

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        *,
        hidden_widths: Sequence[int] = (200, 200),
        activations: str | Sequence[str] = "elu",
        dropout: float = 0.0,
        layer_norm: bool = False,
        residual: bool = False,
        initial_scale: float | str = FAN_IN,
        condition_dim: int = 0,
        key: PRNGKeyArray,
    ) -> None:
        names = (activations,) * len(hidden_widths) if isinstance(activations, str) else tuple(activations)
        values = {"hidden_widths": hidden_widths, "activations": activations, "dropout": dropout, "initial_scale": initial_scale}
        check_values("network", MLP, values)
        if len(names) != len(hidden_widths):
            raise ConfigurationError(
                f"network.activations has {len(names)} names for {len(hidden_widths)} hidden layers; "
                "give one name for all layers, or one for each."
            )
        if residual and not any(a == b for a, b in itertools.pairwise(hidden_widths)):
            raise ConfigurationError(
                f"network.residual is true, but network.hidden_widths is {list(hidden_widths)}, where no hidden layer is as wide "
                "as the one before it, so there is nothing to skip; expected equal widths, for example [200, 200], or "
                "network.residual=false."
            )
        self.in_shape, self.out_shape, self.activations = tuple(in_shape), tuple(out_shape), names
        self.condition_dim, self.residual = condition_dim, residual
        widths = [math.prod(in_shape) + condition_dim, *hidden_widths, math.prod(out_shape)]
        seeds = seed_of(key).spawn(len(widths) - 1)
        if isinstance(initial_scale, str):
            gains = [1.0] * len(hidden_widths) + [0.1]
        else:
            gains = [initial_scale * math.sqrt(fan_in) for fan_in in widths[:-1]]
        self.layers = tuple(
            Linear.initial(fan_in, fan_out, gain, seed)
            for fan_in, fan_out, gain, seed in zip(widths[:-1], widths[1:], gains, seeds, strict=True)
        )
        self.norms = tuple(LayerNorm.initial(width) for width in hidden_widths) if layer_norm else ()
        self.dropout = eqx.nn.Dropout(dropout)

    @override
    def units(self, number: int, sums: Float[Array, " sums"]) -> Float[Array, " units"]:
        return ACTIVATIONS[self.activations[number]](self.norms[number](sums) if self.norms else sums)


class GatedMLP(AbstractPerceptron):
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
    residual: ClassVar[bool] = False

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

    @override
    def units(self, number: int, sums: Float[Array, " sums"]) -> Float[Array, " units"]:
        value, gate = jnp.split(sums, 2)
        return value * jax.nn.sigmoid(gate)


def _gated_layer(fan_in: int, width: int, seed: np.random.SeedSequence) -> Linear:
    """(W, V) side by side, biases at 0."""
    value, gate = (
        drawn_weight((fan_in, width), fan_in, gain, part) for gain, part in zip((_VALUE_GAIN, 1.0), seed.spawn(2), strict=True)
    )
    return Linear(jnp.concatenate([value, gate], axis=1), jnp.zeros(2 * width))
