"""Tables as text: what separates cells, whether the first line holds names, and in which form numbers are written."""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import numpy as np

from ...errors import DataError, shortened, warn_of_data
from ..endings import ending_of
from ..signatures import begins_as, is_no_text
from ..tables import check_size, first_line, is_number, names_in, opened, say_empty_lines
from .cells import ColumnReader, NumberForm, stands_for_nothing, unguarded, with_comma, with_point, with_thousands
from .raw import RawTable

_ROWS_OF_A_LOOK = 200
_ROWS_OF_A_BLOCK = 50_000
# UTF-32 begins as UTF-16 does, and comes first.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What a spreadsheet program writes above a table.
_DIRECTIVE = re.compile(r"sep=(.)\s*", re.IGNORECASE)


class _Text(NamedTuple):
    """How a file's text is read: its encoding, what separates cells, and the number of lines above the table."""

    path: Path
    encoding: str
    separator: str
    above: int

    def blocks(self, num_rows: int) -> Iterator[tuple[list[list[str]], np.ndarray]]:
        """The cells of `num_rows` rows at a time, and the number of the line on which each row begins."""
        with opened(self.path, self.encoding) as file:
            for _ in range(self.above):
                next(file)
            reader = csv.reader(file, delimiter=self.separator, skipinitialspace=True)
            begin = 0
            while rows := list(itertools.islice(reader, num_rows)):
                length = reader.line_num - begin
                lines = np.arange(begin + 1, begin + 1 + len(rows))
                if length != len(rows):
                    # Cells with line breaks, each of which is one more line.
                    breaks = [sum(cell.count("\n") for cell in cells) for cells in rows[:-1]]
                    lines += np.concatenate([[0], np.cumsum(breaks)])[: len(rows)].astype(int)
                begin = reader.line_num
                if not all(rows):
                    # Empty lines.
                    lines, rows = lines[np.asarray(list(map(bool, rows)))], list(filter(None, rows))
                yield rows, lines + self.above

    def look(self, num_rows: int = _ROWS_OF_A_LOOK) -> list[list[str]]:
        """The cells of the first rows."""
        return next(self.blocks(num_rows), ([], np.empty(0)))[0]


def read_delimited(path: Path, declared: Collection[str] = (), apart: Collection[str] = ()) -> RawTable:
    """The table in a text file.

    - `declared`: what stands for no value besides the usual words.
    - `apart`: names of columns in which only words that never are a value stand for none.

    Raises `DataError`, with the line, for a row of another length, and for other encodings than UTF-8, and UTF-16 and UTF-32 with
    their mark; and when two columns have one name or there is no row.
    """
    encoding = _encoding(path)
    try:
        text = _text_of(path, encoding)
        check_size(path, text.separator, encoding)
        return _read(text, frozenset(declared), apart)
    except UnicodeDecodeError as error:
        _refuse_encoding(path, encoding, error)
    except csv.Error as error:
        raise DataError(f"{path} could not be read as a table ({error}); save it again as CSV.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} could not be unpacked ({error}); it is torn, or not gzip's. Write or copy it again.") from error


def cells_of(path: Path, num_rows: int) -> list[list[str]]:
    """The cells of the last rows as they stand in the file, column by column; of what `read_delimited` has read."""
    text = _text_of(path, _encoding(path))
    rows = [cells for block, _ in text.blocks(_ROWS_OF_A_BLOCK) for cells in block if len(cells) > 1 or cells[0].strip()]
    return [[cell.strip() for cell in column] for column in itertools.zip_longest(*rows[-num_rows:], fillvalue="")]


