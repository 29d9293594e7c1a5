"""NumPy's files of a few arrays: written whole or not at all, and read without trust in what they hold."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from .atomic import write_bytes
from .documents import read_file


def write_npz(path: str | Path, arrays: dict[str, np.ndarray], *, compressed: bool = True) -> None:
    """Make `path` an archive of these arrays, or leave it as it was and raise `SavingError`."""
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, **arrays)  # pyright: ignore[reportArgumentType]
    write_bytes(path, content.getvalue())


def read_npz(path: str | Path, *names: str) -> list[np.ndarray]:
    """The arrays of these names, of all where none is named; raises `ValueError`, which says why, where they cannot be had."""
    try:
        with np.load(io.BytesIO(read_file(Path(path))), allow_pickle=False) as stored:
            return [stored[name] for name in names or stored.files]
    except Exception as error:
        # Archives, their ways of compressing and NumPy have errors of their own; a header may ask for more than memory holds.
        raise ValueError(str(error)) from error


def read_npy(path: str | Path) -> np.ndarray:
    """The array of one file; raises `ValueError`, which says why, where it cannot be had."""
    try:
        found = np.load(io.BytesIO(read_file(Path(path))), allow_pickle=False)
    except Exception as error:
        raise ValueError(str(error)) from error
    if not isinstance(found, np.ndarray):
        raise ValueError("it is an archive, and no array")
    return found
