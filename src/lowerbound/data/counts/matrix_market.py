"""Matrix Market files, with the names of genes that stand beside them in files of their own."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

from ...errors import DataError, LowerboundError, warn_of_data
from ...storage.memory import check_fits

_NAME_FILES = ("features", "genes")


def read_matrix_market(path: Path) -> tuple[Any, tuple[str, ...]]:
    """The matrix of a .mtx file, compressed by gzip or not, and the names of its columns.

    Where features.tsv or genes.tsv stands beside it, with one line for each row of the matrix, as programs that count genes write
    it, the matrix is genes by cells and is turned round. The names are the second column of that file, or its only one.

    Raises `DataError` where the file is torn, and where there are as many names as neither rows nor columns.
    """
    import scipy.io

    try:
        rows, columns, stored, *_ = scipy.io.mminfo(path)
        # Where each row and each column begins takes memory too, though it holds nothing.
        what = f"{path}, a matrix of {rows:,} x {columns:,} with {stored:,} values,"
        check_fits(16 * (stored + rows + columns), what, "keep fewer columns or rows")
        matrix = scipy.io.mmread(path, spmatrix=False)
    except LowerboundError:
        raise
    except Exception as error:
        # The reader of this format has errors of its own.
        raise DataError(f"{path} could not be read as a Matrix Market file ({error}). Write or copy it again.") from error
    names_path = _names_beside(path)
    if names_path is None:
        warn_of_data(
            f"{path}: each of its {rows:,} rows is taken for an example, because no features.tsv or genes.tsv beside it says "
            "that they are genes."
        )
        return matrix, ()
    names = _names_of(names_path)
    if len(names) == rows:
        return matrix.T, names
    if len(names) == columns:
        return matrix, names
    raise DataError(
        f"{names_path} has {len(names):,} lines, but {path} is {rows:,} x {columns:,}; expected a name for each row, or "
        "for each column."
    )


def _names_beside(path: Path) -> Path | None:
    """The file of names that belongs to the matrix: features.tsv, or SAMPLE_features.tsv beside SAMPLE_matrix.mtx."""
    prefix = path.name.removesuffix(".gz").removesuffix(".mtx").removesuffix("matrix")
    names = [f"{start}{name}.tsv{end}" for start in (prefix, "") for name in _NAME_FILES for end in ("", ".gz")]
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def _names_of(path: Path) -> tuple[str, ...]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            rows = [cells for cells in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if cells]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} could not be read as a list of names ({error}); expected a line for each gene.") from error
    return tuple(cells[1 if len(cells) > 1 else 0] for cells in rows)
