"""NumPy archives of a few arrays: written whole or not at all, and read without trust in what they hold."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .atomic import write_bytes


def write_npz(path: str | Path, arrays: dict[str, np.ndarray], *, compressed: bool = True) -> None:
    """Make `path` an archive of these arrays, or leave it as it was and raise `SavingError`."""
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, **arrays)  # pyright: ignore[reportArgumentType]
    write_bytes(path, content.getvalue())


def read_npz(path: str | Path, *names: str) -> list[np.ndarray]:
    """The arrays of these names, of all where none is named; raises `ValueError`, which says why, where they cannot be had."""
    try:
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as stored:
            return [stored[name] for name in names or stored.files]
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from error
