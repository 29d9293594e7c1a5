"""Tables as people have them: columns of several kinds, with cells that are missing."""

from .column import Column, ColumnKind
from .infer import infer_columns
from .raw import RawTable
from .reading import read_raw

__all__ = ["Column", "ColumnKind", "RawTable", "infer_columns", "read_raw"]
