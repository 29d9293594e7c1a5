"""Tables of numbers as text: .csv and .tsv files, with or without a line of column names."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import DataError, DataWarning, closest_name, unknown_name_message

TABLE_ENDINGS = (".csv", ".tsv")


class Table(NamedTuple):
    """Rows of numbers: `values` (n, columns) float64, and a name for each column, or none at all."""

    values: np.ndarray
    names: tuple[str, ...]

    def without(self, column: str) -> tuple[Table, np.ndarray]:
        """The other columns, and this one, (n,)."""
        index = self.names.index(column)
        others = self.names[:index] + self.names[index + 1 :]
        return Table(np.delete(self.values, index, axis=1), others), self.values[:, index]


def load_table(path: Path) -> Table:
    """The table in a .csv file (separated by semicolons, tabs or commas) or a .tsv file (by tabs).

    Lines above it that begin with # are passed over. The next line holds the columns' names unless all of it are numbers; and
    even then where they count up, as a program's own names of columns do, or wavelengths and years. TRUE and FALSE are 1 and 0.
    An empty last column, from separators at the ends of lines, is none. Row numbers and row names, in a first column without a
    name or one that pandas calls "Unnamed: 0", are left out. All but the first two are said by a `DataWarning`.

    Raises `DataError`, with the line and the column, for text, for a missing value and for a row of another length; and when
    two columns have one name, when there is no row, or when the file is no text.
    """
    try:
        first, above = _first_line(path)
        is_by_tabs = path.suffix.lower() == ".tsv"
        separator = "\t" if is_by_tabs else next((each for each in ";\t" if each in first), ",")
        cells = next(csv.reader([first], delimiter=separator), [])
        names = _names_in(path, cells)
        values = _numbers(path, separator, names, above)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 ({error}); save the table again as CSV in UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{path} could not be read as a table ({error}); save it again as CSV.") from error
    if values.size == 0:
        raise DataError(f"{path} holds no rows of numbers; expected one line for each example.")
    if not names and _count_up(cells, values):
        _warn(f"{path}: the first line, {first.strip()[:40]!r}, is taken for the names of the columns, not for an example.")
        names, values = tuple(cell.strip() for cell in cells), values[1:]
    if names and not names[0]:
        _warn(f"{path}: the first column has no name; it is taken for row numbers or names and left out. Name it to keep it.")
        names, values = names[1:], values[:, 1:]
    elif len(names) > 1 and names[0].startswith("Unnamed:") and _is_count(values[:, 0]):
        _warn(f"{path}: the column {names[0]!r} holds row numbers and is left out. Give it another name to keep it.")
        names, values = names[1:], values[:, 1:]
    return Table(values, names)


def _warn(text: str) -> None:
    warnings.warn(DataWarning(text), stacklevel=3)


def _first_line(path: Path) -> tuple[str, int]:
    """The first line of the table, and the number of lines above it."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, line in enumerate(file):
            if line.strip() and not line.startswith("#"):
                return line, number
    return "", 0


def _numbers(path: Path, separator: str, names: tuple[str, ...], above: int) -> np.ndarray:
    values = None
    if all(names):
        values = _fast(path, separator, skipped=above + (1 if names else 0))
    if values is None or np.isnan(values).any() or (names and values.shape[1] != len(names) and values.size):
        values = np.array(list(_rows(path, separator, names, above)), np.float64)
    return values


def _is_count(column: np.ndarray) -> bool:
    return bool((np.diff(column) == 1).all()) and column[0] in (0, 1)


def _count_up(cells: list[str], values: np.ndarray) -> bool:
    """Whether the first line of a table of numbers are the columns' names: 0, 1, 2, ..., or steps that fit in no column."""
    first, rest = values[0], values[1:]
    if len(first) < 2 or len(rest) == 0 or not (np.diff(first) > 0).all():
        return False
    counts = _is_count(first) and all(cell.strip().isdigit() for cell in cells)
    if counts and (len(first) > 2 or bool((rest != np.rint(rest)).any())):
        # Where every line counts up, it is data that do.
        return not bool((np.diff(rest, axis=1) > 0).all())
    outside = (first < rest.min(axis=0)) | (first > rest.max(axis=0))
    return len(first) > 2 and len(rest) > 1 and bool(outside.all()) and np.allclose(np.diff(first), np.diff(first)[0])


