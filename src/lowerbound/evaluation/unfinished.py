"""What an evaluation has found so far, kept in a file, so that one that was killed goes on where it was."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..errors import SavingError
from ..storage.npz import read_npz, write_npz

# Between two writes. An evaluation of fewer seconds leaves no trace.
SECONDS = 5.0


@dataclasses.dataclass
class Unfinished:
    """Columns of numbers, one row an example, that grow from the first example to the last.

    The file is written whole under another name and then renamed, so that a kill leaves the older or the newer state. It is
    named by the `fingerprint` of all that the numbers depend on: a file that is found there belongs to these very numbers.

    - `folder`: where the file is kept; it is made when needed. `seconds`: between two writes. `writes`: whether this
      process does; of several one should, and all read. `on_found`: told how many examples were found there.
    """

    folder: Path
    seconds: float = SECONDS
    writes: bool = True
    on_found: Callable[[int], None] = lambda examples: None
    _written: float = dataclasses.field(default_factory=time.monotonic, init=False)

    def read(self, fingerprint: str) -> list[np.ndarray]:
        """The columns as far as they were found; an empty list where there are none, or the file is damaged."""
        self._written = time.monotonic()
        try:
            columns = read_npz(self._file(fingerprint))
        except ValueError:
            return []
        self.on_found(len(columns[0]))
        return columns

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        return self.writes and time.monotonic() - self._written >= self.seconds

    def write(self, fingerprint: str, columns: list[np.ndarray]) -> None:
        """Keep the columns. Where nothing can be written the evaluation goes on without."""
        named = {f"column_{number}": column for number, column in enumerate(columns)}
        try:
            write_npz(self._file(fingerprint), named, compressed=False)
        except SavingError:
            self.writes = False
        self._written = time.monotonic()

    def remove(self, fingerprint: str) -> None:
        """All is found: the file goes, and the folder where it is empty."""
        if not self.writes:
            return
        with contextlib.suppress(OSError):
            self._file(fingerprint).unlink(missing_ok=True)
            self.folder.rmdir()

    def _file(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint[:24]}.npz"


def fingerprint(*parts: Any) -> str:
    """The SHA-256 of pytrees: their structure, static fields, and every byte of their arrays; of the versions and the device."""
    from .. import __version__

    digest = hashlib.sha256(f"{__version__} {jax.__version__} {jax.devices()[0].device_kind}".encode())
    for part in parts:
        arrays, rest = eqx.partition(part, lambda leaf: isinstance(leaf, jax.Array | np.ndarray))
        # Equinox prints functions by name, never by address.
        digest.update(eqx.tree_pformat(rest).encode())
        for path, leaf in jax.tree_util.tree_flatten_with_path(arrays)[0]:
            array = np.asarray(leaf)
            digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
