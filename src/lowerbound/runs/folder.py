"""A run's folder: what is in it, making one, and opening one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import shutil
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..assembly.automatic import Choice
from ..config import ResolvedConfig, RunConfig, load_toml
from ..data.dataset import Dataset
from ..data.spec import DataSpec
from ..data.splits import Split, check_same_data, split_record
from ..errors import ConfigurationError, DataError, ModelFolderError, RunInUseError
from ..evaluation import BoundCurve, Estimate, Evaluation
from ..models import AbstractLatentVariableModel
from ..storage.atomic import new_folder, recover_folder, write_text
from ..storage.documents import json_object, known_version, read_file
from ..storage.regular import FOLDER, MISSING, not_a_file
from ..storage.schema import checked
from ..storage.upgrades import CURRENT, EVALUATION, RUN, upgraded
from .metrics import MetricsFile
from .model_folder import CONFIG_FILE, check_sizes, load_arrays_into, read_config

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

RUN_FILE = "run.json"
_LOCK_FILE = ".lock"


@dataclasses.dataclass(frozen=True)
class _Sizes:
    """How many examples each part has."""

    train: int
    validation: int
    test: int


@dataclasses.dataclass(frozen=True)
class _DataRecord:
    """What `run.json` says of the data and their split."""

    num_examples: int
    event_shape: tuple[int, ...]
    dtype: str
    data_sha256: str
    method: str
    seed: int | None
    sizes: _Sizes
    split_sha256: str
    condition_sha256: str | None


@dataclasses.dataclass(frozen=True)
class _MachineRecord:
    """What `run.json` says of the machine."""

    device: str
    cores: int | None
    system: str
    devices: int = 1
    processes: int = 1


@dataclasses.dataclass(frozen=True)
class _StartRecord:
    """What `run.json` says of the model that the run began with, where it was another run's."""

    path: str
    weights_sha256: str


@dataclasses.dataclass(frozen=True)
class _RunRecord:
    """The fields of `run.json`."""

    recipe: str
    command: str
    data: _DataRecord
    versions: dict[str, str]
    machine: _MachineRecord
    started: str
    ended: str | None
    stop_reason: str
    seconds: float
    epochs_done: float
    best_epoch: float
    choices: tuple[Choice, ...] = ()
    started_from: _StartRecord | None = None


