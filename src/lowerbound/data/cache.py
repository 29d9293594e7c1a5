"""Where the files of named data sets lie, how they are fetched, and the check that each is the right one."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import ChecksumError, MissingDataError

DATA_DIR_VARIABLE = "LOWERBOUND_DATA"


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """One file of a named data set: its place in the data directory, its address, and its SHA-256.

    The address is empty where none is known that serves this very file; then a person must put it in place.
    """

    path: str
    url: str
    sha256: str


def data_directory(data_dir: str | Path | None = None) -> Path:
    """`data_dir` where given, else `$LOWERBOUND_DATA`, else the user's cache folder."""
    if data_dir:
        return Path(data_dir).expanduser()
    if from_environment := os.environ.get(DATA_DIR_VARIABLE):
        return Path(from_environment).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("lowerbound"))


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_sha256(path: Path, expected: str) -> None:
    """Raise `ChecksumError` unless the file's SHA-256 is `expected`."""
    got = file_sha256(path)
    if got != expected:
        raise ChecksumError(
            f"{path} has SHA-256 {got}; expected {expected}. The file is torn or is not the original. "
            "Delete it and run again to fetch it anew."
        )


def fetch(files: Sequence[RemoteFile], data_dir: Path, *, name: str) -> list[Path]:
    """The files of the data set `name`, in their order; those that are not there are downloaded, each is checked.

    A download goes to a temporary file that is renamed when its SHA-256 is right, so that running again after an
    interruption fetches what is missing and never meets half a file.

    Raises `MissingDataError` when a file can be had neither here nor from its address (the message says which file to put
    where), and `ChecksumError` when one is not the right one.
    """
    paths = []
    for file in files:
        path = data_dir / file.path
        if path.exists():
            _require_sha256(path, file.sha256)
        else:
            _download(file, path, name, [file for file in files if not (data_dir / file.path).exists()], data_dir)
        paths.append(path)
    return paths


def _download(file: RemoteFile, path: Path, name: str, missing: Sequence[RemoteFile], data_dir: Path) -> None:
    import logging

    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    if not file.url:
        raise MissingDataError(
            f"the data set {name!r} is not in {data_dir}, and no address is known that serves it in this form. Put it in place:\n"
            f"{placement(missing, data_dir)}\nor name a folder that has it, with --data-dir DIR or {DATA_DIR_VARIABLE}=DIR."
        )
    try:
        pooch.retrieve(file.url, known_hash=f"sha256:{file.sha256}", fname=path.name, path=path.parent)
    except requests.RequestException as error:
        raise MissingDataError(
            f"the data set {name!r} is not in {data_dir} and could not be downloaded ({_reason(error)}). "
            f"Where there is a network, run again; otherwise put "
            f"{'this file' if len(missing) == 1 else 'these files'} in place:\n{placement(missing, data_dir)}\n"
            f"or name a folder that has {'it' if len(missing) == 1 else 'them'}, with --data-dir DIR or {DATA_DIR_VARIABLE}=DIR. "
            "The built-in sets 'faces' and 'digits' need no download."
        ) from error
    except ValueError as error:
        # Pooch's own error for a wrong checksum; the temporary file is gone.
        raise ChecksumError(
            f"what {file.url} sent for the data set {name!r} does not have the SHA-256 {file.sha256}, so it was not kept. "
            f"Run again; if it stays so, get the original elsewhere and put it at {path}."
        ) from error
    except OSError as error:
        raise MissingDataError(
            f"the data set {name!r} is not in {data_dir} and could not be written there ({error.strerror or error}). "
            f"Name a folder that can be written, with --data-dir DIR or {DATA_DIR_VARIABLE}=DIR."
        ) from error


def placement(files: Sequence[RemoteFile], data_dir: Path) -> str:
    """One line for each file: where it belongs and where it comes from."""
    return "\n".join(
        f"  {data_dir / file.path}  {f'from  {file.url}' if file.url else f'(SHA-256 {file.sha256})'}" for file in files
    )


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
