"""What is a number in training, and so an input of the compiled program; and what decides which program it is."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.sections import LARGEST_STEP, TrainingConfig
from .schedule import Schedule

_Tree = TypeVar("_Tree")


class Numbers(eqx.Module):
    """The training section as a step reads it. Runs that differ in the arrays alone share one compiled program.

    - `key`: of all random numbers of the run. `learning_rate`: the largest.
    - `weight_decay`, `gradient_clip`, `ema_decay`, `adagrad_start`: None where there is none of it.
    - `weight_prior`: the precision of the prior over the weights, divided by the number of examples; None where there is none.
    - `optimizer`: its name. `warmup_steps`: of the learning rate's rise; 0 for none. `decay_steps`: of its fall; 0 for none.
    - `skip_spikes`: whether gradients are held against their running size (`spikes.py`).
    """

    key: PRNGKeyArray
    learning_rate: Float[Array, ""]
    weight_decay: Float[Array, ""] | None
    gradient_clip: Float[Array, ""] | None
    ema_decay: Float[Array, ""] | None
    weight_prior: Float[Array, ""] | None
    adagrad_start: Float[Array, ""] | None
    optimizer: str = eqx.field(static=True)
    warmup_steps: int = eqx.field(static=True)
    decay_steps: int = eqx.field(static=True)
    skip_spikes: bool = eqx.field(static=True)

    @classmethod
    def of(cls, config: TrainingConfig, schedule: Schedule, num_examples: float) -> Numbers:
        """The numbers of a run on `num_examples` training examples, a row of weight 2 counted twice."""
        warmup = min(config.learning_rate_warmup_epochs * schedule.steps_per_epoch, LARGEST_STEP)
        is_cosine = config.learning_rate_schedule == "cosine"
        return cls(
            key=jax.random.key(config.seed),
            learning_rate=jnp.asarray(config.learning_rate, jnp.float32),
            weight_decay=jnp.asarray(config.weight_decay, jnp.float32) if config.optimizer == "adamw" else None,
            gradient_clip=_unless_zero(config.gradient_clip),
            ema_decay=_unless_zero(config.ema_decay),
            weight_prior=_unless_zero(config.weight_prior / num_examples),
            adagrad_start=jnp.asarray(config.adagrad_start, jnp.float32) if config.optimizer == "adagrad" else None,
            optimizer=config.optimizer,
            warmup_steps=warmup,
            decay_steps=max(1, schedule.num_steps - warmup) if is_cosine else 0,
            skip_spikes=config.skip_spikes,
        )


def as_inputs(tree: _Tree) -> _Tree:
    """The same tree with each number that is not fixed by its type an array, so that a program takes it as an input.

    A number that is 0 stays as it is: what is off is not in the program at all.
    """
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32) if isinstance(leaf, float) and leaf != 0 else leaf, tree)


def _unless_zero(value: float) -> Float[Array, ""] | None:
    return None if value == 0 else jnp.asarray(value, jnp.float32)
