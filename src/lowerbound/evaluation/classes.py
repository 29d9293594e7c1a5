"""What a model that infers labels says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..config.catalogue import first_with
from ..data.conditions import in_words
from ..data.examples import Example
from ..errors import ConfigurationError, DataError
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


@dataclasses.dataclass(frozen=True)
class ClassificationError:
    """How many examples are given another class than their own.

    - `error`: their share; `standard_error`: sqrt(error (1 - error) / n).
    - `guess_error`: the share that is wrong where each is given the class that most of them have.
    """

    error: float
    standard_error: float
    num_examples: int
    guess_error: float

    @property
    def words(self) -> str:
        """In a sentence."""
        return (
            f"{100 * self.error:.2f} % of {self.num_examples:,} examples are given another class than their own (standard error "
            f"{100 * self.standard_error:.2f} %). With the most frequent class for all, {100 * self.guess_error:.2f} % would be."
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)


def classification_error(classes: Sequence[float | str], found: np.ndarray, labels: np.ndarray) -> ClassificationError:
    """The errors of classes `found`, (n,) by their number in `classes`, against the examples' own `labels`.

    Raises `DataError` for a label that is none of the classes, of which training saw no example, and where there is no example.
    """
    if not len(labels):
        raise DataError("no example has a label; expected one at least, to count errors.")
    is_text = any(isinstance(each, str) for each in classes)
    own = [in_words(each) for each in labels.tolist()] if is_text else labels.tolist()
    place = {each: number for number, each in enumerate(classes)}
    for row, each in enumerate(own):
        if each not in place:
            raise DataError(
                f"the label {in_words(each)!r} of example {row} is none of the classes of which training saw a labelled example: "
                f"{', '.join(map(in_words, classes))}. Train with an example of it, or leave these examples out."
            )
    numbers = np.asarray([place[each] for each in own])
    error, most = float(np.mean(found != numbers)), np.bincount(numbers).max()
    return ClassificationError(error, (error * (1 - error) / len(own)) ** 0.5, len(own), 1 - float(most) / len(own))


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
