"""Examples that are no array in memory: read by their numbers, dense only as long as they are looked at."""

from .rows import AbstractRows, ArrayRows, BlockRows, ModelRows, rows_of
from .sparse import SparseRows

__all__ = ["AbstractRows", "ArrayRows", "BlockRows", "ModelRows", "SparseRows", "rows_of"]
