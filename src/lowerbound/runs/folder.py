"""A run's folder: what is in it, making one, and opening one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ..config import RunConfig, load_toml
from ..data.spec import DataSpec
from ..data.splits import Split
from ..errors import ConfigurationError, ModelFolderError, SavingError
from ..models import AbstractLatentVariableModel
from ..storage.atomic import recover_folder, write_text
from ..storage.model_folder import load_arrays_into, read_config
from .metrics import MetricsFile

RUN_FILE = "run.json"
RUN_FORMAT = "lowerbound-run"
RUN_VERSION = 1


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
    def create(cls, path: str | Path) -> RunFolder:
        """Make a new, empty run folder.

        Raises `ConfigurationError` when there is something there already, `SavingError` when it cannot be made.
        """
        path = Path(path)
        cls.check_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SavingError(f"could not make the run folder {path}: {error.strerror}. Give --out another folder.") from error
        return cls(path)

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
        try:
            fields = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            what = "it is a file" if self.path.is_file() else f"there is no {RUN_FILE} in it"
            what = what if self.path.exists() else "it does not exist"
            raise ModelFolderError(
                f"{self.path} is not a run folder: {what}. "
                "Give the folder that `lowerbound train` made (its --out, or runs/NAME)."
            ) from None
        except (OSError, ValueError) as error:
            raise ModelFolderError(f"{file} cannot be read: {error}. The run folder is damaged; train again.") from error
        version = fields.get("version") if isinstance(fields, dict) and fields.get("format") == RUN_FORMAT else None
        if not isinstance(version, int):
            raise ModelFolderError(f"{file} is not one of ours; expected the folder of a `lowerbound train`.")
        if version > RUN_VERSION:
            raise ModelFolderError(
                f"{file} has format version {version}, made by a newer lowerbound; this one reads up to {RUN_VERSION}. "
                "Upgrade: pip install --upgrade lowerbound."
            )
        return fields

    def write_info(self, fields: dict[str, Any]) -> None:
        """Replace `run.json`."""
        document = {"format": RUN_FORMAT, "version": RUN_VERSION, **fields}
        write_text(self.path / RUN_FILE, json.dumps(document, indent=2) + "\n")

    def update_info(self, **changes: Any) -> None:
        """Replace some fields of `run.json`."""
        self.write_info({**self.info(), **changes})

    def config(self) -> RunConfig:
        """The configuration as resolved; raises `ConfigurationError` when its file is missing or not TOML."""
        return RunConfig.from_dict(load_toml(self.config_file))

    def split(self) -> Split:
        """The rows of each part of the data."""
        return Split.load(self.split_file)

    def load_model(self) -> tuple[AbstractLatentVariableModel, DataSpec, RunConfig]:
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


def load_model(path: str | Path) -> tuple[AbstractLatentVariableModel, DataSpec, RunConfig]:
    """The model in a model folder, rebuilt from its configuration and filled with its weights.

    Raises `ModelFolderError` when the folder is missing, torn, foreign or of a newer format.
    """
    import jax

    from ..recipes.build import build_model

    fields, spec = read_config(path)
    config = RunConfig.from_dict(fields)
    return load_arrays_into(path, build_model(config, spec, jax.random.key(0), condition_dim=spec.condition_dim)), spec, config
