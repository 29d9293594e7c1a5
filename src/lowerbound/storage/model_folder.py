"""A saved model is a folder: `config.json` says how to build it, `weights.safetensors` fills it.

`config.json` holds the format's name and version, the package's version, the resolved configuration, the description of an
example (`DataSpec`), and the size and SHA-256 of the weights. A model is rebuilt from the configuration and then filled.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config.upgrade import upgraded_config
from ..data.spec import DataSpec
from ..errors import ConfigurationError, ModelFolderError
from .atomic import new_folder, recover_folder, write_and_sync
from .documents import document_bytes, is_document, read_checked, read_document, sha256

FORMAT_NAME = "lowerbound-model"
FORMAT_VERSION = 1
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
MODEL_DOCUMENTS: Mapping[str, str] = {CONFIG_FILE: FORMAT_NAME}


def save_model_folder(path: str | Path, config: Mapping[str, Any], spec: DataSpec, arrays: Any) -> None:
    """Make `path` the folder of a model, replacing at once a model that is there.

    - `config`: nested plain dictionary (`RunConfig.to_dict()`).
    - `arrays`: any pytree; its NumPy and JAX arrays are stored, its other leaves are not.

    Raises `ConfigurationError` when something else is there, and `SavingError` when it cannot be written; what was there is
    untouched then.
    """
    # JAX is imported when arrays are touched, so that reading a configuration is quick.
    from .arrays import arrays_to_bytes

    check_replaceable(path)
    weights = arrays_to_bytes(arrays)
    with new_folder(path) as folder:
        write_model_files(folder, config, spec, weights)


def check_replaceable(path: str | Path, documents: Mapping[str, str] = MODEL_DOCUMENTS) -> None:
    """Raise `ConfigurationError` unless `path` is free, an empty folder, or a model's folder and nothing else.

    - `documents`: the documents that such a folder may hold, by name, and their formats. A name alone proves nothing.
    """
    path = Path(path)
    if os.path.islink(path) or (os.path.lexists(path) and not path.is_dir()):
        what = "a link" if os.path.islink(path) else "a file"
    else:
        names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
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
    write_and_sync(folder / CONFIG_FILE, document_bytes(FORMAT_NAME, FORMAT_VERSION, fields))


def read_config(path: str | Path) -> tuple[dict[str, Any], DataSpec]:
    """The configuration (a nested dictionary) and the description of an example; the weights are not looked at.

    Raises `ModelFolderError` when the folder is missing or its `config.json` is missing, torn, foreign or of a newer format.
    """
    document = _read_model_document(Path(path))
    try:
        config = upgraded_config(document["config"], document["package_version"])
        return config, DataSpec.from_json(document["data_spec"])
    except (KeyError, TypeError, AttributeError, ModelFolderError) as error:
        raise ModelFolderError(f"{Path(path) / CONFIG_FILE} is not one of ours: {error}") from error


def load_arrays_into(path: str | Path, like: Any) -> Any:
    """`like` (the model rebuilt from `read_config`) with its arrays replaced by the saved ones, bit for bit.

    Raises `ModelFolderError` as `read_config` does, when the weights are torn or damaged, and when a leaf does not fit.
    """
    from .arrays import arrays_from_bytes

    return arrays_from_bytes(read_weights(path), like, Path(path) / WEIGHTS_FILE)


def read_weights(path: str | Path) -> bytes:
    """The bytes of the weights, checked against the size and SHA-256 in `config.json`."""
    document = _read_model_document(Path(path))
    return read_checked(Path(path) / WEIGHTS_FILE, document["weights_bytes"], document["weights_sha256"])


def _read_model_document(path: Path) -> dict[str, Any]:
    recover_folder(path)
    if not os.path.isdir(path):
        what = "is a file" if os.path.exists(path) else "does not exist"
        raise ModelFolderError(f"the model folder {path} {what}; expected a folder with {CONFIG_FILE} and {WEIGHTS_FILE}.")
    return read_document(path / CONFIG_FILE, FORMAT_NAME, FORMAT_VERSION)
