"""Small JSON files that know what they are: a format's name, its version, and a checksum of the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import ModelFolderError


def document_bytes(format_name: str, format_version: int, fields: Mapping[str, Any]) -> bytes:
    """The JSON text of `fields`, with the format's name and version, the package's version and a checksum added."""
    content = {"format": format_name, "format_version": format_version, "package_version": __version__, **fields}
    plain = json.loads(json.dumps(content, default=_plain))
    return (json.dumps({**plain, "checksum": _checksum(plain)}, indent=2) + "\n").encode("utf-8")


def read_document(path: Path, format_name: str, format_version: int) -> dict[str, Any]:
    """The fields of a document; raises `ModelFolderError` when it is missing, torn, foreign, changed or of a newer format."""
    try:
        content = json.loads(read_file(path))
    except ValueError as error:
        raise ModelFolderError(f"{path} is not readable JSON ({error}): it is torn, damaged, or not one of ours.") from error
    if not isinstance(content, dict) or content.get("format") != format_name:
        got = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ModelFolderError(f"{path} is not one of ours: its format is {got!r}; expected {format_name!r}.")
    version = content.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise ModelFolderError(f"{path} has the format version {version!r}; expected an integer from 1 to {format_version}.")
    if version > format_version:
        raise ModelFolderError(
            f"{path} was made by a newer lowerbound ({content.get('package_version')}): its format version is {version}, and "
            f"lowerbound {__version__} reads up to {format_version}. Upgrade with: pip install --upgrade lowerbound"
        )
    stated = content.pop("checksum", None)
    if stated != _checksum(content):
        raise ModelFolderError(f"{path} is damaged or was edited: its checksum is not the one of its content.")
    return content


def is_document(path: Path, format_name: str) -> bool:
    """Whether a file says that it is a document of this format, of whatever version."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == format_name


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
    """A file's bytes; raises `ModelFolderError` when it is not there or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        there = ", ".join(sorted(file.name for file in path.parent.iterdir())[:8]) if path.parent.is_dir() else ""
        raise ModelFolderError(
            f"{path.parent} has no {path.name}: it was not wholly saved or copied, or is not one of ours. "
            f"Files there: {there or 'none'}."
        ) from None
    except OSError as error:
        raise ModelFolderError(f"{path} could not be read: {error.strerror}.") from error


def _checksum(plain: Mapping[str, Any]) -> str:
    return sha256(json.dumps(plain, sort_keys=True).encode("utf-8"))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored in a document: {value!r}")