def columns_of(table: Table, wanted: Sequence[str], path: str) -> np.ndarray:
    """The columns of these names in this order, (n, wanted); raises `DataError` when one is not there."""
    missing = [name for name in wanted if name not in table.names]
    if missing:
        nearest = closest_name(missing[0], table.names)
        hint = f" Did you mean {nearest!r} there?" if nearest else ""
        raise DataError(
            f"{path} lacks {len(missing)} of the {len(wanted)} columns that the model was trained on: "
            f"{', '.join(map(repr, missing[:5]))}{', ...' if len(missing) > 5 else ''}.{hint} It has "
            f"{', '.join(map(repr, table.names[:10]))}{', ...' if len(table.names) > 10 else ''}."
        )
    return table.values[:, [table.names.index(name) for name in wanted]]


def require_column(table: Table, name: str, path: Path) -> None:
    """Raise `DataError`, with the nearest right name, when the table has no such column."""
    if not table.names:
        raise DataError(f"data.condition is {name!r}, but {path} has no line of column names; write one above the numbers.")
    if name not in table.names:
        raise DataError(f"{path}: {unknown_name_message('data.condition', name, table.names)}")


def _names_in(path: Path, cells: list[str]) -> tuple[str, ...]:
    """The names in a first line; none when all of it are numbers."""
    if not cells or all(_is_number(cell.replace(",", ".")) for cell in cells):
        return ()
    names = tuple(cell.strip() for cell in cells)
    if len(names) > 1 and not names[-1]:
        names = names[:-1]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: {names.count(twice[0])} columns are named {twice[0]!r}; expected a name of its own for each.")
    return names


def _fast(path: Path, separator: str, *, skipped: int) -> np.ndarray | None:
    """The numbers by NumPy's own reader, or None when it meets anything else."""
    try:
        with warnings.catch_warnings():
            # Of a file without rows, which is said elsewhere.
            warnings.simplefilter("ignore", UserWarning)
            return np.loadtxt(
                path, delimiter=separator, skiprows=skipped, ndmin=2, comments=None, quotechar='"', encoding="utf-8-sig"
            )
    except UnicodeDecodeError:
        raise
    except ValueError:
        return None


def _rows(path: Path, separator: str, names: tuple[str, ...], above: int) -> Iterator[list[float]]:
    """Row after row, up to the first that is not made of numbers."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for _ in range(above):
            next(file)
        reader = csv.reader(file, delimiter=separator)
        if names:
            next(reader)
        width = len(names)
        for cells in reader:
            if not cells:
                continue
            width = width or len(cells)
            line = reader.line_num + above
            if names and len(cells) == width + 1 and not cells[-1].strip():
                cells = cells[:-1]
            if len(cells) != width:
                raise DataError(f"{path}: line {line} has {len(cells)} cells; expected {width}, as in the lines before it.")
            # What stands in a first column without a name is left out later, be it text or not.
            start = 1 if names and not names[0] else 0
            yield [0.0] * start + [_number(path, line, names, index, cells[index]) for index in range(start, width)]


def _number(path: Path, line: int, names: tuple[str, ...], index: int, cell: str) -> float:
    """A cell's number, or the error that says where there is none."""
    word = cell.strip().lower()
    if word in ("true", "false"):
        return float(word == "true")
    where = f"{path}: line {line}, column {names[index]!r}" if names else f"{path}: line {line}, column {index}"
    if word in ("", "na", "n/a", "nan", "null", "none", "?", "-", "."):
        raise DataError(f"{where} has no value ({cell!r}); fill it in, drop the row or drop the column before fitting.")
    if _is_number(cell):
        return float(cell)
    if _is_number(cell.replace(",", ".")):
        raise DataError(f"{where} is {cell!r}; write decimals with a point.")
    raise DataError(
        f"{where} is the text {cell!r}; expected numbers. Code categories as 0, 1, 2, ..., or drop the column from the file."
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    # Python's own spelling of thousands; nobody else's.
    return "_" not in cell
