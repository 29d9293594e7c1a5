"""Models of configurations that may still say "auto", and what an objective is given of them."""

from typing import Any

import jax
import jax.numpy as jnp

import lowerbound.assembly.build as assembly
from lowerbound.config import RunConfig
from lowerbound.config.context import BuildContext
from lowerbound.data.examples import Example
from lowerbound.data.spec import DataSpec
from lowerbound.models import AbstractLatentVariableModel
from lowerbound.objectives import AbstractObjective


def build_model(config: RunConfig, spec: DataSpec, *args: Any, **kwargs: Any) -> Any:
    """The model of the configuration as this description resolves it; one that infers labels of three classes."""
    if assembly.infers_labels(config):
        kwargs = {"condition_dim": 3, **kwargs}
    return assembly.build_model(assembly.resolve(config, spec), spec, *args, **kwargs)


def build_context(config: RunConfig, spec: DataSpec, *args: Any, **kwargs: Any) -> BuildContext:
    """What the parts of the configuration are told."""
    return assembly.build_context(assembly.resolve(config, spec), spec, *args, **kwargs)


def in_training(objective: AbstractObjective, model: AbstractLatentVariableModel, data: Any) -> tuple[Example, Any]:
    """The whole of some data as a batch, and the state with it, as training gives both to an objective."""
    index = jnp.arange(len(data)) if objective.remembers_examples else None
    # One example of each class, the others without a label.
    label = jnp.eye(len(data), model.condition_dim, dtype=jnp.float32) if model.infers_condition else None
    return Example(jnp.asarray(data), label, index=index), objective.initial_state(model, len(data), jax.random.key(0))
