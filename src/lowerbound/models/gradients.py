"""Functions over draws of z, and what of the gradient flows through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_Output = TypeVar("_Output")


def each_draw(function: Callable[..., _Output], *arguments: Array | None) -> _Output:
    """`function` of each draw, as an array over draws; an argument is None or has the draws along its first axis.

    A single draw is not mapped: an axis of length 1 would make XLA transpose the gradients of every product in the decoder,
    a seventh of the training step.
    """
    if any(argument is not None and len(argument) > 1 for argument in arguments):
        return jax.vmap(function)(*arguments)
    output = function(*(None if argument is None else argument[0] for argument in arguments))
    return jax.tree.map(lambda leaf: leaf[None], output)


def stopped(tree: _Output) -> _Output:
    """The same arrays, through which no gradient flows."""
    return jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, tree)


@jax.custom_vjp
def scale_gradient(z: Float[Array, " latent"], scale: Float[Array, ""]) -> Float[Array, " latent"]:
    """z, with the gradient that flows into it multiplied by `scale`; none flows into the scale."""
    return z


scale_gradient.defvjp(lambda z, scale: (z, scale), lambda scale, gradient: (gradient * scale, jnp.zeros_like(scale)))
