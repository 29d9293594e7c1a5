"""Every network, once."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from lowerbound.networks import MLP, AbstractNetwork

from .case import EXTREME, Case, Make

_mlp = functools.partial(MLP, (3, 2), (2, 5), hidden_widths=(8, 7))

NETWORKS: dict[str, Callable[[PRNGKeyArray], AbstractNetwork]] = {
    "mlp": lambda key: _mlp(key=key),
    "mlp-linear": lambda key: _mlp(hidden_widths=(), key=key),
    "mlp-dropout": lambda key: _mlp(dropout=0.5, key=key),
    "mlp-elu-tanh": lambda key: _mlp(activations=("elu", "tanh"), key=key),
    "mlp-relu-silu": lambda key: _mlp(activations=("relu", "silu"), key=key),
    "mlp-gelu-softplus": lambda key: _mlp(activations=("gelu", "softplus"), key=key),
}


def network_case(make: Make) -> Case:
    return Case(
        make,
        inputs=lambda part, key: (jax.random.normal(key, part.in_shape), key),
        extremes=lambda part: [(jnp.full(part.in_shape, value), jax.random.key(0)) for value in (-EXTREME, EXTREME)],
        call=lambda part, x, key: {"evaluated": part(x), "in_training": part(x, key=key)},
        shapes=lambda part: {"evaluated": part.out_shape, "in_training": part.out_shape},
    )
