"""Arrays in files that are read a block at a time: .npy, folders of .npz, matrices in HDF5, folders of images."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from ...errors import DataError
from .files import Files
from .rows import BlockRows

# Of a block, where the reader may choose.
_BLOCK_BYTES = 1 << 24
_IMAGES_A_BLOCK = 256


def even_starts(count: int, bytes_each: float) -> np.ndarray:
    """The first rows of blocks of some 16 MiB, and at the end `count`."""
    step = max(1, int(_BLOCK_BYTES // max(1.0, bytes_each)))
    return np.append(np.arange(0, count, step), count)


class FileRows(BlockRows):
    """Rows in blocks that lie in files."""

    files: Files

    @functools.cached_property
    @override
    def fingerprint(self) -> str:
        return self.files.fingerprint


class NpyRows(FileRows):
    """The rows of the array in a .npy file, in C order; `offset`: where in the file it begins."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype, offset: int) -> None:
        self._each, self._offset, self.files = math.prod(shape[1:]), offset, Files([path])
        self._stored = dtype
        as_read = np.dtype(np.uint8) if dtype == np.bool_ else dtype
        super().__init__(str(path), even_starts(shape[0], self._each * dtype.itemsize), shape[1:], as_read)

    @override
    def read_block(self, number: int) -> np.ndarray:
        first, last = (int(each) for each in self.starts[number : number + 2])
        (path,) = self.files.paths
        with self.files.reading(path):
            # Read and not mapped: of a mapped file that is cut short, the system ends the process without a word.
            offset = self._offset + first * self._each * self._stored.itemsize
            values = np.fromfile(path, self._stored, (last - first) * self._each, offset=offset)
            return values.reshape(last - first, *self.shape[1:]).astype(self.dtype, copy=False)


class ShardRows(FileRows):
    """The rows of a folder of files, each of which holds a block.

    - `counts`: of the rows of each file. `load`: the array in a file.
    """

    def __init__(
        self,
        folder: Path,
        paths: Sequence[Path],
        counts: Sequence[int],
        event_shape: tuple[int, ...],
        dtype: np.dtype,
        load: Callable[[Path], np.ndarray],
    ) -> None:
        super().__init__(str(folder), np.concatenate([[0], np.cumsum(counts)]), event_shape, dtype)
        self.files, self._load = Files(paths), load

    @override
    def read_block(self, number: int) -> np.ndarray:
        path = self.files.paths[number]
        with self.files.reading(path):
            found = self._load(path)
        expected = (int(np.diff(self.starts)[number]), *self.shape[1:])
        if found.shape != expected:
            raise DataError(f"{path} holds an array of shape {found.shape}; expected {expected}, as its header said.")
        return found


class MatrixRows(FileRows):
    """The rows of a matrix in an HDF5 file: dense, or sparse by rows (CSR).

    - `opened`: gives the file, to be closed. `place`: of the matrix in it.
    - `ends`: where each row's values end in a sparse matrix, with a 0 before; None for a dense one.
    """

    def __init__(
        self,
        path: Path,
        opened: Callable[[], Any],
        place: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        ends: np.ndarray | None = None,
    ) -> None:
        bytes_each = dtype.itemsize * shape[1] if ends is None else 12 * ends[-1] / max(1, shape[0])
        super().__init__(f"{place} of {path}", even_starts(shape[0], bytes_each), shape[1:], dtype)
        self.files, self._opened, self._place, self._ends = Files([path]), opened, place, ends

    @override
    def read_block(self, number: int) -> Any:
        import scipy.sparse

        first, last = (int(each) for each in self.starts[number : number + 2])
        with self.files.reading(self.files.paths[0]), self._opened() as file:
            item = file[self._place]
            if self._ends is None:
                return item[first:last]
            begin, end = int(self._ends[first]), int(self._ends[last])
            parts = (item["data"][begin:end], item["indices"][begin:end], self._ends[first : last + 1] - begin)
            block = scipy.sparse.csr_array(parts, shape=(last - first, self.shape[1]))
            # Otherwise SciPy would write where the file says.
            block.check_format(full_check=True)
            return block

    @override
    def dense(self, block: Any, rows: np.ndarray) -> np.ndarray:
        return block[rows] if self._ends is None else block[rows].toarray()


class ImageRows(FileRows):
    """The images of a folder, decoded when they are read.

    - `load`: the pixels of a file, of `event_shape`.
    """

    def __init__(
        self,
        folder: Path,
        paths: Sequence[Path],
        event_shape: tuple[int, ...],
        dtype: np.dtype,
        load: Callable[[Path], np.ndarray],
    ) -> None:
        starts = np.append(np.arange(0, len(paths), _IMAGES_A_BLOCK), len(paths))
        super().__init__(str(folder), starts, event_shape, dtype)
        self.files, self._load = Files(paths), load

    @override
    def read_block(self, number: int) -> np.ndarray:
        out = np.empty((int(np.diff(self.starts)[number]), *self.shape[1:]), self.dtype)
        for place, path in enumerate(self.files.paths[self.starts[number] : self.starts[number + 1]]):
            with self.files.reading(path):
                found = self._load(path)
            if found.shape != out.shape[1:] or found.dtype != out.dtype:
                raise DataError(f"the image {path} is {found.shape} of {found.dtype}; expected {out.shape[1:]} of {out.dtype}.")
            out[place] = found
        return out
