"""Numbers of a model that follow a moving average instead of the optimiser."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

RATE = 0.1
_NAME = "tracked_log_variance"


def labels(params: Any) -> Any:
    """The same tree with "tracked" for each number whose path ends in `tracked_log_variance`, and "trained" for all others."""

    def label(path: Any, _: Any) -> str:
        return "tracked" if jax.tree_util.keystr(path, simple=True, separator=".").endswith(_NAME) else "trained"

    return jax.tree_util.tree_map_with_path(label, params)


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
