"""Opening a trained run for a command: its model, its own data, or other data in its place."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError
from .runtime import prepare_jax, say

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..data.dataset import Dataset
    from ..data.examples import Example
    from ..data.spec import DataSpec
    from ..models import AbstractLatentVariableModel
    from ..runs.folder import RunFolder


class OpenRun(NamedTuple):
    """A run's folder, its model, its data's description and its configuration."""

    folder: RunFolder
    model: AbstractLatentVariableModel
    spec: DataSpec
    config: RunConfig

    def dataset(self, data_dir: Path | None) -> Dataset:
        """The run's own data; raises `DataError` when they are others than they were."""
        from ..data.datasets import load_configured
        from ..data.examples import in_form_of

        dataset = load_configured(self.config.data, data_dir)
        self.folder.check_data(dataset)
        # A run that went on from another's model was told the columns by their names.
        return in_form_of(dataset, self.spec)

    def examples(self, split: str, data_dir: Path | None) -> Example:
        """One part of the run's own data; raises `DataError` when it is empty, or the data are others than they were."""
        from ..data.examples import examples_of

        dataset, rows = self.dataset(data_dir), self.folder.split()
        if rows.sizes[split] == 0:
            held = rows.best_held_out
            raise DataError(
                f"the {split} split of {self.folder.path} is empty: nothing was held out for it. "
                f"Use --split {held} ({rows.sizes[held]:,} examples), or train again with data.{split} above 0."
            )
        return examples_of(dataset, getattr(rows, split), self.spec)

    def other_examples(self, data: str, key: str, data_dir: Path | None) -> Example:
        """Other data, fit for the model, a table's columns by their names; raises `DataError` when they are not."""
        import numpy as np

        from ..data.datasets import load_configured
        from ..data.examples import examples_of, in_form_of
        from ..data.plausibility import check_like_training

        spec = self.spec
        dataset = in_form_of(load_configured(self.config.data, data_dir, instead=data, key=key), spec)
        self.model.check_values(dataset.examples, spec, name=data)
        check_like_training(dataset.examples, spec, name=data)
        return examples_of(dataset, np.arange(len(dataset.examples)), spec)


def open_run(run: Path) -> OpenRun:
    """A run with its model, of the newest checkpoint where training has not ended, which is said; raises `ModelFolderError`."""
    prepare_jax()
    from ..runs.checkpoints import latest_checkpoint
    from ..runs.folder import RunFolder, load_model
    from ..training import NOT_FINITE

    folder = RunFolder.open(run)
    if folder.model.exists() or (checkpoint := latest_checkpoint(folder.checkpoints)) is None:
        return OpenRun(folder, *folder.load_model())
    reason = str(folder.info().get("stop_reason", ""))
    if reason == NOT_FINITE:
        say(f"note: training of {run} broke off because {reason}; this is its checkpoint of step {checkpoint.step:,}.")
    else:
        say(
            f"note: {run} has not ended; this is its checkpoint of step {checkpoint.step:,}. "
            f"Continue it with: lowerbound train --resume {shlex.quote(str(run))}"
        )
    return OpenRun(folder, *load_model(checkpoint.path))
