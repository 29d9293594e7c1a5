"""The optimizer, from the numbers."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike

from .numbers import Numbers
from .spikes import global_norm
from .tracked import with_moving_averages


def learning_rate(numbers: Numbers, step: ArrayLike) -> Array:
    """The learning rate at a step: a linear warm-up, then constant or a half cosine down to 0 at the run's last step."""
    rate: Any = numbers.learning_rate
    steps = numbers.decay_steps
    decay = optax.cosine_decay_schedule(rate, steps) if steps > 0 else optax.constant_schedule(rate)
    if numbers.warmup_steps > 0:
        decay = optax.join_schedules([optax.linear_schedule(0.0, rate, numbers.warmup_steps), decay], [numbers.warmup_steps])
    return decay(step)  # pyright: ignore[reportReturnType]


def make_optimizer(numbers: Numbers) -> optax.GradientTransformation:
    r"""The gradient of a prior over the weights, clipping, then Adam or Adamax (Kingma and Ba 2015), AdamW (Loshchilov and Hutter
    2019) or Adagrad (Duchi et al. 2011), from Optax.

    With a prior N(0, I / a) over the weights w what is minimised is loss + a |w|^2 / (2 N), the mean over N training examples of
    a maximum a posteriori criterion (Kingma and Welling 2014, section 5). Its gradient a w / N is added before anything else, so
    that Adagrad's and Adam's own sizes see it; the decay of AdamW goes round them. It is about every number that the optimiser
    moves, biases and the numbers of a prior or a likelihood too.
    """
    rate = functools.partial(learning_rate, numbers)
    if numbers.optimizer == "adamw":
        decay: Any = numbers.weight_decay
        optimizer = optax.adamw(rate, weight_decay=decay, mask=_decays)
    elif numbers.optimizer == "adagrad":
        start: Any = numbers.adagrad_start
        optimizer = optax.adagrad(rate, initial_accumulator_value=start)
    else:
        optimizer = {"adam": optax.adam, "adamax": optax.adamax}[numbers.optimizer](rate)
    if numbers.gradient_clip is not None:
        optimizer = optax.chain(_clip(numbers.gradient_clip), optimizer)
    if numbers.weight_prior is not None:
        share: Any = numbers.weight_prior
        optimizer = optax.chain(optax.add_decayed_weights(share), optimizer)
    return with_moving_averages(optimizer)


def _clip(largest: Array) -> optax.GradientTransformation:
    """Gradients of a larger global norm are scaled down to it, with the norm of `global_norm`."""

    def update(gradient: Any) -> Any:
        norm = global_norm(gradient)
        # A gradient that is not above it stays as it is, bit for bit.
        return jax.tree.map(lambda leaf: jnp.where(norm < largest, leaf, leaf / norm * largest), gradient)

    return optax.stateless(lambda gradient, params: update(gradient))


def _decays(params: Any) -> Any:
    """Which numbers decay: the networks' matrices alone.

    A decaying bias would pull the decoder away from the data's own marginal, where it starts, and a decaying log-scale or
    pseudo-input towards a value that means nothing.
    """

    def decays(path: Any, leaf: jax.Array) -> bool:
        return leaf.ndim > 1 and jax.tree_util.keystr(path, simple=True, separator=".").endswith("weight")

    return jax.tree_util.tree_map_with_path(decays, params)
