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
_SEPARATORS = ",;\t"


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
    """The table in a .csv file (separated by commas, semicolons or tabs) or a .tsv file (by tabs).

    The first line holds the columns' names unless all of it are numbers. A first column without a name is the row numbers
    that pandas writes; it is left out, with a `DataWarning`.

    Raises `DataError`, with the line and the column, for text, for a missing value and for a row of another length; and when
    two columns have one name, when there is no row, or when the file is no text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
        separator = "\t" if path.suffix.lower() == ".tsv" else max(_SEPARATORS, key=first.count)
        names = _names_in(path, next(csv.reader([first], delimiter=separator), []))
        values = _fast(path, separator, skipped=1 if names else 0)
        if values is None:
            values = np.array(list(_rows(path, separator, names)), np.float64)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 ({error}); save the table again as CSV in UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{path} could not be read as a table ({error}); save it again as CSV.") from error
    if values.size == 0:
        raise DataError(f"{path} holds no rows of numbers; expected one line for each example.")
    if names and not names[0]:
        warnings.warn(
            DataWarning(f"{path}: the first column has no name; it is taken for row numbers and left out. Name it to keep it."),
            stacklevel=2,
        )
        names, values = names[1:], values[:, 1:]
    return Table(values, names)


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
    if not cells or all(_is_number(cell) for cell in cells):
        return ()
    names = tuple(cell.strip() for cell in cells)
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


def _rows(path: Path, separator: str, names: tuple[str, ...]) -> Iterator[list[float]]:
    """Row after row, up to the first that is not made of numbers."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        if names:
            next(reader)
        width = len(names)
        for cells in reader:
            if not cells:
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise DataError(
                    f"{path}: line {reader.line_num} has {len(cells)} cells; expected {width}, as in the lines before it."
                )
            yield [_number(path, reader.line_num, names, index, cell) for index, cell in enumerate(cells)]


def _number(path: Path, line: int, names: tuple[str, ...], index: int, cell: str) -> float:
    """A cell's number, or the error that says where there is none."""
    if _is_number(cell):
        return float(cell)
    where = f"{path}: line {line}, column {names[index]!r}" if names else f"{path}: line {line}, column {index}"
    if not cell.strip() or cell.strip().lower() in ("na", "n/a", "null", "none", "?"):
        raise DataError(f"{where} has no value ({cell!r}); drop rows with missing values, or fill them in, before fitting.")
    if _is_number(cell.replace(",", ".")):
        raise DataError(f"{where} is {cell!r}; write decimals with a point.")
    raise DataError(
        f"{where} is the text {cell!r}; expected numbers. Code categories as 0, 1, 2, ..., or leave the column out of the file."
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    # Python's own spelling of thousands; nobody else's.
    return "_" not in cell
