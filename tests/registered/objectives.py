"""Every objective, once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray
from support.built import in_training

from lowerbound.objectives import (
    CIWAE,
    DIPVAEI,
    DIPVAEII,
    ELBO,
    IWAE,
    MIWAE,
    PIWAE,
    AbstractObjective,
    Autoencoder,
    BetaTCVAE,
    DenoisingAutoencoder,
    InfoVAE,
    MonteCarloEM,
    RegularisedAutoencoder,
    RenyiBound,
    SemiSupervisedELBO,
    SparseAutoencoder,
    WakeSleep,
    WassersteinAutoencoder,
)

from .case import LATENT_DIM, Case
from .models import DATA, model_of

OBJECTIVES: dict[str, Callable[[], AbstractObjective]] = {
    "elbo": lambda: ELBO(),
    "elbo-5-samples": lambda: ELBO(num_samples=5),
    "elbo-beta-4-warm-up": lambda: ELBO(beta=4.0, warmup_steps=10),
    "elbo-free-nats": lambda: ELBO(free_nats=0.1),
    "iwae-dreg": lambda: IWAE(3, "dreg"),
    "miwae-stl": lambda: MIWAE(3, 2, "stl"),
    "ciwae-dreg": lambda: CIWAE(3, 0.3, "dreg"),
    "piwae": lambda: PIWAE(3, 2),
    "renyi": lambda: RenyiBound(3, 0.5),
    "beta-tc": lambda: BetaTCVAE(num_examples=50, num_samples=2),
    "dip-i": lambda: DIPVAEI(),
    "dip-ii": lambda: DIPVAEII(),
    "info-vae": lambda: InfoVAE(alpha=0.5, kernel="rbf"),
    "wae-mmd": lambda: WassersteinAutoencoder(num_samples=2),
    "semi-supervised": lambda: SemiSupervisedELBO(num_samples=2),
    "wake-sleep": lambda: WakeSleep(num_samples=2),
    "monte-carlo-em": lambda: MonteCarloEM(num_leapfrog=3),
    "autoencoder": lambda: Autoencoder(),
    "denoising-autoencoder": lambda: DenoisingAutoencoder(),
    "sparse-autoencoder": lambda: SparseAutoencoder(),
    "rae-l2": lambda: RegularisedAutoencoder(),
}


def model_for(objective: AbstractObjective, key: PRNGKeyArray) -> Any:
    """A model that the objective can work with."""
    if "classes" in objective.needs:
        return model_of("8-bit-semi-supervised", key)
    posterior = "deterministic" if "deterministic-posterior" in objective.needs else "diagonal-gaussian"
    return model_of("8-bit-gaussian-sigmoid", key, posterior={"name": posterior})


def objective_case(make: Callable[[], AbstractObjective]) -> Case:
    batch = DATA["8-bit"][:4]

    def inputs(part: AbstractObjective, key: PRNGKeyArray) -> tuple[Any, ...]:
        return model_for(part, key), jnp.asarray(batch), key, jnp.int32(3)

    def extremes(part: AbstractObjective) -> list[tuple[Any, ...]]:
        model = model_for(part, jax.random.key(0))
        limits = [jnp.full_like(batch, limit) for limit in (0, 255)]
        return [(model, limit, jax.random.key(0), jnp.int32(step)) for limit in limits for step in (0, 10**8)]

    def call(part: AbstractObjective, model: Any, batch: Array, key: PRNGKeyArray, step: Array) -> dict[str, Any]:
        given, state = in_training(part, model, batch)
        record = part(model, given, key, step, state, training=True)
        said = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
        return {**said, "state": None if record.state is None else vars(record.state), "w": part.kl_weight(step)}

    def shapes(part: AbstractObjective) -> dict[str, Any]:
        each = (len(batch),)
        of_density = None if "deterministic-posterior" in part.needs else each
        monitors = {"fraction_at_floor": ()}
        return {
            "loss": (),
            "bound": of_density,
            "log_likelihood": each,
            "kl": of_density,
            "state": {"z": (len(batch), LATENT_DIM), "log_step_size": ()} if part.remembers_examples else None,
            "monitors": monitors,
            "w": (),
        }

    return Case(lambda key: make(), inputs, extremes, call, shapes)
