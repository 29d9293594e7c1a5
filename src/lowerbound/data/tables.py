"""Tables of numbers: as text, compressed or not, with or without a line of column names; and as Parquet."""

from __future__ import annotations

import contextlib
import csv
import gzip
import shlex
import warnings
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ..errors import DataError, DataWarning, closest_name, unknown_name_message
from ..storage.memory import check_fits
from .endings import ending_of

# A line beyond it, in characters, is no line of a table.
_LONGEST_LINE = 2**26
_BLOCK = 2**20
_NO_VALUE = frozenset(("", "na", "n/a", "nan", "null"))
# What stands for a missing number may be a group's name: "none".
_NO_NUMBER = _NO_VALUE | {"none", "?", "-", "."}


class Table(NamedTuple):
    """Rows of numbers: `values` (n, columns) float64, and a name for each column, or none at all.

    - `aside`: the columns, (n,) each, that were asked for by name and are none of `values`: numbers, booleans or texts.
    """

    values: np.ndarray
    names: tuple[str, ...]
    aside: tuple[np.ndarray, ...] = ()


class _Form(NamedTuple):
    """How the text is laid out: what separates cells, the columns' names, and the number of lines above them."""

    separator: str
    names: tuple[str, ...]
    above: int


def load_table(path: Path, aside: Mapping[str, str] = {}, may_lack: Collection[str] = ()) -> Table:
    """The table in a .csv file (separated by semicolons, tabs or commas), a .tsv file (by tabs) or a Parquet file.

    - `aside`: columns that are no part of the values, each of which may hold texts, and the key that asks for each. `may_lack`:
      those of them that may have no value in some rows, NaN or an empty text then.

    Of text, compressed by gzip (.csv.gz) or not: lines above the table that begin with # are passed over. The next line holds the
    columns' names unless all of it are numbers; and even then where they count up, as a program's own names of columns do, or
    wavelengths and years. TRUE and FALSE are 1 and 0. An empty last column, from separators at the ends of lines, is none. Row
    numbers and row names, in a first column without a name or one that pandas calls "Unnamed: 0", are left out. All but the first
    two are said by a `DataWarning`.

    Raises `DataError`, with the line and the column, for text, for a missing value and for a row of another length; and when
    two columns have one name, when there is no row, or when the file is no text.
    """
    if ending_of(path) == ".parquet":
        return _load_parquet(path, aside, may_lack)
    try:
        first, above = _first_line(path)
        is_by_tabs = ending_of(path).startswith(".tsv")
        separator = "\t" if is_by_tabs else next((each for each in ";\t" if each in first), ",")
        _check_size(path, separator)
        cells = next(csv.reader([first], delimiter=separator), [])
        form = _Form(separator, _names_in(path, cells, aside), above)
        _require_columns(path, form.names, aside)
        set_aside = [form.names.index(name) for name in aside]
        values = _numbers(path, form, set_aside)
        given = _set_aside(path, form, set_aside, may_lack)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 ({error}); save the table again as CSV in UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{path} could not be read as a table ({error}); save it again as CSV.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} could not be unpacked ({error}); it is torn, or not gzip's. Write or copy it again.") from error
    if values.size == 0:
        raise DataError(f"{path} holds no rows of numbers; expected one line for each example.")
    names = tuple(name for index, name in enumerate(form.names) if index not in set_aside)
    if not names and _count_up(cells, values):
        _warn(f"{path}: the first line, {first.strip()[:40]!r}, is taken for the names of the columns, not for an example.")
        names, values = tuple(cell.strip() for cell in cells), values[1:]
    return _without_row_numbers(path, Table(values, names, given))


def _without_row_numbers(path: Path, table: Table) -> Table:
    """The table without a first column of row numbers or names."""
    values, names, given = table
    if names and not names[0]:
        _warn(f"{path}: the first column has no name; it is taken for row numbers or names and left out. Name it to keep it.")
    elif len(names) > 1 and names[0].startswith("Unnamed:") and _is_count(values[:, 0]):
        _warn(f"{path}: the column {names[0]!r} holds row numbers and is left out. Give it another name to keep it.")
    else:
        return table
    return Table(values[:, 1:], names[1:], given)


