"""A fitted estimator's folder: a model's folder, with the parts that were given as objects and the history beside it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..assembly.automatic import Choice
from ..assembly.parts import part_from_json, part_to_json
from ..errors import ConfigurationError, ModelFolderError
from ..runs.folder import RUN_FILE, RunFolder, load_model
from ..runs.model_folder import MODEL_DOCUMENTS, check_replaceable, check_sizes, write_model_files
from ..storage.arrays import arrays_to_bytes
from ..storage.atomic import new_folder, write_and_sync
from ..storage.documents import document_bytes, read_document
from ..storage.upgrades import ESTIMATOR
from .result import Fitted

_FILE = "estimator.json"


@dataclasses.dataclass(frozen=True)
class _Document:
    """The fields of `estimator.json`; `version` is that of the format that it was written in."""

    parts: dict[str, dict[str, Any]]
    history: dict[str, tuple[float | None, ...]]
    version: int
    choices: tuple[Choice, ...] = ()


def _checked(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise ConfigurationError(f"path is {path!r}; expected the path of a folder, such as 'my_model'.")
    return Path(path)


def save_estimator(path: str | Path, fitted: Fitted) -> None:
    """Make `path` this estimator's folder, in place of one that was there before, at once.

    Raises `ConfigurationError` when anything else is there or a part is of a class that cannot be stored, and `SavingError`;
    what was there is untouched then.
    """
    path = _checked(path)
    check_replaceable(path, {**MODEL_DOCUMENTS, _FILE: ESTIMATOR})
    fields = {
        "parts": {name: part_to_json(name, part) for name, part in fitted.parts.items()},
        "history": {name: [None if np.isnan(value) else value for value in column] for name, column in fitted.history.items()},
        "choices": [dataclasses.asdict(choice) for choice in fitted.choices],
    }
    weights = arrays_to_bytes(fitted.model)
    with new_folder(path) as folder:
        write_model_files(folder, fitted.config.to_dict(), fitted.spec, weights)
        write_and_sync(folder / _FILE, document_bytes(ESTIMATOR, fields))


def load_estimator(path: str | Path) -> Fitted:
    """What `save_estimator` wrote.

    `path` may also be the folder of a run, or of a model alone. Raises `ModelFolderError`.
    """
    path = _checked(path)
    if os.path.exists(path / RUN_FILE):
        run = RunFolder.open(path)
        return Fitted(*run.load_model(), {}, run.metrics.read(), run.choices)
    parts: dict[str, Any] = {}
    history: dict[str, np.ndarray] = {}
    choices: tuple[Choice, ...] = ()
    if os.path.exists(path / _FILE):
        document = read_document(path / _FILE, ESTIMATOR, _Document)
        check_sizes(path, document.parts)
        parts = {name: part_from_json(name, stored) for name, stored in document.parts.items()}
        history = {name: np.asarray(column, np.float64) for name, column in document.history.items()}
        if len({len(column) for column in history.values()}) > 1:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in history.items())
            raise ModelFolderError(f"{path / _FILE}: history has columns of {lengths} entries; expected as many in each.")
        choices = document.choices
    return Fitted(*load_model(path, parts), parts, history, choices)
