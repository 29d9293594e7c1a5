"""Tables written for people and programs: CSV, TSV and Parquet, each whole or not at all."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigurationError, DataError
from ...storage.atomic import write_bytes
from ..endings import TABLE_ENDINGS, TEXT_ENDINGS, ending_of
from .cells import guarded
from .raw import is_missing

_BOOLEANS = frozenset(("true", "false"))


def write_table(
    path: str | Path,
    names: Sequence[str],
    columns: Sequence[np.ndarray],
    *,
    whole: Collection[str] = (),
    numbers: Collection[str] = (),
) -> None:
    """Write raw columns as a .csv or .tsv file, compressed where the name ends in .gz, or as a .parquet or .feather file.

    Cells without a value are empty; whole numbers have no point; other numbers have as many digits as it takes to read the same
    number; times are 2024-12-31, or 2024-12-31T23:59:59 where a column has hours. A text that a spreadsheet program would run
    (one that begins with =, +, -, @, a tab or a carriage return) is written with an apostrophe before it, which `read_raw` takes
    away.

    - `whole`: columns that are integers in Parquet and Feather, in which others are numbers with a point.
    - `numbers`: columns of texts that are numbers as they are to stand in a text file, "-1.50"; no program runs those.

    Raises `ConfigurationError` for another ending, and `SavingError`; what was there before is untouched then.
    """
    path = Path(path)
    if ending_of(path) not in TABLE_ENDINGS:
        raise ConfigurationError(f"{path} ends in {path.suffix or 'nothing'!r}; expected {', '.join(TABLE_ENDINGS)}.")
    if ending_of(path) not in TEXT_ENDINGS:
        write_bytes(path, _arrow(path, names, columns, whole))
        return
    content = _text(names, columns, numbers, "\t" if ending_of(path).startswith(".tsv") else ",").encode("utf-8")
    write_bytes(path, gzip.compress(content, mtime=0) if ending_of(path).endswith(".gz") else content)


def cells_of(column: np.ndarray, *, are_numbers: bool = False) -> list[str]:
    """The cells of a raw column as they are written; `are_numbers`: its texts are numbers."""
    missing = is_missing(column)
    if column.dtype.kind == "O":
        return ["" if cell is None else cell if are_numbers else guarded(cell) for cell in column.tolist()]
    if column.dtype.kind == "M":
        times = column[~missing]
        unit = "D" if (times == times.astype("datetime64[D]")).all() else "us"
        unit = "s" if unit == "us" and (times == times.astype("datetime64[s]")).all() else unit
        return ["" if lacks else cell for cell, lacks in zip(np.datetime_as_string(column, unit), missing, strict=True)]
    return ["" if lacks else _number(cell) for cell, lacks in zip(column.tolist(), missing, strict=True)]


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _text(names: Sequence[str], columns: Sequence[np.ndarray], numbers: Collection[str], separator: str) -> str:
    cells = [cells_of(column, are_numbers=name in numbers) for name, column in zip(names, columns, strict=True)]
    # The writer of Python does not quote a carriage return by itself.
    has_returns = any("\r" in name for name in names) or any("\r" in cell for column in cells for cell in column)
    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL if has_returns else csv.QUOTE_MINIMAL
    )
    writer.writerow(map(guarded, names))
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def _arrow(path: Path, names: Sequence[str], columns: Sequence[np.ndarray], whole: Collection[str]) -> bytes:
    try:
        import pyarrow
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"{path} is to be written by pyarrow, which is not installed. Install it with the extra parquet: pip install "
            "'lowerbound[parquet]'. Or write a .csv file."
        ) from error
    table = pyarrow.table({name: _arrow_column(each, name in whole) for name, each in zip(names, columns, strict=True)})
    file = io.BytesIO()
    if ending_of(path) == ".feather":
        pyarrow.feather.write_feather(table, file)
    else:
        pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def _arrow_column(column: np.ndarray, is_whole: bool) -> Any:
    import pyarrow

    missing = is_missing(column)
    if column.dtype.kind == "O":
        if not missing.all() and set(column[~missing].tolist()) <= _BOOLEANS:
            return pyarrow.array([None if cell is None else cell == "true" for cell in column.tolist()], pyarrow.bool_())
        return pyarrow.array(column.tolist(), pyarrow.string())
    if column.dtype.kind == "M":
        return pyarrow.array(column, pyarrow.timestamp("us"))
    values = np.where(missing, 0, column).astype(np.int64) if is_whole else column
    return pyarrow.array(values, mask=missing)
