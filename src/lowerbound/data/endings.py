"""What a file's name says of its form: the one list of the files that can be read."""

from __future__ import annotations

import re
from pathlib import Path

TEXT_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
TABLE_ENDINGS = (*TEXT_ENDINGS, ".parquet", ".feather")
IDX = ".idx"
COUNT_ENDINGS = (".h5ad", ".loom", ".mtx", ".mtx.gz")
ENDINGS = (".npy", ".npz", ".mat", IDX, *TABLE_ENDINGS, *COUNT_ENDINGS)
FILES_IN_WORDS = "a .npy, .npz, .mat, .csv, .tsv, .parquet, .feather, .h5ad, .loom, .mtx or idx file"

# As in train-images-idx3-ubyte.gz: the form is a part of the name.
_IDX_NAME = re.compile(r"[.-]idx\d?(-\w+)?(\.gz)?$")


def ending_of(path: Path) -> str:
    """The ending that tells a file's form, in small letters: ".npy", ".csv.gz", and ".idx" for all that are called idx.

    >>> ending_of(Path("train-images-idx3-ubyte.gz"))
    '.idx'
    """
    name = path.name.lower()
    if _IDX_NAME.search(name):
        return IDX
    return next((ending for ending in (*TABLE_ENDINGS, *COUNT_ENDINGS) if name.endswith(ending)), path.suffix.lower())


def without_ending(path: Path) -> str:
    """The file's name without what tells its form."""
    return Path(path.name.removesuffix(".gz")).stem
