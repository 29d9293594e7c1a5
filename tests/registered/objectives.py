"""Every objective, once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from lowerbound.data.examples import Examples
from lowerbound.objectives import ELBO, AbstractObjective

from .case import Case
from .models import DATA, model_of

OBJECTIVES: dict[str, Callable[[], AbstractObjective]] = {
    "elbo": lambda: ELBO(),
    "elbo-5-samples": lambda: ELBO(num_samples=5),
    "elbo-beta-4-warm-up": lambda: ELBO(beta=4.0, warmup_steps=10),
}


def objective_case(make: Callable[[], AbstractObjective]) -> Case:
    batch = DATA["8-bit"][:4]

    def inputs(part: AbstractObjective, key: PRNGKeyArray) -> tuple[Any, ...]:
        return model_of("8-bit-gaussian-sigmoid", key), jnp.asarray(batch), key, jnp.int32(3)

    def extremes(part: AbstractObjective) -> list[tuple[Any, ...]]:
        model = model_of("8-bit-gaussian-sigmoid", jax.random.key(0))
        limits = [jnp.full_like(batch, limit) for limit in (0, 255)]
        return [(model, limit, jax.random.key(0), jnp.int32(step)) for limit in limits for step in (0, 10**8)]

    def call(part: AbstractObjective, model: Any, batch: Array, key: PRNGKeyArray, step: Array) -> dict[str, Any]:
        record = part(model, Examples(batch), key, step, training=True)
        return {**{field.name: getattr(record, field.name) for field in dataclasses.fields(record)}, "w": part.kl_weight(step)}

    each = (len(batch),)
    shapes = {"loss": (), "bound": each, "log_likelihood": each, "kl": each, "monitors": {"fraction_at_floor": ()}, "w": ()}
    return Case(lambda key: make(), inputs, extremes, call, lambda part: shapes)
