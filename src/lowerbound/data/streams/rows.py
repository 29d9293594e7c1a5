"""Rows by their numbers in, a dense array out: the one protocol of data that are not in memory as an array."""

from __future__ import annotations

import abc
import functools
import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from typing_extensions import TypeIs, override

from ...errors import DataError
from ...storage.memory import check_fits
from ..columns.raw import RawTable

# Of examples that are looked at together, so many numbers at most.
_BLOCK_ELEMENTS = 1 << 22


class AbstractRows(abc.ABC):
    """Examples, (n, *event_shape), of which some are read at a time. It is indexed as an array is: by numbers, slices and masks.

    - `name`: what messages call them. `dtype`: of what is read.
    - `starts`: the first rows of blocks that lie together and are read at once, and at the end n; None where each row is read
      as quickly as any other.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    starts: np.ndarray | None = None

    @abc.abstractmethod
    def read(self, rows: np.ndarray) -> np.ndarray:
        """The examples of these numbers, from 0 up, in this order.

        Raises `DataError` where a file is not what it was.
        """

    def table(self, rows: np.ndarray) -> RawTable | None:
        """The same rows as they were written, where these are those of a table with columns of several kinds."""
        return None

    @property
    def ndim(self) -> int:
        """As an array has it."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """As an array has it."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """What all of them would take as one array."""
        return self.size * self.dtype.itemsize

    @functools.cached_property
    def fingerprint(self) -> str:
        """A text that tells other data apart, the same on every machine: of the array that this would be."""
        little_endian = self.dtype.newbyteorder("<")
        digest = hashlib.sha256(f"{little_endian.str} {self.shape}:".encode())
        for block in self.blocks():
            digest.update(np.ascontiguousarray(self.read(block), dtype=little_endian).data)
        return digest.hexdigest()

    def blocks(self, rows: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """The numbers of all rows, or of some in their order, in pieces that are looked at one at a time."""
        rows = np.arange(len(self)) if rows is None else rows
        step = max(1, _BLOCK_ELEMENTS // max(1, self.size // max(1, len(self))))
        return (rows[start : start + step] for start in range(0, len(rows), step))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, int | np.integer):
            return self.read(np.asarray([range(len(self))[index]]))[0]
        rows = np.arange(len(self))[index] if isinstance(index, slice) else np.asarray(index)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return self.read(np.where(rows < 0, rows + len(self), rows))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of them at once, for whatever looks at data as a whole; raises `TooLargeError` where they do not fit."""
        check_fits(self.nbytes, f"{self.name}, {' x '.join(f'{size:,}' for size in self.shape)} as one array,", "give fewer rows")
        whole = self.read(np.arange(len(self)))
        return whole if dtype is None else whole.astype(dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.shape}, {self.fingerprint})"


def rows_of(array: Any) -> TypeIs[AbstractRows]:
    """Whether examples are read by their numbers, and are no array."""
    return isinstance(array, AbstractRows)


class ArrayRows(AbstractRows):
    """The rows of an array in memory, of which only some are to be on the device at a time."""

    def __init__(self, array: np.ndarray, name: str) -> None:
        self.name, self.array = name, array
        self.shape, self.dtype = array.shape, array.dtype

    @override
    def read(self, rows: np.ndarray) -> np.ndarray:
        return self.array[rows]


class BlockRows(AbstractRows):
    """Rows that lie in blocks, of which the newest that were read are kept.

    - `starts`: the first row of each block, and at the end how many rows there are.
    """

    starts: np.ndarray  # pyright: ignore[reportIncompatibleVariableOverride]
    _KEPT = 2

    def __init__(self, name: str, starts: np.ndarray, event_shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.name, self.starts, self.dtype = name, np.asarray(starts, np.int64), np.dtype(dtype)
        self.shape = (int(starts[-1]), *event_shape)
        self._newest: dict[int, Any] = {}

    @abc.abstractmethod
    def read_block(self, number: int) -> Any:
        """A block, whole: an array, or a table from which `dense` takes rows."""

    def dense(self, block: Any, rows: np.ndarray) -> np.ndarray:
        """Some rows of a block, by their numbers in it."""
        return block[rows]

    @override
    def read(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        numbers = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(numbers):
            here = numbers == number
            out[here] = self.dense(self.block(int(number)), rows[here] - self.starts[number])
        return out

    def block(self, number: int) -> Any:
        """A block, kept for whoever asks for it next."""
        found = self._newest.get(number)
        if found is None:
            found = self.read_block(number)
            newest = {**self._newest, number: found}
            # Made anew and not changed: a thread that reads ahead may look at it.
            self._newest = dict(list(newest.items())[-self._KEPT :])
        return found


class ModelRows(AbstractRows):
    """Some rows of others, as the device gets them: in the units of the model, 8-bit whole numbers or float32.

    - `masks`: whether elements without a value are NaN, and an `Example` of these rows says which have one.
    """

    def __init__(self, source: AbstractRows, chosen: np.ndarray, spec: Any, *, masks: bool) -> None:
        self.name, self.source, self.chosen, self.spec, self.masks = source.name, source, chosen, spec, masks
        self.shape = (len(chosen), *source.shape[1:])
        is_byte = source.dtype in (np.uint8, np.bool_) and not spec.origin
        self.dtype = np.dtype(np.uint8 if is_byte else np.float32)
        if source.starts is not None and bool((np.diff(chosen) > 0).all()):
            self.starts = np.unique(np.searchsorted(chosen, source.starts))

    @override
    def read(self, rows: np.ndarray) -> np.ndarray:
        found = self.source.read(self.chosen[rows])
        if self.starts is not None and found.dtype.kind == "f":
            self._check(found, rows)
        return np.ascontiguousarray(self.spec.to_model(found), self.dtype)

    def _check(self, found: np.ndarray, rows: np.ndarray) -> None:
        """What `check_array` asks of arrays, asked when rows of files are read, so that they are not read once more for it."""
        wrong = np.isinf(found) if self.masks else ~np.isfinite(found)
        if wrong.any():
            index = np.unravel_index(int(wrong.argmax()), wrong.shape)
            element = self.spec.element_name(int(np.ravel_multi_index(index[1:], wrong.shape[1:])))
            raise DataError(
                f"{self.name}: row {self.chosen[rows[index[0]]]}, {self.spec.element_word} {element} is {found[index]:g}, and "
                "no number like it was among the rows that the data were described by; expected a finite number. Correct it, or "
                "leave the row out."
            )

    @functools.cached_property
    @override
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.source.fingerprint.encode())
        digest.update(np.ascontiguousarray(self.chosen, "<i8").tobytes())
        return digest.hexdigest()
