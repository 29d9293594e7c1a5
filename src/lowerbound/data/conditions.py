"""What is given besides an example: a category or a few numbers, as the vector that a model takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError, warn_of_data
from .checks import check_no_mask, check_size_for_float32
from .outliers import ENOUGH_ROWS, Plausible, find_outliers

# More categories than this are more likely a number stored as an integer than a kind of thing.
MOST_CATEGORIES = 1000
# So few whole numbers may as well be categories.
_MOST_LIKELY_CATEGORIES = 20


@dataclasses.dataclass(frozen=True)
class ConditionSpec:
    """Describes the condition of one example.

    - `name`: what it is called: "labels", "factors", or the variable's name.
    - `categories`: the values of a category, in order, numbers or texts; it becomes one-hot. Empty for numbers.
    - `mean`, `std`: of numbers, over the training data, each to be standardised by.
    - `counts`: of a category, how many training examples have each value; empty where an earlier release did not count.
    - `is_label`: whether it may be missing, and is then found by the model; what stands for it is 0 everywhere.
    - `columns`: of a condition with columns of several kinds, the description of each; empty for others.
    - `low`, `high`: of numbers, the training data's own extremes without outliers; `plausible_low`, `plausible_high`, `tails`:
      beyond which new ones are warned of, as `Plausible` has them. Empty where an earlier release did not find them.
    """

    name: str
    categories: tuple[float | str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    columns: tuple[ConditionSpec, ...] = ()
    is_label: bool = False
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    plausible_low: tuple[float, ...] = ()
    plausible_high: tuple[float, ...] = ()
    tails: tuple[tuple[float, ...], ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def dim(self) -> int:
        """The length of the vector."""
        return sum(column.dim for column in self.columns) if self.columns else len(self.categories) or len(self.mean)

    @property
    def shares(self) -> np.ndarray:
        """(categories,) of a category how often training has each value, all alike where that is not known."""
        counts = np.asarray(self.counts or np.ones(len(self.categories)), np.float64)
        return counts / counts.sum()

    @property
    def words(self) -> str:
        """The allowed values in words."""
        if self.columns:
            return "; ".join(f"{column.name}: {column.words}" for column in self.columns)
        if self.categories:
            shown = ", ".join(map(in_words, self.categories[:12]))
            return f"one of {shown}{', ...' if len(self.categories) > 12 else ''}"
        return f"{len(self.mean)} number{'s' if len(self.mean) > 1 else ''}"

    def encode(self, values: Any) -> np.ndarray:
        """(n, dim) float32: one-hot of a category, or standardised numbers, of one column after the other.

        - `values`: what `condition_array` takes.

        Raises `DataError` for an unknown category, a wrong shape, or values that are not finite.
        """
        array = condition_array(values, self.name)
        if self.columns:
            return self._encode_columns(array)
        if names := array.dtype.names:
            if len(names) > 1:
                raise DataError(f"the condition {self.name!r} has the columns {', '.join(names)}; expected one: {self.words}.")
            array = array[next(iter(names))]
        return self._one_hot(array) if self.categories else self._standardised(array)

    def encode_told(self, values: np.ndarray | None, told: np.ndarray) -> np.ndarray:
        """(n, dim) float32 as `encode` gives it for the rows that are `told`, (n,) booleans; 0 for all others."""
        rows = np.zeros((len(told), self.dim), np.float32)
        if values is not None and told.any():
            rows[told] = self.encode(values[told])
        return rows

    def check_like_training(self, values: Any) -> None:
        """Warn of new numbers far outside those of training, and where all of ten or more are outside: other units, perhaps.

        - `values`: what `encode` takes; None for none.
        """
        if values is None or not (self.columns or self.plausible_low):
            return
        array = condition_array(values, self.name)
        for column in self.columns:
            column.check_like_training(array[column.name])
        if self.columns:
            return
        array = array[self.name] if array.dtype.names else array
        rows = _as_rows(array)
        is_foreign = ((rows > self.high) | (rows < self.low)).all(axis=0) & (len(rows) >= ENOUGH_ROWS)
        plausible = Plausible(np.asarray(self.plausible_low), np.asarray(self.plausible_high), np.asarray(self.tails))
        below, above = plausible.limits(rows.size)
        is_far = (rows < below) | (rows > above) | is_foreign
        if not is_far.any():
            return
        row, column = (int(index) for index in np.unravel_index(int(is_far.argmax()), is_far.shape))
        which = f"{self.name!r}{f' in column {column}' if len(self.mean) > 1 else ''}"
        warn_of_data(
            f"the condition {which} is {rows[row, column]:g} in row {row}, far outside the training data: got "
            f"{rows[:, column].min():g} to {rows[:, column].max():g}, trained on {self.low[column]:g} to {self.high[column]:g}. "
            "Is it a mistake, or in other units? What the model says of such rows means little."
        )

    def _encode_columns(self, array: np.ndarray) -> np.ndarray:
        names = array.dtype.names or ()
        if set(names) != {column.name for column in self.columns}:
            raise DataError(
                f"the condition {self.name!r} has the columns {', '.join(names) or '(none with a name)'}; expected a data frame "
                f"with {', '.join(column.name for column in self.columns)}."
            )
        return np.concatenate([column.encode(array[column.name]) for column in self.columns], axis=1)

    def _one_hot(self, array: np.ndarray) -> np.ndarray:
        array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        if array.ndim != 1:
            raise DataError(f"the condition {self.name!r} has shape {array.shape}; expected {self.words} for each example.")
        is_text = any(isinstance(category, str) for category in self.categories)
        if is_text and array.dtype.kind != "U":
            array = np.asarray([in_words(value) for value in array.tolist()])
        if not is_text and array.dtype.kind == "U":
            raise DataError(
                f"the condition {self.name!r} has texts, {str(array[0])!r} for one; expected {self.words} for each example."
            )
        place = {category: index for index, category in enumerate(self.categories)}
        found = np.asarray([place.get(value, -1) for value in array.tolist()])
        if (unknown := np.flatnonzero(found < 0)).size:
            value = in_words(array[unknown[0]].item())
            raise DataError(
                f"the condition {self.name!r} has the value {value} in row {unknown[0]}; expected {self.words} for each example."
            )
        return np.eye(len(self.categories), dtype=np.float32)[found]

    def _standardised(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind == "U":
            raise DataError(
                f"the condition {self.name!r} has texts, {str(array[0])!r} for one; expected {self.words} for each example."
            )
        array = _as_rows(array)
        if array.shape[1] != self.dim or not np.isfinite(array).all():
            raise DataError(
                f"the condition {self.name!r} has {array.shape[1]} numbers for each example"
                f"{'' if np.isfinite(array).all() else ', some of them not finite'}; expected {self.words}, all finite."
            )
        scaled = (array - np.asarray(self.mean)) / np.asarray(self.std)
        check_size_for_float32(scaled, f"the condition {self.name!r}, standardised,")
        return scaled.astype(np.float32)


def _as_rows(array: np.ndarray) -> np.ndarray:
    """Numbers with a row for each example, of which there may be none: a part of the data that holds nothing out."""
    return array.astype(np.float64)[:, None] if array.ndim == 1 else array.astype(np.float64)


def in_words(category: float | str) -> str:
    """A category as it is shown and typed."""
    return category if isinstance(category, str) else f"{category:g}"


def condition_array(values: Any, name: str) -> np.ndarray:
    """What is given with each example as one plain array with a row for each: numbers, texts, or one field for each column.

    - `values`: (n,) or (n, k) numbers, (n,) booleans or texts, a series of categories, or a data frame.

    Raises `DataError`, naming the column and the row, for what is neither a number nor a text.
    """
    if hasattr(values, "columns"):
        if hasattr(values, "collect"):
            raise DataError(f"the condition {name!r} is a lazy frame, whose rows are not there yet; give {name}.collect().")
        own = list(getattr(values, "column_names", values.columns))
        names = [str(each) for each in own]
        if len(set(names)) < len(names) or not names:
            raise DataError(f"the condition {name!r} has the columns {', '.join(names)}; expected a name of its own for each.")
        return joined(names, [condition_array(values[each], str(each)) for each in own])
    check_no_mask(values, f"the condition {name!r}")
    try:
        array = np.asarray(values)
        if array.dtype.kind == "U" and not hasattr(values, "dtype"):
            # NaN among the texts of a list is no text.
            array = np.asarray(values, object)
    except Exception as error:
        # Rows of different lengths, or what a library of frames cannot give to NumPy, for which each has errors of its own.
        raise DataError(
            f"the condition {name!r} cannot become an array ({error}); expected a number or a text for each example."
        ) from error
    if array.dtype.names:
        return array
    if array.ndim == 0:
        raise DataError(
            f"the condition {name!r} is a single {type(values).__name__}; expected a number or a text for each example."
        )
    is_category = str(getattr(values, "dtype", "")) == "category"
    if array.dtype.kind == "O" or is_category:
        array = _plain(array, name, as_text=is_category)
    if array.ndim == 2 and array.dtype.kind in "bU":
        array = array[:, 0] if array.shape[1] == 1 else array.astype(np.float64) if array.dtype.kind == "b" else array
    if array.dtype.kind not in "iufbU" or array.ndim not in (1, 2) or (array.ndim == 2 and array.dtype.kind == "U"):
        raise DataError(
            f"the condition {name!r} has the type {array.dtype} and shape {array.shape}; expected a whole number or a text for "
            "each example (a category), a row of numbers, or a data frame."
        )
    return array


def joined(names: Sequence[str], columns: Sequence[np.ndarray]) -> np.ndarray:
    """Columns, (n,) each, as one array with a row for each example: of numbers where all are, else with a field for each."""
    if all(column.dtype.kind in "iuf" for column in columns):
        return np.stack(columns, axis=1) if len(columns) > 1 else columns[0]
    table = np.empty(len(columns[0]), [(each, column.dtype) for each, column in zip(names, columns, strict=True)])
    for each, column in zip(names, columns, strict=True):
        table[each] = column
    return table


def _plain(array: np.ndarray, name: str, *, as_text: bool) -> np.ndarray:
    """Python's objects as numbers where all are, else as texts."""
    flat = array.reshape(-1).tolist()
    for row, value in enumerate(flat):
        # NaN does not equal itself.
        if (isinstance(value, float) and value != value) or not isinstance(value, str | bool | int | float | np.generic):
            raise DataError(
                f"the condition {name!r} is {value!r} in row {row // max(1, array[:1].size)}; expected a number or a text in "
                "each row."
            )
    if as_text or any(isinstance(value, str) for value in flat):
        return np.asarray([in_words(value) for value in flat]).reshape(array.shape)
    return np.asarray(flat).reshape(array.shape)


