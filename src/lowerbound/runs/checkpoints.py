"""Checkpoints: a model's folder with the state of its training beside it, so that a stopped run goes on bit for bit.

`FOLDER/step-00001234/` holds `config.json` and `weights.safetensors` (it is a model's folder), `state.safetensors` (the
optimiser's state, averaged and best weights) and `checkpoint.json` (the step, the counters, the state's SHA-256).
Randomness needs no place here: every random number is derived from (seed, step).
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data.spec import DataSpec
from ..errors import ModelFolderError
from ..storage.arrays import arrays_from_bytes, arrays_to_bytes
from ..storage.atomic import new_folder, recover_folder, remove_folder, write_and_sync
from ..storage.documents import document_bytes, read_checked, read_document, sha256
from ..storage.upgrades import CHECKPOINT, OldLeaves
from .model_folder import load_arrays_into, read_config, read_weights, write_model_files

CHECKPOINT_FILE = "checkpoint.json"
STATE_FILE = "state.safetensors"
_STEP_NAME = re.compile(r"\.?(step-(\d{8,}))(\.previous-\d+-\d+)?")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose every file was found whole.

    `refused` says, newest first, which later checkpoints were passed over and why; a face shows it to its person.
    """

    path: Path
    step: int
    config: dict[str, Any]
    spec: DataSpec
    counters: dict[str, Any]
    refused: tuple[str, ...] = ()


def save_checkpoint(
    folder: str | Path,
    step: int,
    config: Mapping[str, Any],
    spec: DataSpec,
    model_arrays: Any,
    state: Any,
    counters: Mapping[str, Any],
    keep: int = 2,
) -> Path:
    """Write `folder/step-<step>/`, then delete all but the `keep` newest; gives the new one's path.

    - `model_arrays`, `state`: any pytrees; their NumPy and JAX arrays are stored.
    - `counters`: plain numbers, texts and lists (the epoch, the best bound so far, ...).

    Checkpoints of later steps are deleted too: they were refused, or belong to a course of the run that was left.
    Raises `SavingError` when it cannot be written; the earlier checkpoints are then as they were.
    """
    path = Path(folder) / f"step-{step:08d}"
    weights, state_bytes = arrays_to_bytes(model_arrays), arrays_to_bytes(state)
    fields = {"step": step, "counters": counters, "state_bytes": len(state_bytes), "state_sha256": sha256(state_bytes)}
    with new_folder(path) as temporary:
        write_model_files(temporary, config, spec, weights)
        write_and_sync(temporary / STATE_FILE, state_bytes)
        write_and_sync(temporary / CHECKPOINT_FILE, document_bytes(CHECKPOINT, fields))
    steps = _steps(Path(folder))
    kept = [other for other in steps if other <= step][:keep]
    for other in steps:
        if other not in kept:
            remove_folder(steps[other])
    return path


def latest_checkpoint(folder: str | Path) -> Checkpoint | None:
    """The newest checkpoint whose files are all whole, or None when there is none at all.

    Every file's size and SHA-256 are checked, newest checkpoint first; what was wrong with those passed over is in `refused`.
    Raises `ModelFolderError`, with each reason, when there are checkpoints and none can be used.
    """
    refused: list[str] = []
    for path in _steps(Path(folder)).values():
        try:
            config, spec = read_config(path)
            read_weights(path)
            document = _read_state(path)[0]
            return Checkpoint(path, document.step, config, spec, document.counters, tuple(refused))
        except ModelFolderError as error:
            refused.append(f"checkpoint {path.name} was refused: {error}")
    if refused:
        raise ModelFolderError("no checkpoint can be used.\n" + "\n".join(refused) + "\nTrain again from the start.")
    return None


@dataclasses.dataclass(frozen=True)
class CheckpointDocument:
    """The fields of `checkpoint.json`; `version` is that of the format that it was written in."""

    step: int
    counters: dict[str, Any]
    state_bytes: int
    state_sha256: str
    version: int


def load_checkpoint_into(path: str | Path, model_arrays: Any, state: Any) -> tuple[Any, Any]:
    """The two pytrees with their arrays replaced by the saved ones, bit for bit; their other leaves are kept as they are.

    Raises `ModelFolderError` when a file is torn or damaged, or, naming the leaf, when one does not fit.
    """
    path = Path(path)
    document, content = _read_state(path)
    old = OldLeaves(CHECKPOINT, document.version)
    return load_arrays_into(path, model_arrays), arrays_from_bytes(content, state, path / STATE_FILE, old)


def _read_state(path: Path) -> tuple[CheckpointDocument, bytes]:
    document = read_document(path / CHECKPOINT_FILE, CHECKPOINT, CheckpointDocument)
    return document, read_checked(path / STATE_FILE, document.state_bytes, document.state_sha256)


def _steps(folder: Path) -> dict[int, Path]:
    """The checkpoints in a folder, newest first; those that a kill left half replaced are brought back."""
    if not os.path.isdir(folder):
        return {}
    names = {match[1]: int(match[2]) for entry in folder.iterdir() if (match := _STEP_NAME.fullmatch(entry.name))}
    for name in names:
        recover_folder(folder / name)
    present = [(step, folder / name) for name, step in names.items() if (folder / name).is_dir()]
    return dict(sorted(present, reverse=True))
