"""Small JSON files that know what they are: a format's name, its version, and a checksum of the rest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .. import __version__
from ..errors import ConfigurationError, ModelFolderError
from .atomic import write_bytes
from .regular import MISSING, not_a_file
from .schema import checked
from .upgrades import CURRENT, upgraded

T = TypeVar("T")


def document_bytes(format_name: str, fields: Mapping[str, Any]) -> bytes:
    """The JSON text of `fields`, with the format's name and version, the package's version and a checksum added."""
    content = {"format": format_name, "format_version": CURRENT[format_name], "package_version": __version__, **fields}
    plain = json.loads(json.dumps(content, default=_plain))
    return (json.dumps({**plain, "checksum": _checksum(plain)}, indent=2) + "\n").encode("utf-8")


def write_record(path: Path, format_name: str, record: Any) -> None:
    """A dataclass as a document, all fields but its `version`; whole or not at all, else `SavingError`."""
    fields = {name: value for name, value in dataclasses.asdict(record).items() if name != "version"}
    write_bytes(path, document_bytes(format_name, fields))


def read_document(path: Path, format_name: str, schema: type[T]) -> T:
    """A document as an instance of the dataclass `schema`, upgraded from whatever version it was written in.

    `schema` has a field for each of the document's own fields, and `version`, which is the one it was written in.

    Raises `ModelFolderError` when it is missing, torn, foreign, changed, of a newer format, or not as `schema` says.
    """
    content = json_object(read_file(path), path)
    if content.get("format") != format_name:
        raise ModelFolderError(f"{path} is not one of ours: its format is {content.get('format')!r}; expected {format_name!r}.")
    stated = content.pop("checksum", None)
    version = known_version(content.get("format_version"), content.get("package_version"), format_name, path)
    if stated != _checksum(content):
        raise ModelFolderError(f"{path} is damaged or was edited: its checksum is not the one of its content.")
    fields = {key: value for key, value in content.items() if key not in ("format", "format_version", "package_version")}
    return checked(schema, {**upgraded(format_name, version, fields), "version": version}, str(path))


def json_object(content: bytes, path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises `ModelFolderError` when it is torn, nested too deeply, or something else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ModelFolderError(f"{path} is not readable JSON ({why}): it is torn, damaged, or not one of ours.") from error
    if not isinstance(found, dict):
        raise ModelFolderError(f"{path} is not one of ours: it holds a {type(found).__name__}; expected an object with fields.")
    return found


def known_version(version: Any, package_version: Any, format_name: str, path: Path) -> int:
    """The version of a document's format where this release can read it; else `ModelFolderError`."""
    current = CURRENT[format_name]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ModelFolderError(f"{path} has the format version {version!r}; expected an integer from 1 to {current}.")
    if version > current:
        raise ModelFolderError(
            f"{path} was made by a newer lowerbound ({package_version}): its format version is {version}, and "
            f"lowerbound {__version__} reads up to {current}. Upgrade with: pip install --upgrade lowerbound"
        )
    return version


def is_document(path: Path, format_name: str) -> bool:
    """Whether a file says that it is a document of this format, of whatever version."""
    if not_a_file(path) is not None:
        return False
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == format_name


def has_record(folder: Path, name: str, format_name: str, command: str) -> bool:
    """Whether a folder holds the record `name` of an earlier call of a command; False where nothing is there yet.

    Raises `ConfigurationError` when the folder, or its record, is somebody else's.
    """
    record = folder / name
    if record.exists():
        if not is_document(record, format_name):
            raise ConfigurationError(
                f"--out is {folder}, whose {name} is not one of ours; nothing was touched. Give another folder."
            )
        return True
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        what = "is a file" if folder.is_file() else f"is not empty and has no {name}"
        raise ConfigurationError(
            f"--out is {folder}, which {what}; nothing was touched. Give the folder of an earlier `{command}` to go on with it, "
            "or the name of a new one."
        )
    return False


def sha256(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_checked(path: Path, size: int, checksum: str) -> bytes:
    """A file's bytes, when they are `size` in number and have this SHA-256; else `ModelFolderError`."""
    content = read_file(path)
    if len(content) != size:
        raise ModelFolderError(
            f"{path} is torn or changed: it has {len(content)} bytes, {size} were written. "
            "Copy the folder again, or use an earlier checkpoint."
        )
    if sha256(content) != checksum:
        raise ModelFolderError(
            f"{path} is damaged: its SHA-256 is {sha256(content)}, expected {checksum}. "
            "Copy the folder again, or use an earlier checkpoint."
        )
    return content


def read_file(path: Path) -> bytes:
    """A file's bytes; raises `ModelFolderError` when it is not there, is no regular file, or cannot be read."""
    reason = not_a_file(path)
    if reason == MISSING:
        there = ", ".join(sorted(file.name for file in path.parent.iterdir())[:8]) if path.parent.is_dir() else ""
        raise ModelFolderError(
            f"{path.parent} has no {path.name}: it was not wholly saved or copied, or is not one of ours. "
            f"Files there: {there or 'none'}."
        )
    if reason is not None:
        raise ModelFolderError(f"{path} {reason}; expected a file of a saved model or run.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFolderError(f"{path} could not be read: {error.strerror}.") from error


def _checksum(plain: Mapping[str, Any]) -> str:
    return sha256(json.dumps(plain, sort_keys=True).encode("utf-8"))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored in a document: {value!r}")
