"""What a model that infers labels says of them."""

from __future__ import annotations

from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..config.catalogue import first_with
from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel, SemiSupervised
from .latents import in_blocks


def check_infers_labels(model: AbstractLatentVariableModel) -> None:
    """Raise `ConfigurationError` for a model that infers no labels."""
    if not model.infers_condition:
        raise ConfigurationError(
            f"this model, a {type(model).__name__}, infers no labels; train one with "
            f"model.name={first_with('model', infers_condition=True)}."
        )


def class_probabilities(model: AbstractLatentVariableModel, data: Example | np.ndarray) -> np.ndarray:
    """q(y|x) of each example and class: (n, classes), float64, each row summing to 1; a label that is given is not looked at.

    Raises `ConfigurationError` for a model that infers no labels.
    """
    check_infers_labels(model)
    log_probs = in_blocks(model, lambda block: np.asarray(_log_probs(model, block.on_device()), np.float64), Example.of(data))
    # In double precision, where they sum to 1.
    shares = np.exp(log_probs - log_probs.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def completed(model: AbstractLatentVariableModel, data: Example) -> Example:
    """The examples, each with its most probable label where none is given and the model infers it; else as they are."""
    if not model.infers_condition:
        return data

    def labels(block: Example) -> np.ndarray:
        return np.asarray(_completed(model, block.on_device()))

    return eqx.tree_at(lambda each: each.condition, data, in_blocks(model, labels, data), is_leaf=lambda leaf: leaf is None)


@eqx.filter_jit
def _log_probs(model: AbstractLatentVariableModel, data: Example) -> Float[Array, "examples classes"]:
    return jax.vmap(cast("SemiSupervised", model).class_log_probs)(data)


@eqx.filter_jit
def _completed(model: AbstractLatentVariableModel, data: Example) -> Float[Array, "examples classes"]:
    return jax.vmap(lambda example: jnp.asarray(model.completed(example).condition))(data)
