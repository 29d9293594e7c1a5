"""From a configuration and a split data set to what trains: the one way for the command line and the estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from ..assembly.build import build_model, build_objective, told_labels
from ..assembly.parts import check_fit
from ..config import ResolvedConfig
from ..config.catalogue import class_of
from ..data.dataset import Dataset
from ..data.examples import examples_of, for_device
from ..data.holes import has_holes
from ..data.spec import DataSpec
from ..data.splits import Split
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from .loop import Trainer
from .schedule import Schedule
from .stream import steps_at_once

# Enough training examples to start a few hundred pseudo-inputs from.
_NUM_START_EXAMPLES = 1000


def _without_holes(examples: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Examples to start a part from, with the means where they have no value."""
    if not has_holes(examples):
        return examples
    return np.where(np.isnan(examples), np.asarray(spec.mean).reshape(spec.event_shape), examples)


def prepare(
    config: ResolvedConfig,
    spec: DataSpec,
    dataset: Dataset,
    split: Split,
    *,
    parts: Mapping[str, Any] = {},
    model: AbstractLatentVariableModel | None = None,
    mesh: Mesh | None = None,
) -> Trainer:
    """A trainer of a fresh model, or of `model`, on the split's training examples.

    - `parts`: objects that take the place of the configured parts, by kind ("prior", ...).
    - `mesh`: the devices that share each batch; one by default.

    Raises `ConfigurationError` when a part does not fit the data or the configuration, and `DataError` when a held-out example
    has no probability.
    """
    if model is None:
        check_fit(parts, config, spec)
        start = spec.to_model(_without_holes(dataset.examples[split.train[:_NUM_START_EXAMPLES]], spec))
        key = jax.random.key(config.training.seed)
        model = build_model(config, spec, key, condition_dim=spec.condition_dim, examples=start, parts=parts)
        for held_out in (split.validation, split.test):
            model.check_values(dataset.examples, spec, name=dataset.name, rows=held_out)
    train = examples_of(dataset, split.train, spec, told_labels(config, dataset, split))
    validation = examples_of(dataset, split.validation, spec)
    steps_per_batch = class_of("objective", config.objective.name).steps_per_batch
    steps_per_epoch = Schedule.plan(
        config.training, len(train), steps_per_batch, steps_at_once(train, config.training.batch_size)
    ).steps_per_epoch
    objective = parts.get("objective") or build_objective(config, steps_per_epoch, len(train))
    if dataset.probability is None:
        if config.data.binarize == "dynamic":
            raise ConfigurationError(
                f"data.binarize is 'dynamic', but {dataset.name} came without the probabilities to draw from; load the data with "
                "load_configured (the estimator takes zeros and ones as they are)."
            )
        spread = None if dataset.spread is None else for_device(dataset.spread[split.train])
        return Trainer(model, train, validation, objective, config.training, spread=spread, mesh=mesh)
    values, top = dataset.probability
    probability = for_device(values[split.train]), top
    return Trainer(model, train, validation, objective, config.training, probability=probability, mesh=mesh)
