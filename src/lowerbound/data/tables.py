"""Tables of numbers as text, compressed or not, with or without a line of column names; `columns` reads all other tables."""

from __future__ import annotations

import contextlib
import csv
import gzip
import warnings
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ..errors import DataError, closest_name, warn_of_data
from ..storage.memory import check_fits
from .endings import ending_of

# A line beyond it, in characters, is no line of a table.
_LONGEST_LINE = 2**26
_BLOCK = 2**20


class Table(NamedTuple):
    """Rows of numbers: `values` (n, columns) float64, and a name for each column, or none at all."""

    values: np.ndarray
    names: tuple[str, ...]


class _Form(NamedTuple):
    """How the text is laid out: what separates cells, the columns' names, and the number of lines above them."""

    separator: str
    names: tuple[str, ...]
    above: int


def load_table(path: Path) -> Table | None:
    """The table in a .csv file (separated by semicolons, tabs or commas) or a .tsv file (by tabs) all of whose cells are numbers.

    None where one is not, or has no value, and wherever else NumPy's own reader does not do: `read_raw` reads that, and says
    what is wrong with a file that is no table.

    Lines above the table that begin with # are passed over. The next line holds the columns' names unless all of it are numbers;
    and even then where they count up, as a program's own names of columns do, or wavelengths and years. Row numbers in a first
    column that pandas calls "Unnamed: 0" are left out. The last two are said by a `DataWarning`.

    Raises `DataError` for lines without end, and `TooLargeError` where memory does not suffice.
    """
    try:
        with opened(path) as file:
            first, above = first_line(path, file)
        is_by_tabs = ending_of(path).startswith(".tsv")
        separator = "\t" if is_by_tabs else next((each for each in ";\t" if each in first), ",")
        cells = next(csv.reader([first], delimiter=separator), [])
        is_example = all(is_number(cell) for cell in cells)
        form = _Form(separator, () if is_example else _without_end(cells), above)
        # A first line of numbers with commas, columns without names and names that are not different are for others.
        has_commas = not is_example and all(is_number(cell.replace(",", ".")) for cell in cells)
        if not cells or has_commas or not all(form.names) or len(set(form.names)) < len(form.names):
            return None
        check_size(path, separator)
        values = _fast(path, form)
    except (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, EOFError, zlib.error):
        return None
    if values is None or not values.size or not np.isfinite(values).all() or (form.names and values.shape[1] != len(form.names)):
        return None
    if values.shape[1] == 1:
        say_empty_lines(path)
    names = form.names
    if not names and _count_up(cells, values):
        warn_of_data(
            f"{path}: the first line, {first.strip()[:40]!r}, is taken for the names of the columns, not for an example."
        )
        names, values = tuple(cell.strip() for cell in cells), values[1:]
    if len(names) > 1 and is_row_number(names[0], values[:, 0]):
        say_row_numbers(path, names[0])
        names, values = names[1:], values[:, 1:]
    return Table(values, names)


def is_row_number(name: str, column: np.ndarray) -> bool:
    """Whether a first column of numbers is what pandas writes of a frame's index."""
    return name.startswith("Unnamed:") and bool((np.diff(column) == 1).all()) and column[0] in (0, 1)


def say_row_numbers(path: Path | str, name: str) -> None:
    """Warn of a first column that is left out."""
    if name:
        warn_of_data(f"{path}: the column {name!r} holds row numbers and is left out. Give it another name to keep it.")
    else:
        warn_of_data(
            f"{path}: the first column has no name; it is taken for row numbers or names and left out. Name it to keep it."
        )


def say_empty_lines(path: Path, encoding: str = "utf-8-sig") -> None:
    """Warn of empty lines between the rows of a table of one column, where each may have been meant as a cell without a value."""
    with opened(path, encoding) as file:
        is_empty = [not line.strip() for line in file.read().strip().splitlines()]
    if count := sum(is_empty):
        warn_of_data(
            f"{path}: {count} empty lines (the first is line {is_empty.index(True) + 1}) are passed over, and are no rows. "
            "In a table of one column write NA in a cell without a value."
        )