def _load_parquet(path: Path, aside: Mapping[str, str], may_lack: Collection[str]) -> Table:
    from .parquet import read_parquet

    names, columns = read_parquet(path, aside, may_lack)
    _require_columns(path, names, aside)
    # What pandas stores of its index.
    index = [name for name in names if name.startswith("__index_level_")]
    if index:
        _warn(
            f"{path}: the column {index[0]!r} holds the index of a data frame and is left out. Give it another name to keep it."
        )
    kept = tuple(name for name in names if name not in (*aside, *index))
    if not kept or not len(columns[kept[0]]):
        raise DataError(f"{path} holds no rows of numbers; expected one for each example.")
    return Table(np.stack([columns[name] for name in kept], axis=1), kept, tuple(columns[name] for name in aside))


def _warn(text: str) -> None:
    warnings.warn(DataWarning(text), stacklevel=3)


def _opened(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _first_line(path: Path) -> tuple[str, int]:
    """The first line of the table, and the number of lines above it."""
    with _opened(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), "")):
            if len(line) == _LONGEST_LINE:
                raise DataError(f"{path} has a line of {_LONGEST_LINE:,} characters and more; expected a table, a line a row.")
            if line.strip() and not line.startswith("#"):
                return line, number
    return "", 0


def _check_size(path: Path, separator: str) -> None:
    """Raise `TooLargeError` where the numbers do not fit into memory, as far as the first rows tell how long they are."""
    with _opened(path) as file:
        file.readline(_LONGEST_LINE)
        rows = file.read(_BLOCK)
    if path.suffix.lower() != ".gz":
        size = path.stat().st_size
    else:
        with gzip.open(path) as file:
            size = sum(map(len, iter(lambda: file.read(_BLOCK), b"")))
    share = (rows.count(separator) + rows.count("\n")) / max(1, len(rows))
    check_fits(8 * share * size, f"the table in {path}", "give fewer rows")


def _numbers(path: Path, form: _Form, left_out: Collection[int]) -> np.ndarray:
    """The columns that are not left out."""
    values, width = None, len(form.names) - len(left_out)
    if all(form.names):
        values = _fast(path, form, left_out)
    if values is None or np.isnan(values).any() or (form.names and values.shape[1] != width and values.size):
        values = np.array(list(_rows(path, form, left_out)), np.float64)
    return values


def _set_aside(path: Path, form: _Form, columns: Sequence[int], may_lack: Collection[str]) -> tuple[np.ndarray, ...]:
    """These columns, each as numbers where all its cells are, as booleans where all are TRUE or FALSE, else as texts."""
    found = list(_lines(path, form)) if columns else []
    if not found:
        return ()
    lines = [line for line, _ in found]
    rows = [[cells[index].strip() for index in columns] for _, cells in found]
    return tuple(
        _of_cells(f"{path}: line {{}}, column {form.names[index]!r}", cells, lines, form.names[index] in may_lack)
        for index, cells in zip(columns, zip(*rows, strict=True), strict=True)
    )


def _of_cells(where: str, cells: Sequence[str], lines: Sequence[int], may_lack: bool) -> np.ndarray:
    words = [cell.lower() for cell in cells]
    numbers = [_is_number(cell) for cell in cells]
    # A question mark among numbers is a missing number, and among texts a text.
    missing = (
        _NO_NUMBER if all(is_number or word in _NO_NUMBER for is_number, word in zip(numbers, words, strict=True)) else _NO_VALUE
    )
    if may_lack:
        cells = ["" if word in missing else cell for cell, word in zip(cells, words, strict=True)]
        if all(not cell or _is_number(cell) for cell in cells):
            return np.asarray([float(cell or "nan") for cell in cells])
        return np.asarray(cells)
    for line, cell, word in zip(lines, cells, words, strict=True):
        if word in missing:
            raise DataError(f"{where.format(line)} has no value ({cell!r}); fill it in, or drop the row before fitting.")
    if all(numbers):
        return np.asarray(cells).astype(np.float64)
    if set(words) <= {"true", "false"}:
        return np.asarray(words) == "true"
    return np.asarray(cells)


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


