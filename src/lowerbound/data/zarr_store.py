"""Zarr stores in a folder, which zarr reads where it is installed: blocks of rows, each of whole chunks."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from ..errors import DataError, LowerboundError, unknown_name_message, warn_of_data
from ..storage.memory import check_fits
from .streams import AbstractRows
from .streams.arrays import FileRows, even_starts
from .streams.files import Files, is_streamed

_RECORDS = ("zarr.json", ".zarray", ".zgroup")
# What turns a chunk's bytes into numbers and nothing else. Among the others is one that loads pickles, which can run any code.
_CODECS = {"bytes", "transpose", "sharding_indexed", "crc32c", "zlib", "gzip", "bz2", "lzma", "blosc", "zstd", "lz4"}
_CODECS |= {"shuffle", "delta", "crc32", "adler32", "fletcher32"}


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a Zarr store, of version 2 or 3."""
    return any((folder / name).is_file() for name in _RECORDS)


def zarr_rows(folder: Path, key: str = "", memory: str = "auto") -> np.ndarray | AbstractRows:
    """The array in a store, or its rows, to be read a block at a time.

    - `key`: the array's name where the store is a group; empty for the only one there.
    - `memory`: as `is_streamed` takes it.

    Raises `DataError` where zarr is not installed, for another key, for what are no numbers or no rows of them, for chunks that
    are packed in a way that is not known, and where the store is torn. Warns with `DataWarning` of chunks that are not there.
    """
    try:
        import zarr
    except ImportError as error:
        raise DataError(
            f"{folder} is a Zarr store, which zarr reads, and that is not installed. Install it with the extra zarr: "
            "pip install 'lowerbound[zarr]'"
        ) from error
    try:
        array = _array(folder, zarr.open(str(folder), mode="r"), key)
        _check_codecs(folder, array.metadata.to_dict())
        dtype, shape = np.dtype(array.dtype), tuple(array.shape)
    except LowerboundError:
        raise
    except Exception as error:
        # Damaged records are met with whatever zarr's parts raise.
        raise DataError(f"{folder} could not be read ({error}); the store may be torn. Write or copy it again.") from error
    if dtype.kind not in "biuf" or len(shape) < 2 or not all(shape):
        raise DataError(
            f"{folder} holds an array {shape} of {dtype}; expected numbers with a row for each example, such as (1000, 28, 28) "
            "of uint8."
        )
    rows = ZarrRows(folder, array)
    if is_streamed(rows.nbytes, memory):
        return rows
    check_fits(rows.nbytes, f"{folder}, an array {shape} of {dtype},", "set data.memory=streamed, or give fewer examples")
    return np.asarray(rows)


def _array(folder: Path, found: Any, key: str) -> Any:
    import zarr

    if isinstance(found, zarr.Array):
        if key:
            raise DataError(f"data.key is {key!r}, but {folder} is a Zarr store of one array without a name; leave the key out.")
        return found
    arrays = {name: each for name, each in found.members(max_depth=None) if isinstance(each, zarr.Array)}
    if not key and len(arrays) != 1:
        there = ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in arrays.items())
        raise DataError(
            f"{folder} holds {f'{len(arrays)} arrays: {there}' if arrays else 'no array'}. Say which one holds the examples with "
            f"data.key, for example --set data.key={next(iter(arrays), 'NAME')}."
        )
    if key and key not in arrays:
        raise DataError(f"{folder}: {unknown_name_message('data.key', key, arrays)}")
    return arrays[key or next(iter(arrays))]


def _check_codecs(folder: Path, record: dict[str, Any]) -> None:
    packing = [record.get(name) for name in ("codecs", "filters", "compressor")]
    if unknown := sorted(set(_names(packing)) - _CODECS):
        raise DataError(
            f"{folder} is packed with {', '.join(unknown)}; expected {', '.join(sorted(_CODECS))}. "
            "Write it again with one of them."
        )


def _names(value: Any) -> Iterator[str]:
    """The names of codecs, those within others among them."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from _names(each)
    elif isinstance(value, dict):
        yield str(value.get("name", value.get("id"))).removeprefix("numcodecs.")
        within = value.get("configuration", {})
        yield from _names([within.get("codecs"), within.get("index_codecs")])


class ZarrRows(FileRows):
    """The rows of an array in a store, in blocks of whole chunks (or of whole shards)."""

    def __init__(self, folder: Path, array: Any) -> None:
        self._folder = folder
        shape, grid = tuple(array.shape), tuple(array.shards or array.chunks)
        dtype = np.dtype(np.uint8) if array.dtype == np.bool_ else np.dtype(array.dtype).newbyteorder("=")
        bytes_each = math.prod(shape[1:]) * dtype.itemsize
        starts = even_starts(shape[0], bytes_each)
        # No chunk is unpacked for two blocks.
        step = grid[0] * max(1, (int(starts[1]) if len(starts) > 1 else shape[0]) // grid[0])
        check_fits(min(step, shape[0]) * bytes_each, f"a block of rows of {folder}", "write it with chunks of fewer rows")
        super().__init__(str(folder), np.append(np.arange(0, shape[0], step), shape[0]), shape[1:], dtype)
        self._array, self._grid = array, grid
        self._place = folder / array.path if array.path else folder
        columns = [range(-(-size // part)) for size, part in zip(shape[1:], grid[1:], strict=True)]
        names = [
            [array.metadata.encode_chunk_key((row, *others)) for others in itertools.product(*columns)]
            for row in range(-(-shape[0] // grid[0]))
        ]
        self._chunks = [[path for name in each if (path := self._place / name).is_file()] for each in names]
        there, expected = sum(map(len, self._chunks)), sum(map(len, names))
        records = [self._place / name for name in _RECORDS if (self._place / name).is_file()]
        self.files = Files([*records, *itertools.chain(*self._chunks)])
        if there < expected:
            warn_of_data(
                f"{folder}: {expected - there:,} of {expected:,} chunks are not stored, which Zarr takes for {array.fill_value} "
                "in every element, and leaves out where they are nothing else. If the store was copied in part, copy it again."
            )

    @property
    @override
    def fingerprint(self) -> str:
        """Of the files and of their places: the same bytes are other rows in another chunk."""
        places = [path.relative_to(self._folder).as_posix() for path in self.files.paths]
        return hashlib.sha256(f"{places} {super().fingerprint}".encode()).hexdigest()

    @override
    def read_block(self, number: int) -> np.ndarray:
        first, last = (int(each) for each in self.starts[number : number + 2])
        chunks = itertools.chain(*self._chunks[first // self._grid[0] : -(-last // self._grid[0])])
        for path in chunks:
            with self.files.reading(path):
                pass
        with self.files.reading(self.files.paths[0]):
            return np.asarray(self._array[first:last]).astype(self.dtype, copy=False)