def _opened_bytes(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # pyright: ignore[reportReturnType]


def _encoding(path: Path) -> str:
    try:
        with _opened_bytes(path) as file:
            begin = file.read(4)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        # Said where the table is read.
        return "utf-8-sig"
    return next((encoding for mark, encoding in _MARKS.items() if begin.startswith(mark)), "utf-8-sig")


def _refuse_encoding(path: Path, encoding: str, error: UnicodeDecodeError) -> NoReturn:
    place = ""
    if encoding == "utf-8-sig":
        with _opened_bytes(path) as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as wrong:
                    around = shortened(line[max(0, wrong.start - 10) : wrong.start + 10].decode("latin-1").strip(), 24)
                    place = f" (line {number}: the byte 0x{line[wrong.start]:02x}, which is {around!r} in Latin-1)"
                    break
    if (what := begins_as(path)) and "as text" not in what:
        raise DataError(f"{path} is no text in which a table could be.{what}") from error
    name = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
    raise DataError(f"{path} is not text in {name}{place}; save the table again as CSV in UTF-8.") from error


def _text_of(path: Path, encoding: str) -> _Text:
    with opened(path, encoding) as file:
        first, above = first_line(path, file)
    if is_no_text(first):
        marks = " Perhaps it is UTF-16 without its mark: save it as CSV in UTF-8." if "\0" in first else ""
        raise DataError(f"{path} is no table: its first line is {shortened(first.strip(), 40)!a}.{marks or begins_as(path)}")
    if (directive := _DIRECTIVE.fullmatch(first)) is not None:
        return _Text(path, encoding, directive[1], above + 1)
    if ending_of(path).startswith(".tsv"):
        return _Text(path, encoding, "\t", above)
    found = [(_shape(text), text) for separator in "\t;|," for text in [_Text(path, encoding, separator, above)]]
    return max(found, key=lambda each: each[0])[1]


def _shape(text: _Text) -> tuple[bool, bool, int]:
    """How well a separator fits: whether it makes several cells of the first row, as many of all rows, and how many.

    Commas come last, because they may stand in numbers and sentences.
    """
    try:
        lengths = [len(cells) for cells in text.look()]
    except csv.Error:
        # A quotation mark without its partner: said where all is read.
        lengths = [*(len(cells) for cells in text.look(1)), 2, 0, 0]
    first = lengths[0] if lengths else 0
    # The last row of the look may be the last of the file, and cut.
    is_even = all(first <= length <= first + 1 for length in lengths[:-1]) if first > 1 else max(lengths, default=1) == 1
    # Names may hold what separates nothing: where no row below has several cells.
    separates = first > 1 and (len(lengths) == 1 or max(lengths[1:]) > 1)
    return separates, is_even, 0 if text.separator == "," else 1


def _read(text: _Text, declared: frozenset[str], apart: Collection[str]) -> RawTable:
    look = [[cell.strip() for cell in cells] for cells in text.look()]
    if not look:
        raise DataError(f"{text.path} holds no rows of numbers or texts; expected one line for each example.")
    has_names = _has_names(text.path, look[0], look[1:], apart)
    names = names_in(text.path, [unguarded(name) for name in look[0]]) if has_names else tuple(map(str, range(len(look[0]))))
    names = tuple(name or (f"Unnamed: {place}" if place else "") for place, name in enumerate(names))
    columns, lines = _columns(text, names, has_names, declared, apart)
    if not len(lines):
        raise DataError(f"{text.path} holds no rows of numbers or texts; expected one line for each example.")
    if len(names) == 1:
        say_empty_lines(text.path, text.encoding)
    return RawTable(str(text.path), names, tuple(columns), lines, has_names)


def _has_names(path: Path, first: Sequence[str], below: Sequence[Sequence[str]], apart: Collection[str]) -> bool:
    """Whether the first line holds the columns' names, and is no example."""
    numbers = [is_number(cell) or is_number(cell.replace(",", ".")) for cell in first]
    if apart and set(apart) <= set(first):
        return True
    texts = [place for place, cell in enumerate(first) if not numbers[place] and not stands_for_nothing(cell)]
    if _counts_up(first[1:] if first[0] == "" else first, below):
        return True
    if not texts and any(numbers):
        if is_scale := _is_scale(first, below):
            warn_of_data(
                f"{path}: the first line, {shortened(', '.join(first), 40)!r}, is taken for the names of the columns, not for an "
                "example."
            )
        return is_scale
    again = [any(place < len(row) and row[place] == first[place] for row in below) for place in texts]
    is_example = any(again) if _holds_quantities(first, below, numbers) else len(first) > 1 and all(again)
    if is_example:
        warn_of_data(
            f"{path}: the first line, {shortened(', '.join(first), 40)!r}, is taken for an example, because it is like those "
            "below it, and the columns are called 0, 1, 2, ... Write a line of names above it."
        )
    return not is_example


def _counts_up(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a line is 0, 1, 2, ... or 1, 2, 3, ..., as programs name columns, and the lines below it are not like that."""
    if len(first) < 2 or not below or first[0] not in ("0", "1"):
        return False
    start, are_whole = int(first[0]), all(all(cell.isdecimal() for cell in row) for row in below)
    if list(first) != [str(start + place) for place in range(len(first))]:
        return False
    if are_whole and all(all(int(cell) < int(after) for cell, after in itertools.pairwise(row)) for row in below):
        return False
    return len(first) > 2 or not are_whole


def _is_scale(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a line of numbers has equal steps, as wavelengths and years have, and fits in no column."""
    values = np.asarray([float(cell) if is_number(cell) else np.nan for cell in first])
    if len(first) < 3 or len(below) < 2 or not np.allclose(np.diff(values), values[1] - values[0]) or values[1] <= values[0]:
        return False
    columns = [[float(row[place]) for row in below if place < len(row) and is_number(row[place])] for place in range(len(first))]
    return all(column and not min(column) <= value <= max(column) for column, value in zip(columns, values.tolist(), strict=True))


def _holds_quantities(first: Sequence[str], below: Sequence[Sequence[str]], numbers: Sequence[bool]) -> bool:
    """Whether a column has numbers only, from the first line on."""
    return any(
        is_a_number and all(place >= len(row) or is_number(row[place]) or stands_for_nothing(row[place]) for row in below)
        for place, (_, is_a_number) in enumerate(zip(first, numbers, strict=True))
    )


def _columns(
    text: _Text, names: Sequence[str], has_names: bool, declared: frozenset[str], apart: Collection[str]
) -> tuple[list[np.ndarray], np.ndarray]:
    """All columns, and the line of each row. A column that turns out to be written otherwise is read again."""
    by_comma = text.separator == ","
    usual: tuple[NumberForm, ...] = (
        (with_point, with_thousands, with_comma) if by_comma else (with_point, with_comma, with_thousands)
    )
    readers = [ColumnReader(usual, declared, is_apart=name in apart) for name in names]
    lines = _pass(text, readers, has_names)
    if not by_comma and any(reader.form is with_comma for reader in readers):
        # Whoever writes decimals with a comma may write thousands with a point: 1.234 is no fraction there.
        with_points = {name: reader.column() for name, reader in zip(names, readers, strict=True) if reader.form is with_point}
        forms: tuple[NumberForm, ...] = (with_comma, with_point, with_thousands)
        readers = [
            ColumnReader(() if reader.form is None else forms, declared, is_apart=name in apart)
            for name, reader in zip(names, readers, strict=True)
        ]
        lines = _pass(text, readers, has_names)
        others = {name: reader.column() for name, reader in zip(names, readers, strict=True) if name in with_points}
        changed = [name for name in others if not np.array_equal(others[name], with_points[name], equal_nan=True)]
        if changed:
            warn_of_data(
                f"{text.path}: decimals are written with commas, so points are taken for those of thousands in "
                f"{', '.join(map(repr, changed[:5]))}{' and more columns' if len(changed) > 5 else ''}."
            )
    return [reader.column() for reader in readers], lines


def _pass(text: _Text, readers: Sequence[ColumnReader], has_names: bool) -> np.ndarray:
    """Read all rows into the readers; again, where a column's later cells changed its form."""
    while True:
        is_right, lines = True, []
        for block, block_lines in _blocks(text, len(readers), has_names):
            lines.append(block_lines)
            added = [reader.add(cells) for reader, cells in zip(readers, zip(*block, strict=True), strict=True)]
            is_right = is_right and all(added)
        if is_right:
            return np.concatenate(lines) if lines else np.empty(0, np.int64)
        for reader in readers:
            reader.forget()


def _blocks(text: _Text, width: int, has_names: bool) -> Iterator[tuple[list[list[str]], np.ndarray]]:
    """Rows and their lines, many at a time, without that of the names; raises `DataError` for a row of another length."""
    skipped = 1 if has_names else 0
    for rows, lines in text.blocks(_ROWS_OF_A_BLOCK):
        rows, lines, skipped = rows[skipped:], lines[skipped:], 0 if rows else skipped
        if any(len(cells) != width for cells in rows):
            # A line of spaces.
            is_row = [len(cells) > 1 or width == 1 or bool(cells[0].strip()) for cells in rows]
            rows, lines = list(itertools.compress(rows, is_row)), lines[np.asarray(is_row)]
            rows = [_of_width(text.path, cells, line, width) for cells, line in zip(rows, lines.tolist(), strict=True)]
        if rows:
            yield rows, lines


def _of_width(path: Path, cells: list[str], line: int, width: int) -> list[str]:
    # A separator at the end of the line.
    if len(cells) == width + 1 and not cells[-1].strip():
        return cells[:-1]
    if len(cells) != width:
        cell = "cell" if len(cells) == 1 else "cells"
        raise DataError(f"{path}: line {line} has {len(cells)} {cell}; expected {width}, as in the lines before it.")
    return cells
