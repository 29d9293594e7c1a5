"""Whether values are like those that training saw: cells far from all others of their column, and new data in other units."""

from __future__ import annotations

import warnings

import numpy as np

from ..errors import DataError, warn_of_data
from .layout import as_columns
from .outliers import ENOUGH_ROWS
from .spec import DataSpec
from .streams import AbstractRows, rows_of

# Of new rows that are not in memory.
_MOST_ROWS_LOOKED_AT = 2000
# New pictures whose values take up less of the range of the training pictures are in other units.
_SMALLEST_SHARE_OF_RANGE = 0.01


def check_like_training(
    array: np.ndarray | AbstractRows, spec: DataSpec, *, name: str = "X", rows: np.ndarray | None = None
) -> None:
    """Warn of new examples (n, *event_shape) with values far outside what training saw, and refuse those in other units.

    Warns with `DataWarning`, naming row, column and both ranges, when a value lies further outside the training range than the
    range is wide, and than the tails of the training rows make likely for so many new cells (`Plausible`). Fresh rows of the
    law of 50, 500 or 5,000 training rows, as many, 10 or 100 times as many, of 1 and of 20 columns, are warned of in 0.44 % of
    the sets at most, those of Cauchy's law; of laws that have a mean in less than 0.1 % (`benchmarks/false_warnings.py`). Of a
    normal column a value is named from 26 to 44 deviations on, of 20 training rows or fewer from some thousand on; of a skewed
    one, whose tail is not known, later still; of a column of 0 and 1 from about ten on.

    - `rows`: the numbers that a person knows the rows by; None for their places.

    Raises `DataError` for a value that float32 cannot hold, for a column (of ten rows or more) all of whose values lie outside
    the training range, and for pictures whose values do not fill the range or lie outside it on average.
    """
    if rows_of(array):
        # Some of them, evenly spread: all would be one more look through data that are not in memory.
        array = array.read(np.unique(np.linspace(0, len(array) - 1, _MOST_ROWS_LOOKED_AT).astype(int)))
    check_in_units(array, spec, name)
    columns, least, most = (as_columns(each, spec.layout) for each in (array, *spec.ranges))
    low, high = _extremes(columns)
    first, last = (np.array([spec.low]), np.array([spec.high])) if spec.is_image else (least.min(axis=0), most.max(axis=0))
    if spec.is_image:
        _check_pictures(array, spec, float(low[0]), float(high[0]), name)
    # A column that never changed shows no units.
    foreign = np.flatnonzero(((low > last) | (high < first)) & (last > first) & ~_codes(spec))
    if len(foreign) and len(array) >= ENOUGH_ROWS:
        worst, others = int(foreign[0]), f" ({len(foreign)} columns in all)" if len(foreign) > 1 else ""
        column = spec.element_name(worst) if spec.layout == "rows" else worst
        raise DataError(
            f"{name}: every value of column {column}{others} lies outside the range of the training data: got {low[worst]:g} to "
            f"{high[worst]:g}, trained on {first[worst]:g} to {last[worst]:g}. Give the data in the units of the training data; "
            "or, if they are right, train on rows like these too."
        )
    below, above = spec.plausible.limits(columns.size)
    far = np.flatnonzero(((low < below) | (high > above)) & ~_codes(spec))
    if len(far):
        worst = int(far[0])
        place = int(np.nanargmax(np.maximum(below[worst] - columns[:, worst], columns[:, worst] - above[worst])))
        row, element = divmod(place * columns.shape[1] + worst, spec.num_elements)
        row = row if rows is None else int(rows[row])
        others = f" ({len(far)} columns hold such values)" if len(far) > 1 else ""
        were = ", outliers among them" if last[worst] > above[worst] or first[worst] < below[worst] else ""
        warn_of_data(
            f"{name}: row {row}, {spec.element_word} {spec.element_name(element)} is {columns[place, worst]:g}, far outside the "
            f"training data{others}: got {low[worst]:g} to {high[worst]:g}, trained on {first[worst]:g} to {last[worst]:g}"
            f"{were}. Is it a mistake, or in other units? What the model says of that row means little."
        )


def _extremes(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value of each column, NaN where it has none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        return np.nanmin(columns, axis=0).astype(np.float64), np.nanmax(columns, axis=0).astype(np.float64)


def _codes(spec: DataSpec) -> np.ndarray | bool:
    """Which columns are codes, which lie nowhere."""
    return spec.coded if spec.columns else False


def check_float32(array: np.ndarray, spec: DataSpec, name: str, rows: np.ndarray | None = None) -> None:
    """Raise `DataError` for a value that would become infinite, as it is or divided by its element's standard deviation.

    - `array`: in the model's units. `rows`: the numbers that a person knows the rows by.
    """
    std = np.asarray(spec.std or 1.0)
    std = np.minimum(np.where(std > 0, std, 1.0), 1.0)
    if array.dtype.kind != "f" or (array.dtype.itemsize <= 4 and std.min() == 1):
        return
    too_large = float(np.finfo(np.float32).max)
    size = np.abs(array)
    if not bool((size > too_large * std.min()).any()):
        return
    wrong = size > too_large * (std.reshape(spec.event_shape) if std.ndim else std)
    if not wrong.any():
        return
    index = np.unravel_index(int(np.argmax(wrong)), array.shape)
    element = int(np.ravel_multi_index(index[1:], spec.event_shape))
    scaled = "" if size[index] > too_large else f" divided by its standard deviation of {float(std.ravel()[element]):.3g},"
    raise DataError(
        f"{name}: row {index[0] if rows is None else rows[index[0]]}, {spec.element_word} {spec.element_name(element)} is "
        f"{array[index]:g},{scaled} beyond the largest number of float32 (3.4e+38), in which models compute. "
        "Correct it, leave the row out, or rescale the column (or take its logarithm) before fitting."
    )


def check_in_units(array: np.ndarray | AbstractRows, spec: DataSpec, name: str) -> None:
    """`check_float32` of examples in the model's units, block by block where they are not in memory."""
    if not rows_of(array):
        check_float32(spec.to_model(array), spec, name)
    elif array.dtype.kind == "f":
        for numbers in array.blocks():
            check_float32(spec.to_model(array.read(numbers)), spec, name, numbers)


def _check_pictures(array: np.ndarray, spec: DataSpec, low: float, high: float, name: str) -> None:
    """Pictures are judged as a whole: a single one may well be dark, but not of a hundredth of the contrast."""
    width, mean = spec.high - spec.low, float(np.nanmean(array, dtype=np.float64))
    is_flat = low < high < low + _SMALLEST_SHARE_OF_RANGE * width
    text = (
        f"{name} has values from {low:g} to {high:g} with mean {mean:g}, but the model was trained on pictures with values from "
        f"{spec.low:g} to {spec.high:g}."
    )
    if not 0 <= mean - spec.low <= width or (
        is_flat and spec.is_whole and bool((array != np.rint(array))[~np.isnan(array)].any())
    ):
        factor = f" * {width:g} for pictures in [0, 1]" if high <= 1 < width else f" / {high / spec.high:g}" if spec.high else ""
        example = f", for example {name}{factor}" if factor and low >= 0 else ""
        raise DataError(f"{text} These are other units: bring them there{example}.")
    if is_flat:
        warn_of_data(f"{text} Are these the same units?", stacklevel=4)
