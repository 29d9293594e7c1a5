"""Numbers, and yes and no, of a text file as the texts that stand there: what is written again is the same to the letter."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..endings import TEXT_ENDINGS, ending_of
from .column import in_words
from .delimited import cells_of
from .raw import RawTable, is_missing

_BOOLEANS = ("true", "false")


def as_written(table: RawTable, decimals: dict[str, int]) -> RawTable:
    """The table with its numbers as texts: those of its file where it has one, else the shortest that mean the same number.

    Yes and no, which are read as "true" and "false", have the file's letters again.

    - `decimals`: of a column by its name, the digits behind the point of numbers that do not stand in the file; -1 for any.

    A number that the file has in another form (a decimal comma) is written with a point.
    """
    path = Path(table.source).expanduser()
    found = cells_of(path, len(table)) if ending_of(path) in TEXT_ENDINGS and path.is_file() else []
    # Row numbers in front may have been left out.
    ahead = max(0, len(found) - len(table.names))
    columns = []
    for number, (name, values) in enumerate(zip(table.names, table.columns, strict=True)):
        texts = found[number + ahead] if number + ahead < len(found) else [""] * len(values)
        if values.dtype.kind == "f":
            columns.append(_texts(values, texts, decimals.get(name, -1)))
        else:
            columns.append(with_letters_of(values, texts) if values.dtype.kind == "O" else values)
    return dataclasses.replace(table, columns=tuple(columns))


def _texts(values: np.ndarray, written: list[str], decimals: int) -> np.ndarray:
    missing = is_missing(values)
    texts: list[str | None] = []
    for value, text, lacks in zip(values.tolist(), written, missing.tolist(), strict=True):
        if lacks:
            texts.append(None)
        elif _is(text, value):
            texts.append(text)
        else:
            texts.append(shortest(value, decimals))
    return np.asarray(texts, object)


def with_letters_of(values: np.ndarray, written: Iterable[str | None]) -> np.ndarray:
    """Yes and no, "true" and "false", as those that are written have them, TRUE or True; other texts as they are."""
    if not set(values.tolist()) <= {*_BOOLEANS, None}:
        return values
    words = [text for text in written if text is not None and text.lower() in _BOOLEANS]
    letters = str.upper if any(map(str.isupper, words)) else str.title if any(map(str.istitle, words)) else str.lower
    return np.asarray([None if value is None else letters(value) for value in values.tolist()], object)


def _is(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


def shortest(value: float, decimals: int = -1) -> str:
    """A number with so many digits behind the point, or the fewest that mean just this number; whole ones without a point.

    >>> shortest(168.0, 1), shortest(0.1 + 0.2), shortest(12.0)
    ('168.0', '0.30000000000000004', '12')
    """
    if decimals >= 0 and float(text := f"{value:.{decimals}f}") == value:
        return text
    return in_words(value) if float(in_words(value)) == value else repr(value)
