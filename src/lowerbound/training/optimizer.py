"""The optimiser, from the options."""

from __future__ import annotations

import functools

import jax
import optax
from jaxtyping import ArrayLike

from .options import Schedule, TrainingOptions


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
    """Gradient clipping, then Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), from Optax.

    Cached, because the compiled program is found again only when it is given the very same transformation.
    """
    rate = functools.partial(learning_rate, options, schedule)
    if options.optimizer == "adam":
        adam = optax.adam(rate)
    else:
        # Only matrices decay: a decaying bias would pull the decoder away from the data's own marginal, where it starts.
        adam = optax.adamw(
            rate, weight_decay=options.weight_decay, mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params)
        )
    if options.gradient_clip == 0:
        return adam
    return optax.chain(optax.clip_by_global_norm(options.gradient_clip), adam)
