"""A saved model is a folder: `config.json` says how to build it, `weights.safetensors` fills it.

`config.json` holds the format's name and version, the package's version, the resolved configuration, the description of an
example (`DataSpec`), and the size and SHA-256 of the weights. A model is rebuilt from the configuration and then filled.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..data.spec import DataSpec
from ..errors import ConfigurationError, ModelFolderError
from ..storage.arrays import arrays_from_bytes, arrays_to_bytes, entries
from ..storage.atomic import new_folder, recover_folder, write_and_sync
from ..storage.documents import document_bytes, is_document, read_checked, read_document, sha256
from ..storage.upgrades import MODEL, OldLeaves

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
# One size, and a product of two (64 MiB of numbers), that do no harm when made before they are found not to fit.
_SMALL, _SMALL_PRODUCT = 2**16, 2**24
MODEL_DOCUMENTS: Mapping[str, str] = {CONFIG_FILE: MODEL}


def save_model_folder(path: str | Path, config: Mapping[str, Any], spec: DataSpec, arrays: Any) -> None:
    """Make `path` the folder of a model, replacing at once a model that is there.

    - `config`: nested plain dictionary (`RunConfig.to_dict()`).
    - `arrays`: any pytree; its NumPy and JAX arrays are stored, its other leaves are not.

    Raises `ConfigurationError` when something else is there, and `SavingError` when it cannot be written; what was there is
    untouched then.
    """
    check_replaceable(path)
    weights = arrays_to_bytes(arrays)
    with new_folder(path) as folder:
        write_model_files(folder, config, spec, weights)


def check_replaceable(path: str | Path, documents: Mapping[str, str] = MODEL_DOCUMENTS) -> None:
    """Raise `ConfigurationError` unless `path` is free, an empty folder, or a model's folder and nothing else.

    - `documents`: the documents that such a folder may hold, by name, and their formats. A name alone proves nothing.
    """
    path = Path(path)
    if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
        what = "a link" if os.path.islink(path) else "a file"
    else:
        names = {entry.name for entry in path.iterdir()} if os.path.isdir(path) else set()
        foreign = names - {WEIGHTS_FILE, *documents} if CONFIG_FILE in names else names
        foreign |= {name for name in names & set(documents) if not is_document(path / name, documents[name])}
        if not foreign:
            return
        what = f"a folder that holds other files than a saved model's ({', '.join(sorted(foreign)[:3])})"
    raise ConfigurationError(
        f"{path} is {what}, and saving would replace it; nothing was touched. Give a path of its own, for example "
        f"{path.with_name(f'{path.stem}-model') if what == 'a file' else path / 'model'}."
    )


def write_model_files(folder: Path, config: Mapping[str, Any], spec: DataSpec, weights: bytes) -> None:
    """The two files of a model, into a folder that is being made."""
    fields = {"config": config, "data_spec": spec.to_json(), "weights_bytes": len(weights), "weights_sha256": sha256(weights)}
    write_and_sync(folder / WEIGHTS_FILE, weights)
    write_and_sync(folder / CONFIG_FILE, document_bytes(MODEL, fields))


@dataclasses.dataclass(frozen=True)
class ModelDocument:
    """The fields of `config.json`; `version` is that of the format that it was written in."""

    config: dict[str, dict[str, Any]]
    data_spec: dict[str, Any]
    weights_bytes: int
    weights_sha256: str
    version: int


def read_config(path: str | Path) -> tuple[dict[str, Any], DataSpec]:
    """The configuration (a nested dictionary) and the description of an example; the weights are not looked at.

    Raises `ModelFolderError` when the folder is missing or its `config.json` is missing, torn, foreign or of a newer format.
    """
    document = _read_model_document(Path(path))
    return document.config, DataSpec.from_json(document.data_spec, str(Path(path) / CONFIG_FILE))


def check_sizes(path: str | Path, parts: Mapping[str, Any], num_elements: int = 1) -> None:
    """Refuse parts that are larger than what the weights file holds, before anything is made of them.

    - `parts`: by kind, nested plain values: sections of a configuration, or parts that were given as objects.
    - `num_elements`: of an example, which a network's hidden layers are multiplied with.

    Every size that a description states (latents, widths, components, layers) is that of an array, or a number of arrays, and
    so is the product of two; the file holds at least as many numbers. Small ones are left to the comparison of each array.
    """
    file = Path(path) / WEIGHTS_FILE
    count = sum(math.prod(entry["shape"]) for _, entry in entries(read_weights(path), file))
    made = {kind: part for kind, part in parts.items() if kind not in _WITHOUT_ARRAYS}
    sizes = sorted(_integers(made), reverse=True)[:2]
    widths = [*_integers(made.get("network", {}).get("hidden_widths", ())), 1]
    product = max(math.prod(sizes), num_elements * max(widths))
    if max(sizes, default=0) > max(count, _SMALL) or product > max(count, _SMALL_PRODUCT):
        raise ModelFolderError(
            f"{path} contradicts itself: its description asks for parts of the sizes {', '.join(f'{size:,}' for size in sizes)}, "
            f"and {file.name} holds {count:,} numbers. The folder is damaged, or not one of ours."
        )


_WITHOUT_ARRAYS = frozenset({"data", "objective", "training"})


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, int) and not isinstance(value, bool):
        yield abs(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            # The numbers of an array that is given in full, and a number of steps, are no sizes.
            yield from () if key in ("float32", "refinement_steps") else _integers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _integers(item)


def load_arrays_into(path: str | Path, like: Any) -> Any:
    """`like` (the model rebuilt from `read_config`) with its arrays replaced by the saved ones, bit for bit.

    Raises `ModelFolderError` as `read_config` does, when the weights are torn or damaged, and when a leaf does not fit.
    """
    document = _read_model_document(Path(path))
    return arrays_from_bytes(read_weights(path), like, Path(path) / WEIGHTS_FILE, OldLeaves(MODEL, document.version))


def read_weights(path: str | Path) -> bytes:
    """The bytes of the weights, checked against the size and SHA-256 in `config.json`."""
    document = _read_model_document(Path(path))
    return read_checked(Path(path) / WEIGHTS_FILE, document.weights_bytes, document.weights_sha256)


def _read_model_document(path: Path) -> ModelDocument:
    recover_folder(path)
    if not os.path.isdir(path):
        what = "is a file" if os.path.exists(path) else "does not exist"
        raise ModelFolderError(f"the model folder {path} {what}; expected a folder with {CONFIG_FILE} and {WEIGHTS_FILE}.")
    return read_document(path / CONFIG_FILE, MODEL, ModelDocument)
