"""A training run in its folder: begin, resume, checkpoint, and finish."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from .. import __version__
from ..assembly.automatic import Choice
from ..assembly.build import resolve
from ..config import RunConfig
from ..data.dataset import Dataset
from ..data.examples import Example, examples_of, in_form_of
from ..data.spec import DataSpec
from ..data.splits import Split, split_record
from ..devices.processes import is_first, wait_for_first
from ..errors import ConfigurationError, DataError, ModelFolderError, NonFiniteLossError, TooLargeError
from ..models import AbstractLatentVariableModel
from ..storage.atomic import write_text
from ..training import ALL_EPOCHS, NOT_FINITE, STOPPED_EARLY, Progress, Record, Trainer, prepare
from ..training.programs import ALONE, Programs
from .checkpoints import latest_checkpoint, load_checkpoint_into, save_checkpoint
from .folder import RunFolder, load_model
from .model_folder import save_model_folder
from .planning import check_held_out, described, plan
from .start import Start

FINISHED = (ALL_EPOCHS, STOPPED_EARLY)
# What a run is said to have ended by when a file could not be read.
NOT_READ = "the data could not be read"


@dataclasses.dataclass
class TrainingRun:
    """A run that is about to train, new or resumed. `notes` are sentences that its person should read."""

    folder: RunFolder
    config: RunConfig
    spec: DataSpec
    dataset: Dataset
    split: Split
    trainer: Trainer
    progress: Progress
    notes: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()

    @classmethod
    def begin(
        cls,
        path: str | Path,
        config: RunConfig,
        dataset: Dataset,
        *,
        recipe: str,
        command: str,
        given: Mapping[str, Mapping[str, Any]] | None = None,
        start: Start | None = None,
        mesh: Mesh | None = None,
    ) -> TrainingRun:
        """A new run in a new folder, with everything but the weights written down.

        - `given`: what was set beside an automatic recipe; the data choose the rest. None: `config` is all.
        - `start`: a trained model to begin with, whose description of the data is taken over; its weights are the first
          checkpoint. None: fresh weights.
        - `mesh`: the devices that train, which are no part of the configuration: its numbers are the same on any; one by default.

        Raises `DataError` or `ConfigurationError` before anything is written, and `SavingError`.
        """
        split, spec, config, choices = plan(config, dataset, given, before=None if start is None else start.before)
        model = None if start is None else start.model_for(config, dataset)
        data, dataset = split_record(dataset.examples, split, dataset.condition), in_form_of(dataset, spec)
        if start is None:
            check_held_out(dataset, split, spec)
        trainer = prepare(config, spec, dataset, split, model=model, mesh=mesh)
        record = {
            "recipe": recipe,
            "command": command,
            "data": data,
            "versions": versions(),
            "machine": machine(mesh),
            "started": _now(),
            "ended": None,
            "stop_reason": "",
            "seconds": 0.0,
            "epochs_done": 0.0,
            "best_epoch": 0.0,
            "choices": [dataclasses.asdict(choice) for choice in choices],
            "started_from": None if start is None else start.record(),
        }
        notes = _notes(config, dataset)
        if start is not None:
            notes += (
                f"it begins with the weights of {start.path}, and takes the data's shift and scale as that model knows them.",
            )
        run = cls(RunFolder(Path(path)), config, spec, dataset, split, trainer, trainer.start(), notes, choices)
        if not run.writes:
            return run
        with RunFolder.created(path) as folder:
            write_text(folder.config_file, config.to_toml())
            split.save(folder.split_file)
            folder.write_info(record)
            if start is not None:
                dataclasses.replace(run, folder=folder).save_checkpoint()
        return run

    @classmethod
    def resume(cls, path: str | Path, dataset: Dataset, *, epochs: int | None = None, mesh: Mesh | None = None) -> TrainingRun:
        """The run in `path`, at its newest whole checkpoint, whose description of the data and constants are taken over.

        - `epochs`: train up to this many epochs instead of the configured number.
        - `mesh`: the devices that go on, as many as there are now; one by default.

        Raises `DataError` when `dataset` is not what the run began with, `ConfigurationError` when it has done more than
        `epochs` already, when its configuration was edited, and when another process trains it, `ModelFolderError` when no
        checkpoint can be used.
        """
        if not is_first():
            # What the first repairs is whole when the others read it.
            wait_for_first("resume")
            return cls._resumed(RunFolder.open(path), dataset, epochs, mesh)
        folder = RunFolder.open(path)
        with folder.locked():
            run = cls._resumed(folder, dataset, epochs, mesh)
        wait_for_first("resume")
        return run

    @classmethod
    def _resumed(cls, folder: RunFolder, dataset: Dataset, epochs: int | None, mesh: Mesh | None) -> TrainingRun:
        begun, info = folder.config(), folder.info()
        config = begun if epochs is None else begun.updated({"training": {"epochs": epochs}})
        split = folder.split()
        folder.check_data(dataset)
        notes = _version_notes(info["versions"])
        checkpoint = latest_checkpoint(folder.checkpoints)
        if checkpoint is None and (start := info.get("started_from")):
            raise ModelFolderError(
                f"{folder.path} has no checkpoint that can be used, and it began with the model of {start['path']}. Start a new "
                f"run with --from {start['path']}."
            )
        if checkpoint is None:
            spec = described(config, dataset, split)
            config, dataset = resolve(config, spec), in_form_of(dataset, spec)
            trainer = prepare(config, spec, dataset, split, mesh=mesh)
            if is_first():
                folder.metrics.keep_until(0)
            notes += ("there was no checkpoint yet: starting again",)
            return cls(folder, config, spec, dataset, split, trainer, trainer.start(), notes)
        model, spec, trained = load_model(checkpoint.path)
        dataset = in_form_of(dataset, spec)
        # A run of an earlier release may leave open what is resolved today.
        _check_unchanged(trained, resolve(begun, spec), folder)
        config = resolve(config, spec)
        trainer = prepare(config, spec, dataset, split, model=model, mesh=mesh)
        if checkpoint.step > trainer.schedule.num_steps:
            done = checkpoint.step / trainer.schedule.steps_per_epoch
            raise ConfigurationError(
                f"epochs is {epochs}, but the run in {folder.path} has done {done:g} epochs already, and training cannot be "
                "undone. Give more epochs, or start a new run in another folder."
            )
        start = trainer.start()
        _, (state, best) = load_checkpoint_into(checkpoint.path, model, (start.state, start.best_params))
        progress = Progress.restore(state, best, checkpoint.counters, str(checkpoint.path))
        has_more_epochs = progress.stop_reason == ALL_EPOCHS and checkpoint.step < trainer.schedule.num_steps
        if has_more_epochs or progress.stop_reason not in FINISHED:
            progress.stop_reason = ""
        if is_first():
            folder.metrics.keep_until(checkpoint.step)
        if is_first() and not progress.stop_reason and config != begun:
            write_text(folder.config_file, config.to_toml())
        return cls(folder, config, spec, dataset, split, trainer, progress, notes + checkpoint.refused)

    @property
    def writes(self) -> bool:
        """Whether this process writes into the folder: of several that share a run, the first."""
        return is_first()

    @property
    def is_finished(self) -> bool:
        """True when there is nothing left to train."""
        return self.progress.stop_reason in FINISHED

    def part(self, name: str) -> Example:
        """The examples of "train", "validation" or "test", as the device gets them."""
        return examples_of(self.dataset, getattr(self.split, name), self.spec)

    def run(
        self,
        *,
        on_record: Callable[[Record, TrainingRun], None] = lambda record, run: None,
        should_stop: Callable[[], str | None] = lambda: None,
        programs: Programs = ALONE,
    ) -> AbstractLatentVariableModel:
        """Train to the end, checkpointing on the way; then write the model. A stopped run only leaves its checkpoint.

        - `programs`: as `Trainer.run` has it.

        Raises `NonFiniteLossError`, saying which checkpoint is the last good one, `SavingError`, and `ConfigurationError` when
        another process trains into this folder.
        """
        with self.folder.locked() if self.writes else contextlib.nullcontext():
            return self._run(on_record, should_stop, programs)

    def _run(
        self, on_record: Callable[[Record, TrainingRun], None], should_stop: Callable[[], str | None], programs: Programs
    ) -> AbstractLatentVariableModel:
        last_saved = time.monotonic()

        def record(row: Record, progress: Progress) -> None:
            if self.writes:
                self.folder.metrics.append(row)
                on_record(row, self)

        def maybe_checkpoint(progress: Progress) -> None:
            nonlocal last_saved
            if self.writes and time.monotonic() - last_saved >= self.config.training.checkpoint_every_seconds:
                self.save_checkpoint()
                last_saved = time.monotonic()

        try:
            self.trainer.run(
                self.progress,
                on_record=record,
                on_chunk=maybe_checkpoint,
                should_stop=should_stop,
                programs=programs,
            )
        except NonFiniteLossError as error:
            if not self.writes:
                raise
            self._note_end(NOT_FINITE)
            raise NonFiniteLossError(f"{error} {self._what_is_kept()}") from error
        except TooLargeError:
            if self.writes:
                self.folder.remove_untrained()
            raise
        except DataError as error:
            if not self.writes:
                raise
            # A file that is read while training goes on is not what it was.
            place = self.save_checkpoint()
            self._note_end(NOT_READ)
            raise DataError(
                f"{error} All that was learned is kept in {place}; go on with: lowerbound train --resume {self.folder.path}"
            ) from error
        if not self.writes:
            return self.trainer.model_of(self.progress, has_ended=self.is_finished)
        self.save_checkpoint()
        model = self.trainer.model_of(self.progress, has_ended=self.is_finished)
        if self.is_finished:
            save_model_folder(self.folder.model, self.config.to_dict(), self.spec, model)
        self._note_end(self.progress.stop_reason)
        return model

    def _note_end(self, reason: str) -> None:
        progress, epochs = self.progress, int(self.progress.state.step) / self.trainer.schedule.steps_per_epoch
        ended = {"ended": _now(), "stop_reason": reason, "seconds": progress.seconds, "epochs_done": epochs}
        self.folder.write_info({**self.folder.info(), **ended, "best_epoch": progress.best_epoch})

    def _what_is_kept(self) -> str:
        checkpoint = latest_checkpoint(self.folder.checkpoints)
        if checkpoint is None:
            # So that `doctor` has a model to look at, and says what happened.
            self.progress = self.trainer.start()
            self.folder.metrics.keep_until(0)
            return f"There was no checkpoint yet; the untrained model is kept in {self.save_checkpoint()}."
        return f"The last good checkpoint, of step {checkpoint.step:,}, is kept in {checkpoint.path}."

    def save_checkpoint(self) -> Path:
        """Write a checkpoint of this very moment; raises `SavingError`."""
        progress = self.progress
        return save_checkpoint(
            self.folder.checkpoints,
            int(progress.state.step),
            self.config.to_dict(),
            self.spec,
            self.trainer.current_model(progress),
            (progress.state, progress.best_params),
            progress.counters,
        )


def _notes(config: RunConfig, dataset: Dataset) -> tuple[str, ...]:
    notes = config.remarks
    if dataset.split is not None:
        notes += (f"{dataset.name} comes with its own split; data.validation, data.test and data.split_seed are not used.",)
    if config.data.binarize == "dynamic":
        notes += (
            "the values are probabilities: each step of training draws zeros and ones anew; validation and all scores are about "
            "one fixed draw, the same for every run.",
        )
    return notes


def _version_notes(begun: dict[str, str]) -> tuple[str, ...]:
    now = versions()
    changed = [f"{name} {old} (now {now[name]})" for name, old in begun.items() if name in now and now[name] != old]
    if not changed:
        return ()
    return (f"the run began with {', '.join(changed)}; from here on its numbers may differ in their last digits.",)


# Keys that may change between stop and resume: what they name is held to its fingerprint, or it is no part of the numbers.
_FREE_KEYS = frozenset({"data.name", "data.key", "training.epochs", "training.checkpoint_every_seconds", "training.images_every"})


def _check_unchanged(trained: RunConfig, begun: RunConfig, folder: RunFolder) -> None:
    """Refuse to go on with another configuration than the checkpoint's."""
    for section, keys in trained.to_dict().items():
        for key, value in keys.items():
            now = begun.to_dict()[section].get(key)
            are_names = (section, key) == ("data", "validation") and isinstance(now, str) and isinstance(value, str)
            if now != value and f"{section}.{key}" not in _FREE_KEYS and not are_names:
                raise ConfigurationError(
                    f"{folder.config_file} was edited: {section}.{key} is {now!r}, and the run was trained with {value!r}. A run "
                    f"goes on as it was configured: set {section}.{key} back, or start a new run with it."
                )


def versions() -> dict[str, str]:
    """The versions that decide a run's numbers."""
    packages = ("jax", "jaxlib", "equinox", "optax", "numpyro", "numpy")
    return {
        "lowerbound": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


def machine(mesh: Mesh | None = None) -> dict[str, Any]:
    """The kind of device, how many of them train, and the number of cores; nothing that names the computer."""
    device = jax.local_devices()[0]
    return {
        "device": f"{device.platform} ({device.device_kind})",
        "cores": os.cpu_count(),
        "system": platform.system(),
        "devices": 1 if mesh is None else mesh.size,
        "processes": jax.process_count(),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