# The fields of `evaluation.json` are those of `Evaluation`, null where a number was not finite.
_STORED: dict[Any, Any] = {float: float | None, Estimate: dict[str, Any], BoundCurve: dict[str, Any]}
_ScoresRecord = dataclasses.make_dataclass(
    "_ScoresRecord", [(name, _STORED.get(kind, kind)) for name, kind in typing.get_type_hints(Evaluation).items()]
)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """`config.toml`, `run.json`, `split.npz`, `metrics.csv`, `model/`, `checkpoints/`; pictures and pages are the faces' own."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The configuration as resolved."""
        return self.path / "config.toml"

    @property
    def split_file(self) -> Path:
        """The rows of each part of the data."""
        return self.path / "split.npz"

    @property
    def model(self) -> Path:
        """The trained model's own folder; there once training has ended."""
        return self.path / "model"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> MetricsFile:
        """The training's figures."""
        return MetricsFile(self.path / "metrics.csv")

    @classmethod
    @contextlib.contextmanager
    def created(cls, path: str | Path) -> Iterator[RunFolder]:
        """A new run folder to fill inside a `with`: at its end it is there, and when the block raises, nothing is.

        An empty folder that is there already (it may be the place of a mounted disk) is filled where it is.

        Raises `ConfigurationError` when there is something there already, `SavingError` when it cannot be made.
        """
        path = Path(path)
        cls.check_free(path)
        if not path.exists():
            with new_folder(path, replace=False) as temporary:
                yield cls(temporary)
            return
        try:
            yield cls(path)
        except BaseException:
            for file in (cls(path).config_file, cls(path).split_file, path / RUN_FILE):
                file.unlink(missing_ok=True)
            shutil.rmtree(cls(path).checkpoints, ignore_errors=True)
            raise

    def remove_untrained(self) -> None:
        """Take away what a run has written that never got anywhere; a folder that holds anything else stays."""
        if self.checkpoints.exists() or self.metrics.path.exists():
            return
        for file in (self.config_file, self.split_file, self.path / RUN_FILE, self.path / _LOCK_FILE):
            file.unlink(missing_ok=True)
        for file in self.path.glob("events.out.tfevents.*"):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process: two that train into one folder would destroy each other's files.

        The system releases the lock when the process ends, however it ends. Raises `ConfigurationError` when another holds it.
        """
        if fcntl is None:
            yield
            return
        with (self.path / _LOCK_FILE).open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise RunInUseError(
                    f"the run in {self.path} is being trained by another process ({file.read().strip() or 'unknown'}); "
                    "nothing was touched. Wait until it has ended, or stop it (it saves a checkpoint first), then resume."
                ) from None
            except OSError:
                # Some network file systems have no locks.
                yield
                return
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
            yield

    @staticmethod
    def check_free(path: Path) -> None:
        """Raise `ConfigurationError` when there is something at `path` already."""
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            what = "is a file" if path.is_file() else "is not empty"
            resume = (
                f" To continue the run that is there: lowerbound train --resume {path}." if (path / RUN_FILE).exists() else ""
            )
            raise ConfigurationError(f"the run folder {path} {what}; nothing was touched. Give --out another folder.{resume}")

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """The run folder at `path`; raises `ModelFolderError` when it is not one."""
        folder = cls(Path(path))
        folder.info()
        return folder

    def info(self) -> dict[str, Any]:
        """What `run.json` says: recipe, data record, versions, machine, times, how training ended.

        Raises `ModelFolderError` when it is missing, torn, foreign or of a newer format.
        """
        file = self.path / RUN_FILE
        if (reason := not_a_file(file)) is not None:
            own = not_a_file(self.path)
            what = f"there is no {RUN_FILE} in it" if reason == MISSING else f"its {RUN_FILE} {reason}"
            what = what if own == FOLDER else "it is a file" if own is None else f"it {own}"
            raise ModelFolderError(
                f"{self.path} is not a run folder: {what}. "
                "Give the folder that `lowerbound train` made (its --out, or runs/NAME)."
            )
        content = json_object(read_file(file), file)
        if content.pop("format", None) != RUN:
            raise ModelFolderError(f"{file} is not one of ours; expected the folder of a `lowerbound train`.")
        version = known_version(content.pop("version", None), content.get("versions"), RUN, file)
        fields = upgraded(RUN, version, content)
        checked(_RunRecord, fields, str(file))
        return fields

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What the data chose of the configuration, and why; nothing where a recipe said all, or in runs of before 0.2."""
        return tuple(Choice(**choice) for choice in self.info().get("choices", ()))

    def write_info(self, fields: dict[str, Any]) -> None:
        """Replace `run.json`."""
        self._write(RUN_FILE, RUN, fields)

    def config(self) -> RunConfig:
        """The configuration as resolved; raises `ConfigurationError` when its file is missing or not TOML."""
        return RunConfig.from_dict(load_toml(self.config_file))

    def scores(self) -> dict[str, Any] | None:
        """What `evaluation.json` says; None where there is none.

        Raises `ModelFolderError` when it is damaged, or of a newer format.
        """
        file = self.path / "evaluation.json"
        if not file.exists():
            return None
        fields = json_object(read_file(file), file)
        version = fields.pop("version", None)
        if fields.pop("format", None) is None:
            # Release 0.1.0 wrote neither.
            version, fields["likelihood"] = 1, self.config().to_dict()["likelihood"]
        fields = upgraded(EVALUATION, known_version(version, None, EVALUATION, file), fields)
        try:
            checked(_ScoresRecord, fields, str(file))
        except ModelFolderError as error:
            raise ModelFolderError(f"{error} Delete the file; `lowerbound evaluate` gives the scores.") from error
        return fields

    def write_scores(self, fields: dict[str, Any]) -> None:
        """Replace `evaluation.json`."""
        self._write("evaluation.json", EVALUATION, fields)

    def write_classification(self, label: str, fields: dict[str, Any]) -> None:
        """Note in `classification.json` how right the probabilities of a label are, in place of what stood there of it."""
        file = self.path / "classification.json"
        known = json_object(read_file(file), file) if file.exists() else {}
        labels = known.get("labels")
        document = {"version": 1, "labels": {**(labels if isinstance(labels, dict) else {}), label: fields}}
        write_text(file, json.dumps(document, indent=2) + "\n")

    def _write(self, name: str, format_name: str, fields: dict[str, Any]) -> None:
        document = {"format": format_name, "version": CURRENT[format_name], **fields}
        write_text(self.path / name, json.dumps(document, indent=2) + "\n")

    def split(self) -> Split:
        """The rows of each part of the data."""
        return Split.load(self.split_file)

    def check_data(self, dataset: Dataset) -> None:
        """Raise `DataError` when these are not the data that the run began with."""
        check_same_data(self.info()["data"], split_record(dataset.examples, self.split(), dataset.condition))

    def load_model(self) -> tuple[AbstractLatentVariableModel, DataSpec, ResolvedConfig]:
        """The trained model, rebuilt and filled.

        Raises `ModelFolderError` when training has not ended yet, or the folder is damaged.
        """
        recover_folder(self.model)
        if not self.model.exists():
            raise ModelFolderError(
                f"{self.path} holds a run that has not ended: there is no model yet. "
                f"Continue it: lowerbound train --resume {self.path}."
            )
        return load_model(self.model)


def load_model(path: str | Path, parts: Mapping[str, Any] = {}) -> tuple[AbstractLatentVariableModel, DataSpec, ResolvedConfig]:
    """The model in a model folder, rebuilt from its configuration and filled with its weights.

    - `parts`: those that were given as objects, by kind.

    Nothing large is made before its sizes are known to fit the weights file. Raises `ModelFolderError` when the folder is
    missing, torn, foreign, of a newer format, or contradicts itself.
    """
    import jax

    from ..assembly.build import build_model, resolve

    fields, spec = read_config(path)
    check_sizes(path, fields, spec.num_elements)
    try:
        config = resolve(RunConfig.from_dict(fields), spec, parts)
        like = build_model(config, spec, jax.random.key(0), condition_dim=spec.condition_dim, parts=parts)
    except (ConfigurationError, DataError, MemoryError) as error:
        raise ModelFolderError(f"{path}: no model can be made from {CONFIG_FILE}: {error}") from error
    return load_arrays_into(path, like), spec, config
