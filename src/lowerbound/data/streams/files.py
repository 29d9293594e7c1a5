"""Files that are read while training goes on: they must stay what they were when they were opened."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError, LowerboundError
from ...storage.memory import free_bytes

# Of a file's bytes, so many at its beginning, at its end, and in a few places between tell other data apart.
_PIECE, _PIECES = 1 << 16, 16
# The array, its rows as the device gets them, and those on the device.
_COPIES = 3


def is_streamed(num_bytes: float, memory: str) -> bool:
    """Whether data that take so much as one array are read as they are needed.

    - `memory`: "resident" for never, "streamed" for always, "auto" for where three copies are more than is free.
    """
    return memory == "streamed" or (memory == "auto" and _COPIES * num_bytes > free_bytes())


class _Mark(NamedTuple):
    size: int
    changed: int


class Files:
    """Files as they were when they were opened: size and time of the last change.

    - `paths`: in their order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._marks = {path: _mark(path) for path in self.paths}

    @contextlib.contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Inside, one of the files is read; raises `DataError` when it is not what it was, and when it cannot be read."""
        self._check(path)
        try:
            yield
        except LowerboundError:
            raise
        except Exception as error:
            # The readers of files meet damage with whatever their parts raise.
            self._check(path)
            raise DataError(f"{path} could not be read ({error}); it may be torn. Write or copy it again.") from error

    @property
    def fingerprint(self) -> str:
        """A text that tells other data apart, of the files' sizes and some of their bytes."""
        digest = hashlib.sha256()
        for path in self.paths:
            with self.reading(path), path.open("rb") as file:
                size = self._marks[path].size
                digest.update(f"{size}:".encode())
                for start in np.unique(np.linspace(0, max(0, size - _PIECE), _PIECES if len(self.paths) == 1 else 2).astype(int)):
                    file.seek(int(start))
                    digest.update(file.read(_PIECE))
        return digest.hexdigest()

    def _check(self, path: Path) -> None:
        now = _mark(path)
        if now != self._marks[path]:
            was = self._marks[path]
            what = f"it had {was.size:,} bytes and has {now.size:,}" if was.size != now.size else "it was written again"
            raise DataError(f"{path} has changed since it was opened ({what}); put back what it was.")


def _mark(path: Path) -> _Mark:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} is not there any more, or cannot be reached ({error.strerror}); put it back.") from error
    return _Mark(status.st_size, status.st_mtime_ns)