def opened(path: Path, encoding: str = "utf-8-sig") -> IO[str]:
    """The text of a file, compressed by gzip or not."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def first_line(path: Path, file: IO[str]) -> tuple[str, int]:
    """The first line of the table, and the number of lines above it."""
    for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), "")):
        if len(line) == _LONGEST_LINE:
            raise DataError(f"{path} has a line of {_LONGEST_LINE:,} characters and more; expected a table, a line a row.")
        if line.strip() and not line.startswith("#"):
            return line, number
    return "", 0


def check_size(path: Path, separator: str, encoding: str = "utf-8-sig") -> None:
    """Raise `TooLargeError` where the cells do not fit into memory, as far as the first rows tell how long they are."""
    with opened(path, encoding) as file:
        file.readline(_LONGEST_LINE)
        rows = file.read(_BLOCK)
    if path.suffix.lower() != ".gz":
        size = path.stat().st_size
    else:
        with gzip.open(path) as file:
            size = sum(map(len, iter(lambda: file.read(_BLOCK), b"")))
    share = (rows.count(separator) + rows.count("\n")) / max(1, len(rows.encode(encoding, "replace")))
    check_fits(8 * share * size, f"the table in {path}", "give fewer rows")


def _count_up(cells: list[str], values: np.ndarray) -> bool:
    """Whether the first line of a table of numbers are the columns' names: 0, 1, 2, ..., or steps that fit in no column."""
    first, rest = values[0], values[1:]
    if len(first) < 2 or len(rest) == 0 or not (np.diff(first) > 0).all():
        return False
    counts = bool((np.diff(first) == 1).all()) and first[0] in (0, 1) and all(cell.strip().isdigit() for cell in cells)
    if counts and (len(first) > 2 or bool((rest != np.rint(rest)).any())):
        # Where every line counts up, it is data that do.
        return not bool((np.diff(rest, axis=1) > 0).all())
    outside = (first < rest.min(axis=0)) | (first > rest.max(axis=0))
    return len(first) > 2 and len(rest) > 1 and bool(outside.all()) and np.allclose(np.diff(first), np.diff(first)[0])


def columns_of(table: Table, wanted: Sequence[str], path: str, whose: str = "that the model was trained on") -> np.ndarray:
    """The columns of these names in this order, (n, wanted); raises `DataError` when one is not there.

    - `whose`: the columns that are wanted, for the message.
    """
    missing = [name for name in wanted if name not in table.names]
    if missing:
        nearest = closest_name(missing[0], table.names)
        hint = f" Did you mean {nearest!r} there?" if nearest else ""
        raise DataError(
            f"{path} lacks {len(missing)} of the {len(wanted)} columns {whose}: "
            f"{', '.join(map(repr, missing[:5]))}{', ...' if len(missing) > 5 else ''}.{hint} It has "
            f"{', '.join(map(repr, table.names[:10]))}{', ...' if len(table.names) > 10 else ''}."
        )
    return table.values[:, [table.names.index(name) for name in wanted]]


def names_in(path: Path, cells: Sequence[str]) -> tuple[str, ...]:
    """The names in a first line, without an empty last one; raises `DataError` where two are the same."""
    names = _without_end(cells)
    check_different(str(path), names)
    return names


def _without_end(cells: Sequence[str]) -> tuple[str, ...]:
    """The names without an empty last one, which a separator at the end of the line makes."""
    names = tuple(cell.strip() for cell in cells)
    return names[:-1] if len(names) > 1 and not names[-1] else names


def check_different(source: str, names: Collection[str]) -> None:
    """Raise `DataError` where two columns have one name."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{source}: {list(names).count(twice[0])} columns are named {twice[0]!r}; expected a name of its own for each."
        )


def _fast(path: Path, form: _Form) -> np.ndarray | None:
    """The numbers by NumPy's own reader, or None when it meets anything else."""
    # Of a path, NumPy reads blocks and not lines.
    source = contextlib.nullcontext(path) if path.suffix.lower() != ".gz" else opened(path)
    try:
        with source as text, warnings.catch_warnings():
            # Of a file without rows, which is said elsewhere.
            warnings.simplefilter("ignore", UserWarning)
            return np.loadtxt(
                text,
                delimiter=form.separator,
                skiprows=form.above + (1 if form.names else 0),
                ndmin=2,
                comments=None,
                quotechar='"',
                encoding="utf-8-sig",
            )
    except UnicodeDecodeError:
        raise
    except ValueError:
        return None


def is_number(cell: str) -> bool:
    """Whether a text is a number, as programs write it."""
    try:
        float(cell)
    except ValueError:
        return False
    # Python's own spelling of thousands; nobody else's.
    return "_" not in cell
