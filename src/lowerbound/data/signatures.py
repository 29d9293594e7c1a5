"""What a file is by its first bytes, said where it is not what its name says."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

_NUM_BYTES = 512
# (how such a file begins, what it is, what to do).
_SIGNATURES = (
    (rb"\x1f\x8b", "a file compressed by gzip", "end its name in .gz, or unpack it"),
    (rb"PK\x03\x04", "a zip archive or a spreadsheet", "unpack it, or save the sheet as CSV"),
    (rb"\xd0\xcf\x11\xe0", "an old spreadsheet", "save the sheet as CSV"),
    (rb"BZh", "a file compressed by bzip2", "unpack it"),
    (rb"\xfd7zXZ", "a file compressed by xz", "unpack it"),
    (rb"\x28\xb5\x2f\xfd", "a file compressed by zstd", "unpack it"),
    (rb"PAR1", "a Parquet file", "end its name in .parquet"),
    (rb"ARROW1|FEA1", "a Feather file", "end its name in .feather"),
    (rb"\x93NUMPY", "an array of NumPy's", "end its name in .npy"),
    (rb"\x89HDF", "an HDF5 file", "end its name in .h5ad or .loom if it is one, or save its array with numpy.save"),
    (rb"SQLite format 3", "an SQLite database", "give it as sqlite:///PATH, with a query"),
    (rb"\x80[\x02-\x05]", "a pickle, which is never loaded, because that can run any code", "save an array with numpy.save"),
    (rb"%PDF", "a PDF", "save its table as CSV"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture", "give the folder that holds the pictures"),
    (rb"(\xef\xbb\xbf)?\s*(?i:<!doctype|<html|<\?xml)", "a web page or XML, and no data", "fetch the file itself"),
    (rb"(\xef\xbb\xbf)?\s*[\[{]", "JSON or text like it", "save it as CSV"),
)

_OWN_ENDINGS = {
    "a file compressed by gzip": (".gz",),
    "a zip archive or a spreadsheet": (".npz",),
    "a Parquet file": (".parquet",),
    "a Feather file": (".feather",),
    "an array of NumPy's": (".npy",),
    "an HDF5 file": (".h5ad", ".loom", ".mat"),
}


def begins_as(path: Path) -> str:
    """A sentence about what the file begins as and what to do then, with a space before it; empty where that is not known."""
    try:
        with path.open("rb") as file:
            begin = file.read(_NUM_BYTES)
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as file:
                begin = file.read(_NUM_BYTES)
    except (OSError, EOFError, zlib.error):
        return ""
    if not begin:
        return " It is empty."
    for signature, what, remedy in _SIGNATURES:
        if re.match(signature, begin):
            # What it is called so already says more by itself.
            is_so_called = path.name.lower().endswith(_OWN_ENDINGS.get(what, ()))
            return "" if is_so_called else f" It begins as {what}; {remedy}."
    if _is_text(begin):
        return " It begins as text; end its name in .csv if it is a table."
    return ""


def is_no_text(begin: str) -> bool:
    """Whether a first line says that what follows is no table, although it is text."""
    return bool("\0" in begin or re.match(r"\s*(?i:<!doctype|<html|<\?xml|%PDF)", begin))


def _is_text(begin: bytes) -> bool:
    try:
        text = begin[:-3].decode()
    except UnicodeDecodeError:
        return False
    return "\0" not in text and any(character.isprintable() for character in text)
