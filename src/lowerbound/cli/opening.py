"""Opening a trained run for a command: its model, its own data, or other data in its place."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigurationError, DataError
from .runtime import prepare_jax, say

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..data.dataset import Dataset
    from ..data.examples import Example
    from ..data.spec import DataSpec
    from ..models import AbstractLatentVariableModel
    from ..runs.folder import RunFolder

SPLITS = ("train", "validation", "test")


def open_run(run: Path) -> tuple[RunFolder, AbstractLatentVariableModel, DataSpec, RunConfig]:
    """A run's folder, its model (of the newest checkpoint where training has not ended, which is said), its data's description
    and its configuration; raises `ModelFolderError`."""
    prepare_jax()
    from ..runs.checkpoints import latest_checkpoint
    from ..runs.folder import RunFolder, load_model
    from ..training import NOT_FINITE

    folder = RunFolder.open(run)
    if not folder.model.exists() and (checkpoint := latest_checkpoint(folder.checkpoints)) is not None:
        reason = str(folder.info().get("stop_reason", ""))
        if reason == NOT_FINITE:
            say(f"note: training of {run} broke off because {reason}; this is its checkpoint of step {checkpoint.step:,}.")
        else:
            say(
                f"note: {run} has not ended; this is its checkpoint of step {checkpoint.step:,}. "
                f"Continue it with: lowerbound train --resume {shlex.quote(str(run))}"
            )
        return folder, *load_model(checkpoint.path)
    return folder, *folder.load_model()


def own_examples(folder: RunFolder, config: RunConfig, spec: DataSpec, split: str, data_dir: Path | None) -> Example:
    """One part of the run's own data; raises `DataError` when it is empty, or the data are others than they were."""
    from ..data.datasets import load_dataset
    from ..data.examples import examples_of
    from ..data.splits import check_same_data, split_record

    dataset: Dataset = load_dataset(config.data.name, config.data.key, data_dir, config.data.condition)
    rows = folder.split()
    check_same_data(folder.info()["data"], split_record(dataset.examples, rows, dataset.condition))
    if rows.sizes[split] == 0:
        held = next(name for name in ("test", "validation", "train") if rows.sizes[name])
        raise DataError(
            f"the {split} split of {folder.path} is empty: nothing was held out for it. "
            f"Use --split {held} ({rows.sizes[held]:,} examples), or train again with data.{split} above 0."
        )
    return examples_of(dataset, getattr(rows, split), spec)


def other_examples(
    data: str, key: str, data_dir: Path | None, model: AbstractLatentVariableModel, spec: DataSpec, config: RunConfig
) -> Example:
    """Other data, fit for the model, a table's columns by their names; raises `DataError` when they are not."""
    from ..data.checks import check_array
    from ..data.datasets import load_dataset
    from ..data.examples import examples_of
    from ..data.plausibility import check_like_training
    from ..data.tables import Table, columns_of

    dataset = load_dataset(data, key, data_dir, config.data.condition)
    examples = dataset.examples
    if dataset.feature_names and spec.feature_names:
        examples = columns_of(Table(examples, dataset.feature_names), spec.feature_names, data)
    examples = check_array(examples, name=data, event_shape=spec.event_shape)
    model.check_values(examples, name=data)
    check_like_training(examples, spec, name=data)
    return examples_of(dataclasses.replace(dataset, examples=examples), np.arange(len(examples)), spec)


def check_split(split: str) -> None:
    """Raise `ConfigurationError`, with the nearest right name, when there is no such part of the data."""
    if split not in SPLITS:
        from ..errors import unknown_name_message

        raise ConfigurationError(unknown_name_message("--split", split, SPLITS))
