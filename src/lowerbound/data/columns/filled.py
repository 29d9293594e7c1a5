"""Cells put into the holes of a raw column, in the type that the column has."""

from __future__ import annotations

import numpy as np

from ..tables import is_number
from .as_written import shortest, with_letters_of
from .column import Column
from .raw import RawTable, is_missing

_DAY = 86_400_000_000


def filled_table(table: RawTable, columns: tuple[Column, ...], values: np.ndarray) -> RawTable:
    """The table with its missing cells filled; every other cell is as it was.

    - `values`: (n, columns) as `Column.encode` gives them. Columns of the table that are not among `columns` stay as they are.
    """
    place = {column.name: number for number, column in enumerate(columns)}
    raw = [
        _filled(cells, columns[place[name]], values[:, place[name]]) if name in place else cells
        for name, cells in zip(table.names, table.columns, strict=True)
    ]
    return RawTable(table.source, table.names, tuple(raw), table.lines)


def _filled(cells: np.ndarray, column: Column, values: np.ndarray) -> np.ndarray:
    missing = is_missing(cells)
    if not missing.any():
        return cells
    decoded = column.decode(np.where(missing, values, np.nan))[missing]
    if missing.all():
        return decoded
    if cells.dtype.kind == "f" and decoded.dtype.kind == "O":
        # Numbers that are categories by name, and 1 and 0 for yes and no; texts beside numbers make all of them texts.
        numbers = [{"true": "1", "false": "0"}.get(str(text), str(text)) for text in decoded.tolist()]
        if all(map(is_number, numbers)):
            decoded = np.asarray(list(map(float, numbers)))
        else:
            cells = as_texts(cells)
    if cells.dtype.kind == "O" and decoded.dtype.kind != "O":
        decoded = as_texts(decoded, column.decimals)
    whole = cells.copy()
    if cells.dtype.kind == "O":
        decoded = with_letters_of(decoded, cells.tolist())
    whole[missing] = decoded
    return whole


def ends_of_column(column: Column, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The ends of intervals, (n,) each as `Column.encode` gives them, as raw columns; None for values without an order.

    They are brought to the column's digits inwards, by which no value of those digits leaves its interval. What is not finite has
    no cell.
    """
    if column.is_coded and (column.has_texts or column.kind != "ordinal"):
        return None
    low, high = (np.where(np.isfinite(end), end, np.nan) for end in (low, high))
    if not column.is_coded and column.decimals >= 0:
        scale = 10.0**column.decimals
        inner = np.ceil(low * scale - 1e-6) / scale, np.floor(high * scale + 1e-6) / scale
        # Between two values of these digits there is none: the nearest one.
        middle = np.round((low + high) / 2, column.decimals)
        low, high = (np.where(inner[0] > inner[1], middle, end) for end in inner)
    return column.decode(low), column.decode(high)


def as_texts(cells: np.ndarray, decimals: int = -1) -> np.ndarray:
    """(n,) objects: the cells as texts, times in the form of ISO 8601, None for no value."""
    missing = is_missing(cells)
    if cells.dtype.kind == "M":
        # Whole days have no time of day.
        unit = "D" if (cells[~missing].astype(np.int64) % _DAY == 0).all() else "s"
        texts = np.datetime_as_string(cells, unit=unit).tolist()
    else:
        texts = [cell if cell is None or isinstance(cell, str) else shortest(cell, decimals) for cell in cells.tolist()]
    return np.asarray([None if lacks else text for text, lacks in zip(texts, missing, strict=True)], object)
