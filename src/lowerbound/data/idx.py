"""Arrays in the IDX form, in which MNIST and its relatives come, compressed or not."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..storage.memory import check_fits, readable

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_GZIP = b"\x1f\x8b"


def read_idx(path: Path) -> np.ndarray:
    """The array in a file that begins with two zeros, the number of the type and the rank; then the sizes, then the values.

    Raises `DataError` when the file is not that, or holds fewer or more values than its sizes say.
    """
    with path.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
    with gzip.open(path) if is_packed else path.open("rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not head[3]:
            raise DataError(
                f"{path} is called idx, but does not begin as such a file does (two zeros, the number of a type, the rank); "
                "write or copy it again, or give it the ending of its form."
            )
        kind, rank = np.dtype(_TYPES[head[2]]).newbyteorder(">"), head[3]
        sizes = file.read(4 * rank)
        shape = tuple(np.frombuffer(sizes, ">u4").tolist()) if len(sizes) == 4 * rank else ()
        promised = math.prod(shape) * kind.itemsize
        check_fits(promised, f"{path}, an array {shape} of {kind.name},", "give fewer examples")
        # One more than is promised shows that there are more.
        values = file.read(promised + 1)
    if not shape or len(values) != promised:
        there = f"{readable(len(values))}{' and more' if len(values) > promised else ''}"
        raise DataError(
            f"{path} is torn: its header says an array {shape} of {kind.name}, {readable(promised)}, but {there} follow. "
            "Write or copy it again."
        )
    return np.frombuffer(values, kind).reshape(shape).astype(kind.newbyteorder("="))
