"""The rows of a table as the figures of fidelity read them: as numbers, and as groups of few values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.columns import Column
from ...errors import DataError

# Of a column of numbers, groups of about equal counts; of a category, the commonest values and one group for the others.
NUMBER_GROUPS, CATEGORY_GROUPS = 10, 20
HOLE = -1
# Errors come from leaving out one of twenty groups of rows at a time.
FEWEST_ROWS = 20
# What scikit-learn's gradient boosting takes.
_MOST_CATEGORIES = 255


def is_category(column: Column) -> bool:
    """Whether its values have no order: all others are compared as numbers."""
    return column.is_coded and column.kind != "ordinal"


def check_rows(columns: Sequence[Column], **rows: np.ndarray) -> None:
    """Raise `DataError` where rows, by their names, do not fit the columns, or are too few to say anything."""
    if not columns or any(column.is_left_out for column in columns):
        raise DataError(f"columns holds {len(columns)} columns; expected one or more, and none that is left out of an example.")
    for name, array in rows.items():
        if array.ndim != 2 or array.shape[1] != len(columns):
            raise DataError(
                f"{name} has the shape {array.shape}; expected (rows, {len(columns)}), one number for each column, as "
                "Column.encode gives it."
            )
        if len(array) < FEWEST_ROWS:
            raise DataError(f"{name} has {len(array)} rows; expected {FEWEST_ROWS} or more.")
        if np.isinf(array).any():
            row, place = np.argwhere(np.isinf(array))[0].tolist()
            raise DataError(
                f"{name} is infinite in row {row}, column {columns[place].name!r}; expected numbers, NaN for no value."
            )


def as_numbers(rows: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """The codes with the values of ordinal columns in their place; a value that training did not see is a hole."""
    numbers = np.array(rows, np.float64)
    for place, column in enumerate(columns):
        if column.kind == "ordinal":
            numbers[:, place] = _looked_up(numbers[:, place], np.asarray([*column.categories, np.nan], np.float64))
    return numbers


def _looked_up(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    present = ~np.isnan(codes)
    found = np.full(len(codes), np.nan)
    found[present] = values[np.clip(np.rint(codes[present]), 0, len(values) - 1).astype(int)]
    return found


class Grouping:
    """Each column cut into at most `CATEGORY_GROUPS` groups, by the rows that it is made of.

    A column of numbers has `NUMBER_GROUPS` groups of about equal counts, fewer where many rows have one value. A category
    has a group for each of its commonest values, and one for all others.

    - `sizes`: (C,) how many groups each column has.
    """

    sizes: np.ndarray

    def __init__(self, reference: np.ndarray, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        numbers = as_numbers(reference, columns)
        # Of a category the group of each code, of numbers the edges between groups.
        self._cuts = [
            _group_of_each_code(reference[:, place], column) if is_category(column) else _edges(numbers[:, place])
            for place, column in enumerate(columns)
        ]
        self.sizes = np.asarray(
            [int(cuts.max()) + 1 if is_category(each) else len(cuts) + 1 for cuts, each in zip(self._cuts, columns, strict=True)]
        )

    def groups(self, rows: np.ndarray) -> np.ndarray:
        """(n, C) whole numbers: the group of each cell, `HOLE` for no value."""
        numbers = as_numbers(rows, self._columns)
        found = np.full(rows.shape, HOLE)
        for place, (column, cuts) in enumerate(zip(self._columns, self._cuts, strict=True)):
            cells = rows[:, place] if is_category(column) else numbers[:, place]
            present = ~np.isnan(cells)
            if is_category(column):
                found[present, place] = cuts[np.clip(np.rint(cells[present]), 0, len(cuts) - 1).astype(int)]
            else:
                found[present, place] = np.searchsorted(cuts, cells[present], side="right")
        return found


def _group_of_each_code(codes: np.ndarray, column: Column) -> np.ndarray:
    counts = np.bincount(np.rint(codes[~np.isnan(codes)]).astype(int), minlength=column.num_codes)[: column.num_codes]
    commonest = np.argsort(-counts, kind="stable")
    if len(commonest) <= CATEGORY_GROUPS:
        return np.arange(len(commonest))
    group = np.full(len(commonest), CATEGORY_GROUPS - 1)
    group[commonest[: CATEGORY_GROUPS - 1]] = np.arange(CATEGORY_GROUPS - 1)
    return group


def _edges(numbers: np.ndarray) -> np.ndarray:
    present = numbers[~np.isnan(numbers)]
    if not len(present):
        return np.empty(0)
    edges = np.unique(np.quantile(present, np.arange(1, NUMBER_GROUPS) / NUMBER_GROUPS))
    # A group below the lowest value would be empty.
    return edges[edges > present.min()]


def features(rows: np.ndarray, columns: Sequence[Column], reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a gradient-boosted tree is given: (n, C) numbers with NaN for no value, and which columns are categories.

    Of a category with more than 255 values the rarest of `reference` become one: the trees take no more.
    """
    found = np.array(rows, np.float64)
    categories = np.asarray([is_category(column) for column in columns])
    for place in np.flatnonzero(categories).tolist():
        if columns[place].num_codes > _MOST_CATEGORIES:
            codes = reference[:, place]
            counts = np.bincount(np.rint(codes[~np.isnan(codes)]).astype(int), minlength=columns[place].num_codes)
            rank = np.empty(len(counts))
            rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
            found[:, place] = _looked_up(found[:, place], np.minimum(rank, _MOST_CATEGORIES - 1))
    return found, categories


__all__ = ["HOLE", "Grouping", "as_numbers", "check_rows", "features", "is_category"]
