"""Numbers of a model that follow a moving average instead of the optimiser."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from ..likelihoods.tracked import Tracked

RATE = 0.1


def labels(params: Any) -> Any:
    """The same tree with "tracked" in each `Tracked` number, and "trained" for all others."""

    def label(node: Any) -> Any:
        return jax.tree.map(lambda _: "tracked", node) if isinstance(node, Tracked) else "trained"

    return jax.tree.map(label, params, is_leaf=lambda node: isinstance(node, Tracked))


def moving_average() -> optax.GradientTransformation:
    r"""A number s = log v with the gradient g = 1 - m / v moves to the logarithm of the moving average of v and m.

        s <- s + log(1 - r g) = log((1 - r) v + r m),   r = 0.1

    To first order that is a gradient step of rate r; in full it is the average itself, which a single outlying batch
    cannot throw far: gradient descent on s would go to v exp(r m / v).
    """

    def update(gradient: jax.Array) -> jax.Array:
        # Above 1 is no gradient of such a number: an objective that weights the likelihood by more than 1.
        return jnp.log1p(-RATE * jnp.minimum(gradient, 1.0))

    return optax.stateless(lambda gradients, params: jax.tree.map(update, gradients))


def with_moving_averages(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """The optimiser for all numbers but the tracked ones, which move by `moving_average`.

    A model that tracks nothing has the very state and program of `optimizer` alone: what exists is known when the program is
    made, and a partition would wrap the state of every other model in two dictionaries.
    """
    partition = optax.partition({"trained": optimizer, "tracked": moving_average()}, labels)

    def chosen(params: Any) -> optax.GradientTransformation:
        return partition if "tracked" in jax.tree.leaves(labels(params)) else optimizer  # pyright: ignore[reportReturnType]

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return chosen(updates).update(updates, state, params)

    return optax.GradientTransformation(lambda params: chosen(params).init(params), update)