def describe_condition(values: Any, name: str) -> ConditionSpec:
    """Texts, booleans, and whole numbers in one column are a category, everything else is numbers.

    - `values`: those of the training data, as `condition_array` takes them; each column of a frame with texts or booleans is
      described by itself, and its numbers are numbers.

    Raises `DataError` when they cannot serve; warns with `DataWarning` of numbers that look like categories.

    >>> describe_condition(np.array([2, 0, 2]), "labels").categories
    (0.0, 2.0)
    """
    array = condition_array(values, name)
    if array.dtype.names:
        return ConditionSpec(name, columns=tuple(_described(array[each], each, is_alone=False) for each in array.dtype.names))
    return _described(array, name, is_alone=True)


def _described(array: np.ndarray, name: str, *, is_alone: bool) -> ConditionSpec:
    if array.ndim == 1 and (array.dtype.kind in "bU" or (is_alone and array.dtype.kind in "iu")):
        categories, counts = np.unique(array, return_counts=True)
        if len(categories) > MOST_CATEGORIES:
            raise DataError(
                f"the condition {name!r} has {len(categories)} different values, more than {MOST_CATEGORIES} categories. "
                "If it is a number and no category, store it as floating-point."
            )
        plain = categories if array.dtype.kind == "U" else categories.astype(float)
        return ConditionSpec(name, categories=tuple(plain.tolist()), counts=tuple(counts.tolist()))
    rows = _as_rows(array)
    if not np.isfinite(rows).all():
        raise DataError(f"the condition {name!r} has values that are not finite; remove or fill them first.")
    check_size_for_float32(rows, f"the condition {name!r}")
    _warn_of_categories(rows, array.dtype, name)
    inner = [_without_outliers(column, name) for column in rows.T]
    std = [float(column.std()) for column in inner]
    limits = [Plausible.of(column[:, None], column.min(keepdims=True), column.max(keepdims=True)) for column in inner]
    return ConditionSpec(
        name,
        mean=tuple(float(column.mean()) for column in inner),
        std=tuple(each if each > 0 else 1.0 for each in std),
        low=tuple(float(column.min()) for column in inner),
        high=tuple(float(column.max()) for column in inner),
        plausible_low=tuple(float(each.low[0]) for each in limits),
        plausible_high=tuple(float(each.high[0]) for each in limits),
        tails=tuple(tuple(each.tails[0].tolist()) for each in limits),
    )


def _without_outliers(column: np.ndarray, name: str) -> np.ndarray:
    """The numbers by which a column is scaled: without the few that hold nearly all of its variance, of which is warned."""
    cells = find_outliers(column)
    if cells is None:
        return column
    rest = np.delete(column, cells)
    warn_of_data(
        f"the condition {name!r} is {column[cells[0]]:g} in {len(cells)} of {len(column)} rows, an outlier: the others lie from "
        f"{rest.min():g} to {rest.max():g}. It is scaled without. Correct it or drop the row if it is a mistake."
    )
    return rest


def _warn_of_categories(rows: np.ndarray, dtype: np.dtype, name: str) -> None:
    whole = [column for column in rows.T if (column == np.rint(column)).all()]
    if any(2 < len(np.unique(column)) <= _MOST_LIKELY_CATEGORIES for column in whole):
        why = "there are several columns" if rows.shape[1] > 1 else f"its type is {dtype}, as that of every column of a table"
        warn_of_data(
            f"the condition {name!r} holds few different whole numbers, but is taken for a quantity, because {why}. If it is a "
            "category, give integers in one dimension (from a .npz file on the command line), a number for each combination of "
            "labels; if it is a quantity, all is well."
        )
