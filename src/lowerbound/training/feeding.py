"""From the examples that a trainer is given to the feed that brings them, and what it may not bring."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ..config.sections import TrainingConfig
from ..data.examples import Example
from ..devices.mesh import place
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from ..objectives import AbstractObjective, check_number, check_rows
from .feed import AbstractFeed, AbstractResident, Hiding, Noisy, Redrawn, Resident, WithLabelled
from .stream import Reader, Stream, steps_at_once


class Fed(NamedTuple):
    """- `number`: of training examples, one of weight 2 counted twice. `most_steps`: of a chunk; None for any number."""

    feed: AbstractFeed
    number: float
    most_steps: int | None = None


def feed_of(
    train: Example | np.ndarray | AbstractFeed,
    model: AbstractLatentVariableModel,
    objective: AbstractObjective,
    config: TrainingConfig,
    mesh: Mesh,
    *,
    probability: tuple[np.ndarray, float] | None,
    spread: np.ndarray | None,
) -> Fed:
    """What brings the training examples, as `Trainer` is given them.

    Raises `ConfigurationError` where the objective, the model or the configuration cannot do with how they are brought.
    """
    are_redrawn = probability is not None or spread is not None
    is_streamed = isinstance(train, Example) and train.is_streamed
    if is_streamed and are_redrawn:
        raise ConfigurationError(
            "the values are to be drawn anew at each step, but the data are not in memory; set data.memory=resident."
        )
    check_rows(objective, are_streamed=is_streamed or isinstance(train, AbstractFeed), are_redrawn=are_redrawn)
    if isinstance(train, AbstractFeed):
        if config.hide_elements:
            raise ConfigurationError(
                f"training.hide_elements is {config.hide_elements:g}, but a feed brings the examples; hide elements there, or "
                "set it to 0."
            )
        return Fed(train, train.num_examples)
    train = Example.of(train)
    first = jax.tree.map(np.asarray, train[:1000]) if is_streamed else train
    model.check_observed(first)
    check_number(objective, train)
    if config.hide_elements:
        _check_hiding(model, first)
    hidden = jnp.asarray(config.hide_elements, jnp.float32) if config.hide_elements else None
    number = float(train.total_weight)
    if is_streamed:
        return Fed(Stream(Reader(train), hidden), number, steps_at_once(train, config.batch_size))
    feed = _resident(train, objective, mesh, probability, spread)
    return Fed(feed if hidden is None else Hiding(feed.data, feed, place(hidden, mesh)), number)


def _resident(
    train: Example,
    objective: AbstractObjective,
    mesh: Mesh,
    probability: tuple[np.ndarray, float] | None,
    spread: np.ndarray | None,
) -> AbstractResident:
    """All examples on the device, some of them drawn anew, or with labelled ones behind each batch."""
    if objective.remembers_examples:
        train = dataclasses.replace(train, index=np.arange(len(train), dtype=np.int32))
    labelled = _labelled_rows(objective, train)
    data = place(train, mesh)
    feed = Resident(data)
    if probability is not None:
        feed = Redrawn(data, place(jnp.asarray(probability[0]), mesh), probability[1])
    elif spread is not None:
        feed = Noisy(data, place(jnp.asarray(spread, jnp.float32), mesh))
    if labelled is None:
        return feed
    rows = place(jnp.asarray(labelled, jnp.int32), mesh)
    weight = place(jnp.asarray(objective.labelled_weight, jnp.float32), mesh)
    steps = objective.labelled_steps
    fall = place(jnp.asarray(steps, jnp.float32), mesh) if steps else None
    return WithLabelled(data, feed, rows, objective.labelled_batch, weight, fall)


def _check_hiding(model: AbstractLatentVariableModel, data: Example) -> None:
    """Raise `ConfigurationError` where single elements cannot be left out of p(x|z)."""
    observed = np.ones((1, *data.x.shape[1:]), bool)
    observed.reshape(-1)[0] = False
    model.check_observed(Example(np.zeros(observed.shape, np.float32), observed=observed))


def _labelled_rows(objective: AbstractObjective, train: Example) -> np.ndarray | None:
    """Which training examples have a label, for an objective that adds some of them to each batch."""
    if not objective.labelled_batch:
        return None
    known = np.zeros((1, 1)) if train.condition is None else np.asarray(train.condition)
    if not known.any():
        raise ConfigurationError(
            f"the objective {type(objective).__name__} learns from examples with a label, but none of the {len(train):,} "
            "training examples has one."
        )
    if (empty := np.flatnonzero(~known.any(axis=0))).size:
        raise ConfigurationError(
            f"the objective {type(objective).__name__} learns {known.shape[1]} classes, but no training example has the label "
            f"number {empty[0]} (from 0); give at least one example of each class, or leave the class out."
        )
    return np.flatnonzero(known.any(axis=1))