def _require_columns(path: Path, names: Sequence[str], wanted: Mapping[str, str]) -> None:
    """Raise `DataError`, with the nearest right name, when a table with these columns has none of a wanted name."""
    for name, key in wanted.items():
        if not names:
            raise DataError(f"{key} is {name!r}, but {path} has no line of column names; write one above the numbers.")
        if name not in names:
            raise DataError(f"{path}: {unknown_name_message(key, name, names)}")


def _names_in(path: Path, cells: list[str], aside: Collection[str]) -> tuple[str, ...]:
    """The names in a first line; none when all of it are numbers, and no column is asked for by such a name."""
    names = tuple(cell.strip() for cell in cells)
    if not cells or (all(_is_number(cell.replace(",", ".")) for cell in cells) and not (aside and set(aside) <= set(names))):
        return ()
    if len(names) > 1 and not names[-1]:
        names = names[:-1]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: {names.count(twice[0])} columns are named {twice[0]!r}; expected a name of its own for each.")
    return names


def _fast(path: Path, form: _Form, left_out: Collection[int]) -> np.ndarray | None:
    """The numbers by NumPy's own reader, or None when it meets anything else."""
    columns = [index for index in range(len(form.names)) if index not in left_out]
    # Of a path, NumPy reads blocks and not lines.
    source = contextlib.nullcontext(path) if path.suffix.lower() != ".gz" else _opened(path)
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
                usecols=columns if left_out else None,
            )
    except UnicodeDecodeError:
        raise
    except ValueError:
        return None


def _lines(path: Path, form: _Form) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, and the number of its line; a row of another length than the others is refused."""
    with _opened(path) as file:
        for _ in range(form.above):
            next(file)
        reader = csv.reader(file, delimiter=form.separator)
        if form.names:
            next(reader)
        width = len(form.names)
        for cells in reader:
            if not cells:
                continue
            width = width or len(cells)
            line = reader.line_num + form.above
            if form.names and len(cells) == width + 1 and not cells[-1].strip():
                cells = cells[:-1]
            if len(cells) != width:
                raise DataError(f"{path}: line {line} has {len(cells)} cells; expected {width}, as in the lines before it.")
            yield line, cells


def _rows(path: Path, form: _Form, left_out: Collection[int]) -> Iterator[list[float]]:
    """Row after row, up to the first that is not made of numbers."""
    # What stands in a first column without a name is left out later, be it text or not.
    start = 1 if form.names and not form.names[0] else 0
    for line, cells in _lines(path, form):
        kept = (index for index in range(start, len(cells)) if index not in left_out)
        yield [0.0] * start + [_number(path, line, form.names, index, cells[index]) for index in kept]


def _number(path: Path, line: int, names: tuple[str, ...], index: int, cell: str) -> float:
    """A cell's number, or the error that says where there is none."""
    word = cell.strip().lower()
    if word in ("true", "false"):
        return float(word == "true")
    where = f"{path}: line {line}, column {names[index]!r}" if names else f"{path}: line {line}, column {index}"
    if word in _NO_NUMBER:
        raise DataError(f"{where} has no value ({cell!r}); fill it in, drop the row or drop the column before fitting.")
    if _is_number(cell):
        return float(cell)
    if _is_number(cell.replace(",", ".")):
        raise DataError(f"{where} is {cell!r}; write decimals with a point.")
    condition = f"make the column the condition (--set data.condition={shlex.quote(names[index])}), " if names else ""
    raise DataError(
        f"{where} is the text {cell!r}; expected numbers. Code categories as 0, 1, 2, ..., {condition}or drop the column "
        "from the file."
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    # Python's own spelling of thousands; nobody else's.
    return "_" not in cell
