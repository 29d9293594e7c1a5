"""The optimiser, from the options."""

from __future__ import annotations

import functools
from typing import Any

import jax
import optax
from jaxtyping import ArrayLike

from .options import Schedule, TrainingOptions
from .tracked import with_moving_averages


def learning_rate(options: TrainingOptions, schedule: Schedule, step: ArrayLike) -> ArrayLike:
    """The learning rate at a step: a linear warm-up, then constant or a half cosine down to 0 at the run's last step."""
    warmup = options.learning_rate_warmup_epochs * schedule.steps_per_epoch
    if options.learning_rate_schedule == "cosine":
        decay = optax.cosine_decay_schedule(options.learning_rate, max(1, schedule.num_steps - warmup))
    else:
        decay = optax.constant_schedule(options.learning_rate)
    if warmup == 0:
        return decay(step)
    return optax.join_schedules([optax.linear_schedule(0.0, options.learning_rate, warmup), decay], [warmup])(step)


@functools.lru_cache(maxsize=32)
def make_optimizer(options: TrainingOptions, schedule: Schedule) -> optax.GradientTransformation:
    """Gradient clipping, then Adam or Adamax (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019) or Adagrad (Duchi et al.
    2011), from Optax.

    Cached, because the compiled program is found again only when it is given the very same transformation.
    """
    rate = functools.partial(learning_rate, options, schedule)
    if options.optimizer == "adamw":
        optimizer = optax.adamw(rate, weight_decay=options.weight_decay, mask=_decays)
    else:
        optimizer = {"adam": optax.adam, "adamax": optax.adamax, "adagrad": optax.adagrad}[options.optimizer](rate)
    if options.gradient_clip > 0:
        optimizer = optax.chain(optax.clip_by_global_norm(options.gradient_clip), optimizer)
    return with_moving_averages(optimizer)


def _decays(params: Any) -> Any:
    """Which numbers decay: the networks' matrices alone.

    A decaying bias would pull the decoder away from the data's own marginal, where it starts, and a decaying log-scale or
    pseudo-input towards a value that means nothing.
    """

    def decays(path: Any, leaf: jax.Array) -> bool:
        return leaf.ndim > 1 and jax.tree_util.keystr(path, simple=True, separator=".").endswith("weight")

    return jax.tree_util.tree_map_with_path(decays, params)
