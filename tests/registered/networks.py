"""Every network, once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from lowerbound.networks import MLP, AbstractNetwork, ConvNetwork, GatedMLP, ResNet, Wrapped

from .case import EXTREME, Case, Make

_mlp = functools.partial(MLP, (3, 2), (2, 5), hidden_widths=(8, 7))
_gated = functools.partial(GatedMLP, (3, 2), (2, 5), hidden_widths=(8, 7))


class _Own(eqx.Module):
    """An encoder of a person's own: the vector of x and a condition, dropout."""

    mlp: eqx.nn.MLP
    dropout: eqx.nn.Dropout

    def __init__(self, key: PRNGKeyArray) -> None:
        self.mlp, self.dropout = eqx.nn.MLP(8, 10, 7, depth=1, key=key), eqx.nn.Dropout(0.5)

    def __call__(self, x: Array, *, key: PRNGKeyArray | None) -> Array:
        return self.mlp(self.dropout(x, key=key, inference=key is None))


def _wrapped(key: PRNGKeyArray) -> AbstractNetwork:
    return Wrapped(_Own(key), (3, 2), (2, 5), condition_dim=2, takes_key=True)


def _encoder(cls: Any, image_shape: tuple[int, ...], **options: Any) -> Make:
    return lambda key: cls(image_shape, (2, 3), image_shape=image_shape, channels=(4, 6), key=key, **options)


def _decoder(cls: Any, image_shape: tuple[int, ...], heads: tuple[int, ...] = (2,), **options: Any) -> Make:
    return lambda key: cls((3,), (*heads, *image_shape), image_shape=image_shape, channels=(4, 6), key=key, **options)


NETWORKS: dict[str, Callable[[PRNGKeyArray], AbstractNetwork]] = {
    "mlp": lambda key: _mlp(key=key),
    "mlp-linear": lambda key: _mlp(hidden_widths=(), key=key),
    "mlp-dropout": lambda key: _mlp(dropout=0.5, key=key),
    "mlp-elu-tanh": lambda key: _mlp(activations=("elu", "tanh"), key=key),
    "mlp-relu-silu": lambda key: _mlp(activations=("relu", "silu"), key=key),
    "mlp-gelu-softplus": lambda key: _mlp(activations=("gelu", "softplus"), key=key),
    "mlp-layer-norm-residual": lambda key: _mlp(hidden_widths=(7, 7), dropout=0.5, layer_norm=True, residual=True, key=key),
    "mlp-condition": lambda key: _mlp(condition_dim=2, key=key),
    "gated-mlp": lambda key: _gated(key=key),
    "gated-mlp-dropout-condition": lambda key: _gated(dropout=0.5, condition_dim=2, key=key),
    "wrapped-dropout-condition": _wrapped,
    # Odd, not square, a single row; grey without an axis for it, one channel, three channels.
    "conv-encoder-dropout-condition": _encoder(ConvNetwork, (5, 4, 3), dropout=0.5, condition_dim=2),
    "conv-decoder": _decoder(ConvNetwork, (5, 7)),
    "conv-decoder-dropout-condition": _decoder(ConvNetwork, (1, 5, 3), heads=(), dropout=0.5, condition_dim=2),
    "resnet-encoder": _encoder(ResNet, (6, 5, 1), activations="relu"),
    "resnet-encoder-layer-norm-dropout": _encoder(ResNet, (5, 4, 3), layer_norm=True, dropout=0.5),
    "resnet-decoder-all": _decoder(ResNet, (5, 4, 3), layer_norm=True, dropout=0.5, condition_dim=2),
}


def network_case(make: Make) -> Case:
    def extreme(part: AbstractNetwork, value: float) -> tuple[Any, ...]:
        # With the type of the ordinary inputs: of JAX's weak type it would be another program.
        x, condition = (jnp.full(shape, value, jnp.float32) for shape in (part.in_shape, part.condition_dim))
        return x, condition, jax.random.key(0)

    def call(part: AbstractNetwork, x: Array, condition: Array, key: PRNGKeyArray) -> dict[str, Any]:
        return {"evaluated": part(x, condition=condition), "in_training": part(x, condition=condition, key=key)}

    return Case(
        make,
        inputs=lambda part, key: (jax.random.normal(key, part.in_shape), jax.random.normal(key, (part.condition_dim,)), key),
        extremes=lambda part: [extreme(part, value) for value in (-EXTREME, EXTREME)],
        call=call,
        shapes=lambda part: {"evaluated": part.out_shape, "in_training": part.out_shape},
    )
