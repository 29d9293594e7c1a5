"""Opening a trained run for a command: its model, its own data, or other data in its place."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError
from .runtime import prepare_jax, say

if TYPE_CHECKING:
    import numpy as np

    from ..config import RunConfig
    from ..data.dataset import Dataset
    from ..data.examples import Example
    from ..data.spec import DataSpec
    from ..data.splits import Split
    from ..models import AbstractLatentVariableModel
    from ..runs.folder import RunFolder


class OpenRun(NamedTuple):
    """A run's folder, its model, its data's description and its configuration; or a model that was saved without its data."""

    folder: RunFolder
    model: AbstractLatentVariableModel
    spec: DataSpec
    config: RunConfig

    @property
    def has_data(self) -> bool:
        """False for a model without a run: one that `VAE.save` wrote."""
        return (self.folder.path / "run.json").exists()

    def rows(self) -> Split:
        """Which examples are in each part of the run's own data; raises `DataError` for a model without its data."""
        if not self.has_data:
            path = self.folder.path
            raise DataError(
                f"{path} holds a model that was saved without its data. Give data: lowerbound evaluate {shlex.quote(str(path))} "
                "DATA, and so for score, encode, reconstruct, impute, doctor, latents, explain, traverse and interpolate; sample "
                "needs none, compare takes --data DATA, fidelity DATA --training DATA."
            )
        return self.folder.split()

    def dataset(self, data_dir: Path | None) -> Dataset:
        """The run's own data; raises `DataError` when they are others than they were, and for a model without its data."""
        from ..data.datasets import load_configured
        from ..data.examples import in_form_of

        self.rows()
        dataset = load_configured(self.config.data, data_dir, are_labels=self.model.infers_condition, has_begun=True)
        self.folder.check_data(dataset)
        # A run that went on from another's model was told the columns by their names.
        return in_form_of(dataset, self.spec)

    def examples(self, split: str, data_dir: Path | None) -> Example:
        """One part of the run's own data; raises `DataError` when it is empty, or the data are others than they were."""
        from ..data.examples import examples_of

        dataset = self.dataset(data_dir)
        return examples_of(dataset, self.part(split), self.spec)

    def shown(self, split: str, data: str | None, key: str, data_dir: Path | None) -> tuple[Example, str]:
        """One part of the run's own data, or other data, and their name for a sentence."""
        if data is None:
            return self.examples(split, data_dir), f"the {split} split"
        return self.other_examples(data, key, data_dir), data

    def part(self, split: str) -> np.ndarray:
        """The numbers of the rows in a part of the run's own data; raises `DataError` when it is empty."""
        rows = self.rows()
        if rows.sizes[split] == 0:
            held = rows.best_held_out
            raise DataError(
                f"the {split} split of {self.folder.path} is empty: nothing was held out for it. "
                f"Use --split {held} ({rows.sizes[held]:,} examples), or train again with data.{split} above 0."
            )
        return getattr(rows, split)

    def other_examples(self, data: str, key: str, data_dir: Path | None, *, may_be_odd: bool = False) -> Example:
        """Other data, fit for the model, a table's columns by their names; raises `DataError` when they are not.

        - `may_be_odd`: whether they may be unlike the training rows, or outside the likelihood's support.
        """
        import numpy as np

        from ..data.examples import examples_of

        dataset = self.other_dataset(data, key, data_dir, may_be_odd=may_be_odd)
        return examples_of(dataset, np.arange(len(dataset.examples)), self.spec)

    def is_own(self, data: str) -> bool:
        """Whether `data` are what the run was trained on, and held rows out of."""
        own = self.config.data.name
        return self.has_data and (data == own or Path(data).expanduser().absolute() == Path(own).expanduser().absolute())

    def other_dataset(
        self, data: str, key: str, data_dir: Path | None, *, may_be_odd: bool = False, unknown: str | None = None
    ) -> Dataset:
        """Other data as `other_examples` takes them, with all that came with them.

        - `unknown`: the column, or the condition, that is asked for, and which they may be without.
        """
        from ..data.datasets import load_configured
        from ..data.examples import in_form_of
        from ..data.plausibility import check_in_units, check_like_training

        spec = self.spec
        loaded = load_configured(
            self.config.data,
            data_dir,
            instead=data,
            key=key,
            are_labels=self.model.infers_condition or unknown is not None,
            columns=(*spec.columns, *spec.left_out),
            may_lack=() if unknown is None or unknown not in spec.feature_names else (unknown,),
        )
        dataset = in_form_of(loaded, spec)
        if may_be_odd:
            check_in_units(dataset.examples, spec, data)
        else:
            self.model.check_values(dataset.examples, spec, name=data)
            check_like_training(dataset.examples, spec, name=data)
            if spec.condition is not None:
                spec.condition.check_like_training(dataset.condition)
        return dataset


def saved_model(run: Path) -> tuple[RunConfig, DataSpec] | None:
    """What a model that was saved without a run is, and is of; None for anything else. Raises `ModelFolderError`."""
    from ..config import RunConfig
    from ..runs.folder import RUN_FILE
    from ..runs.model_folder import CONFIG_FILE, read_config

    if (run / RUN_FILE).exists() or not (run / CONFIG_FILE).exists():
        return None
    config, spec = read_config(run)
    return RunConfig.from_dict(config), spec


def open_run(run: Path) -> OpenRun:
    """A run with its model, of the newest checkpoint where training has not ended, which is said; or what `VAE.save` wrote.

    Raises `ModelFolderError`.
    """
    prepare_jax()
    from ..runs.checkpoints import latest_checkpoint
    from ..runs.folder import RUN_FILE, RunFolder, load_model
    from ..runs.model_folder import CONFIG_FILE
    from ..training import NOT_FINITE

    if (run / CONFIG_FILE).exists() and not (run / RUN_FILE).exists():
        from ..estimator.folder import load_estimator

        saved = load_estimator(run)
        return OpenRun(RunFolder(run), saved.model, saved.spec, saved.config)
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
