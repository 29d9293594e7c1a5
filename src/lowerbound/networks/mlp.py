"""The multilayer perceptron: hidden layers shared by all of a part's heads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.context import check_values
from ..errors import ConfigurationError
from .base import AbstractNetwork, with_condition
from .layers import ACTIVATIONS, LayerNorm, Linear, seed_of


class MLP(AbstractNetwork):
    r"""h_0 = x, h_i = f_i(W_i h_{i-1} + b_i), output = W h_n + b, reshaped to `out_shape`.

    The last matrix holds every head side by side (mu and log sigma^2, say), so all heads share the hidden layers.
    Weights start as N(0, 1/fan_in), biases at 0 (LeCun et al. 1998); the last layer's weights at a tenth of that, so that
    training starts from a nearly constant output. Dropout (Srivastava et al. 2014) follows each hidden layer. A condition is
    appended to the flattened input.

    - `layer_norm`: each f_i sees its input normalised over the layer's units (Ba et al. 2016, arXiv 1607.06450).
    - `residual`: h_i = h_{i-1} + f_i(W_i h_{i-1} + b_i) for every hidden layer as wide as the hidden layer before it (He et al.
      2016, arXiv 1512.03385, eq. 1), dropout inside the sum's second term.

    Raises `ConfigurationError` for an unknown activation, a list of them of another length than `hidden_widths`, a dropout
    outside [0, 1), `layer_norm` of a single unit, and `residual` where no two neighbouring hidden layers are of equal width.
    """

    layers: tuple[Linear, ...]
    norms: tuple[LayerNorm, ...]
    dropout: eqx.nn.Dropout
    in_shape: tuple[int, ...] = eqx.field(static=True)
    out_shape: tuple[int, ...] = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)
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
        condition_dim: int = 0,
        key: PRNGKeyArray,
    ) -> None:
        names = (activations,) * len(hidden_widths) if isinstance(activations, str) else tuple(activations)
        check_values("network", MLP, {"hidden_widths": hidden_widths, "activations": activations, "dropout": dropout})
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
        gains = [1.0] * len(hidden_widths) + [0.1]
        self.layers = tuple(
            Linear.initial(fan_in, fan_out, gain, seed)
            for fan_in, fan_out, gain, seed in zip(widths[:-1], widths[1:], gains, seeds, strict=True)
        )
        self.norms = tuple(LayerNorm.initial(width) for width in hidden_widths) if layer_norm else ()
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
        keys = [None] * len(self.activations) if key is None else jax.random.split(key, len(self.activations))
        norms = self.norms or (None,) * len(self.activations)
        for number, (layer, norm, name, layer_key) in enumerate(
            zip(self.layers[:-1], norms, self.activations, keys, strict=True)
        ):
            before = layer(hidden)
            after = ACTIVATIONS[name](before if norm is None else norm(before))
            if self.dropout.p > 0:
                after = self.dropout(after, key=layer_key, inference=layer_key is None)
            # Never around the first: the input is data, not a hidden layer, even where it has as many numbers.
            hidden = hidden + after if self.residual and number > 0 and hidden.shape == after.shape else after
        return self.layers[-1](hidden).reshape(self.out_shape)

    def with_output_bias(self, bias: np.ndarray) -> MLP:
        """The same network with its last layer's bias replaced; `bias` has shape `out_shape`."""
        return eqx.tree_at(lambda network: network.layers[-1].bias, self, jnp.asarray(bias, jnp.float32).reshape(-1))
