"""What the training data say of themselves: their kind, their limits and their precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError, warn_of_data
from .atoms import find_atoms
from .checks import check_array, chunks_of_rows
from .layout import Layout, as_columns, choose_layout
from .outliers import SHARE_OF_OUTLIERS, Plausible, find_outliers
from .plausibility import check_float32
from .spec import DataSpec, Kind

# Enough values to meet every level of a lattice; sorting hundreds of millions of pixels would take minutes.
_MOST_VALUES_FOR_STEP = 2_000_000
_SINGLE_EPS = float(np.finfo(np.float32).eps)
# What float32 may round away of an element, in its standard deviations.
_LARGEST_LOSS = 1e-3
# Below it float32 has no digits left for the differences of values.
_SMALLEST_WIDTH = float(np.finfo(np.float32).tiny) / _SINGLE_EPS
_WHITE = 255.0
# A column of so few different numbers has levels, and a value apart from the others may be one of them.
_MOST_LEVELS = 10


def describe(
    array: Any,
    feature_names: Sequence[str] = (),
    *,
    num_levels: int | None = None,
    kind: str = "auto",
    name: str = "X",
    rows: np.ndarray | None = None,
) -> DataSpec:
    """The `DataSpec` of training data of shape (n, *event_shape). Whether they are pictures, `choose_layout` says.

    Kind, low and high:

    - every value 0 or 1, or every value 0 or 255 and both occur: `"binary"`;
    - `num_levels` given: `"integer"`, with levels 0 to `num_levels` - 1;
    - 8-bit unsigned integers of any shape, and images of any integer type within 0..255: `"integer"`, 0 to 255;
    - everything else: `"continuous"`. Floating-point images have the limits 0 and 1 when their values lie in [0, 1], and
      0 and 255 when they are whole numbers in [0, 255]; otherwise low and high are the training data's own extremes.

    Step, for continuous data: the smallest gap between two distinct values, of each column of a table and of all pixels of
    an image together; exactly 1/255 where every pixel is a multiple of it. Gaps below float32's resolution are rounding and
    are passed over. A column that never changes has step 1.

    Origin: the mean of an element whose values float32 could not tell apart, such as a time in seconds since 1970.

    - `feature_names`: names of a table's columns.
    - `num_levels`: the number of levels of integer data, where the data's source states it (17 for `digits`).
    - `kind`: "pictures", "rows" or "series" where it is stated what the data are; "auto" decides.
    - `name`: what the caller's user calls this array; used in messages. `rows`: the numbers that its rows have there.

    Raises `DataError` as `check_array` does, for a wrong number of feature names, for values that `num_levels` excludes, and
    for a column that float32 cannot hold. Warns with `DataWarning` when elements never change.

    >>> spec = describe(np.arange(560, dtype=np.uint8).reshape(2, 14, 20))
    >>> spec.kind, spec.high, spec.step
    ('integer', 255.0, (1.0,))
    """
    array = check_array(array, name=name, may_have_holes=False)
    event_shape = array.shape[1:]
    feature_names = tuple(str(feature) for feature in feature_names)
    num_elements = array[0].size
    if feature_names and len(feature_names) != num_elements:
        raise DataError(f"{name} has {num_elements} columns but feature_names has {len(feature_names)}; expected one for each.")
    moments = _Moments.of(array)
    whole_elements = _whole_elements(array)
    whole = bool(whole_elements.all())
    low, high = float(moments.low.min()), float(moments.high.max())
    # First, because nothing can be computed of such values.
    label = DataSpec(event_shape, "continuous", 0.0, 1.0, (1.0,), (), (), feature_names)
    check_float32(array, label, name, rows)
    layout = choose_layout(
        event_shape,
        moments.low,
        moments.high,
        moments.mean,
        moments.std,
        is_8_bit=array.dtype == np.uint8 or (whole and _within(low, high, 1.0)),
        has_levels=whole or (_within(low, high, 1.0) and _has_8_bit_levels(array)),
        kind=kind,
        name=name,
    )
    label = dataclasses.replace(label, layout=layout)
    unit = _unit(array, low, high, whole, num_levels)
    values, low, high, limits_known = _kind_and_limits(array.dtype, low / unit, high / unit, whole, layout, num_levels, name)
    low, high = low * unit, high * unit
    if values == "continuous" and not label.is_image:
        moments = _without_outliers(array, moments, label, name, rows)
        _warn_codes(array, moments, label, name)
    _check_resolution(moments, label, name)
    # What was float32 before has lost its digits already.
    is_wide = array.dtype.itemsize >= 4 and array.dtype != np.float32
    origin = _origin(moments, whole) if is_wide else np.zeros(num_elements)
    _warn_constant(moments, label, values, name)
    plausible = _plausible(array, moments, label, low, high)
    return dataclasses.replace(
        label,
        kind=values,
        low=low,
        high=high,
        step=(unit,) if values != "continuous" else _steps(array, moments, label.is_image, origin),
        mean=tuple(moments.mean.tolist()),
        std=tuple(moments.std.tolist()),
        limits_known=limits_known,
        element_low=tuple(moments.low.tolist()),
        element_high=tuple(moments.high.tolist()),
        is_whole=whole,
        not_whole=tuple(np.flatnonzero(~whole_elements).tolist()) if whole_elements.any() else (),
        origin=tuple(origin.tolist()) if origin.any() else (),
        plausible_low=tuple(plausible.low.tolist()),
        plausible_high=tuple(plausible.high.tolist()),
        tails=tuple(map(tuple, plausible.tails.tolist())),
        unit=unit,
        **(_atoms(array, origin) if values == "continuous" and layout == "rows" else {}),
    )


@dataclasses.dataclass(frozen=True)
class _Moments:
    """Per element, flattened, in double precision whatever the data's type.

    `mean` and `std` leave cells out that are outliers; the other values lie from `inner_low` to `inner_high`.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    inner_low: np.ndarray
    inner_high: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> _Moments:
        flat = array.reshape(len(array), -1)
        low, high = flat.min(axis=0).astype(np.float64), flat.max(axis=0).astype(np.float64)
        chunks = chunks_of_rows(flat)
        total, squares = np.zeros(flat.shape[1]), np.zeros(flat.shape[1])
        # Where a square is beyond float64, the value is beyond float32, which is refused.
        with np.errstate(over="ignore", invalid="ignore"):
            for start in chunks:
                # Centred on the minimum first, so that a large offset costs no digits.
                total += (flat[start : start + chunks.step].astype(np.float64) - low).sum(axis=0)
            mean = total / len(flat) + low
            for start in chunks:
                squares += ((flat[start : start + chunks.step].astype(np.float64) - mean) ** 2).sum(axis=0)
        std = np.where(low == high, 0.0, np.sqrt(squares / len(flat)))
        return cls(low, high, np.clip(mean, low, high), std, low, high)


def _check_resolution(moments: _Moments, label: DataSpec, name: str) -> None:
    """Raise `DataError` for an element whose values differ by less than float32 can hold to its own precision."""
    low, high = moments.inner_low, moments.inner_high
    if label.is_image:
        low, high = low.min(keepdims=True), high.max(keepdims=True)
    lost = np.flatnonzero((high > low) & (high - low < _SMALLEST_WIDTH))
    if len(lost):
        element = int(lost[0])
        where = "the values" if label.is_image else f"the values of {label.element_word} {label.element_name(element)}"
        # A factor by which the smallest number becomes no larger than the largest one.
        factor = min(1 / max(high[element] - low[element], 1e-300), 1e300)
        raise DataError(
            f"{name}: {where} lie from {low[element]:g} to {high[element]:g}, too near to each other for float32, in which "
            f"models compute: its smallest number is 1.2e-38. Give them in another unit, for example times {factor:.0e}."
        )


def _warn_constant(moments: _Moments, label: DataSpec, kind: Kind, name: str) -> None:
    constant = np.flatnonzero(moments.low == moments.high)
    if len(constant) == 0:
        return
    shown = ", ".join(f"{label.element_name(int(i))} (always {moments.low[i]:g})" for i in constant[:3])
    more = f" and {len(constant) - 3} more" if len(constant) > 3 else ""
    word, floor = label.element_word, "" if kind == "binary" else ", and a scale learned there will rest on its floor"
    warn_of_data(
        f"{name}: {len(constant)} of {len(moments.low)} {word}s never change: {shown}{more}. They carry no information; "
        f"they are kept{floor}. Drop them if the score should not count them."
    )


def _warn_codes(array: np.ndarray, moments: _Moments, label: DataSpec, name: str) -> None:
    """Warn of a number far from all others that stands in several rows, as -999 does for "missing"."""
    flat = array.reshape(len(array), -1)
    for end in (moments.inner_low, moments.inner_high):
        is_end = flat == end
        for element in np.flatnonzero(is_end.sum(axis=0) > 1):
            others, code = flat[~is_end[:, element], element].astype(np.float64), end[element]
            if len(others) == 0 or max(others.min() - code, code - others.max()) <= np.ptp(others):
                continue
            if len(np.unique(others)) > _MOST_LEVELS:
                warn_of_data(
                    f"{name}: {label.element_word} {label.element_name(int(element))} is {code:g} in "
                    f"{len(flat) - len(others)} rows, and from {others.min():g} to {others.max():g} in all others. If it stands "
                    "for a missing value, drop those rows or fill them in: it is trained on as a value like the others."
                )


def _without_outliers(array: np.ndarray, moments: _Moments, label: DataSpec, name: str, rows: np.ndarray | None) -> _Moments:
    """The moments of each element without the few cells that hold nearly all of its variance, of which is warned."""
    flat, found = array.reshape(len(array), -1), {}
    reach = np.maximum(moments.high - moments.mean, moments.mean - moments.low)
    # Only where one cell is so far out can it, and as many as may be, hold most of the variance.
    for element in np.flatnonzero(reach**2 * max(1, SHARE_OF_OUTLIERS * len(flat)) > moments.std**2 * len(flat) / 2):
        if (cells := find_outliers(flat[:, element])) is not None:
            found[int(element)] = cells
    if not found:
        return moments
    changed = dataclasses.replace(moments, **{key: value.copy() for key, value in vars(moments).items()})
    for element, cells in found.items():
        rest = np.delete(flat[:, element], cells).astype(np.float64)
        changed.mean[element], changed.std[element] = rest.mean(), rest.std()
        changed.inner_low[element], changed.inner_high[element] = rest.min(), rest.max()
    element, cells = next(iter(found.items()))
    first = int(cells[0]) if rows is None else int(rows[cells[0]])
    others = sum(map(len, found.values())) - 1
    warn_of_data(
        f"{name}: row {first}, {label.element_word} {label.element_name(element)} is {flat[cells[0], element]:g}, an outlier"
        f"{f' (there are {others} more)' if others else ''}: the others lie from {changed.inner_low[element]:g} to "
        f"{changed.inner_high[element]:g}. The column is scaled without it. Correct it or drop the row if it is a mistake."
    )
    return changed


def _plausible(array: np.ndarray, moments: _Moments, label: DataSpec, low: float, high: float) -> Plausible:
    if label.is_image:
        return Plausible(np.array([2 * low - high]), np.array([2 * high - low]), np.empty((0, 6)))
    inner = (as_columns(each.reshape(1, *label.event_shape), label.layout) for each in (moments.inner_low, moments.inner_high))
    least, most = inner
    return Plausible.of(as_columns(array, label.layout), least.min(axis=0), most.max(axis=0))


def _atoms(array: np.ndarray, origin: np.ndarray) -> dict[str, tuple[tuple[float, ...], ...]]:
    """`atoms` and `atom_shares`; empty where no element has any."""
    each = zip(array.reshape(len(array), -1).T, origin.tolist(), strict=True)
    found = [find_atoms(values, less) for values, less in each]
    if not any(own for own, _ in found):
        return {}
    return {"atoms": tuple(own for own, _ in found), "atom_shares": tuple(shares for _, shares in found)}


def _origin(moments: _Moments, whole: bool) -> np.ndarray:
    """What to subtract of each element: its mean where float32 would lose the differences of its values, else 0."""
    rounding = np.maximum(np.abs(moments.inner_low), np.abs(moments.inner_high)) * _SINGLE_EPS / 2
    is_lost = (rounding > _LARGEST_LOSS * moments.std) & (moments.std > 0)
    return np.where(is_lost, np.rint(moments.mean) if whole else moments.mean, 0.0)


def _kind_and_limits(
    dtype: np.dtype, low: float, high: float, whole: bool, layout: Layout, num_levels: int | None, name: str
) -> tuple[Kind, float, float, bool]:
    if num_levels is not None:
        if not whole or not _within(low, high, float(num_levels - 1)):
            raise DataError(
                f"{name} has values from {low:g} to {high:g}{'' if whole else ', not all whole numbers'}; "
                f"expected the levels 0, 1, ..., {num_levels - 1}."
            )
        return ("binary" if num_levels == 2 else "integer"), 0.0, float(num_levels - 1), True
    if whole and _within(low, high, 1.0):
        return "binary", 0.0, 1.0, True
    is_image = layout == "pictures"
    if dtype == np.uint8 or (dtype.kind in "iu" and is_image and _within(low, high, 255.0)):
        return "integer", 0.0, 255.0, True
    if is_image and _within(low, high, 1.0):
        return "continuous", 0.0, 1.0, True
    if is_image and whole and _within(low, high, 255.0):
        return "continuous", 0.0, 255.0, True
    return "continuous", low, high, False


def _unit(array: np.ndarray, low: float, high: float, whole: bool, num_levels: int | None) -> float:
    """255 where zeros and ones are stored as 0 and 255, as programs of pictures do; else 1."""
    if num_levels is not None or not whole or (low, high) != (0.0, _WHITE):
        return 1.0
    flat = array.reshape(len(array), -1)
    chunks = chunks_of_rows(flat)
    are_ends = (np.isin(flat[start : start + chunks.step], (0, _WHITE)).all() for start in chunks)
    return _WHITE if all(are_ends) else 1.0


def _within(low: float, high: float, limit: float) -> bool:
    return low >= 0 and high <= limit


def _whole_elements(array: np.ndarray) -> np.ndarray:
    whole, chunks = np.ones(array[0].size, bool), chunks_of_rows(array)
    for start in chunks if array.dtype.kind not in "iu" else ():
        block = array[start : start + chunks.step].reshape(-1, whole.size)
        whole &= (block == np.rint(block)).all(axis=0)
        if not whole.any():
            break
    return whole


def _steps(array: np.ndarray, moments: _Moments, is_image: bool, origin: np.ndarray) -> tuple[float, ...]:
    flat = array.reshape(len(array), -1)
    if not is_image:
        stride = -(-len(flat) // _MOST_VALUES_FOR_STEP)
        less = flat[::stride] - origin if origin.any() else flat[::stride]
        inner = zip(less.T, moments.inner_low - origin, moments.inner_high - origin, strict=True)
        return tuple(_smallest_gap(values[(values >= low) & (values <= high)]) for values, low, high in inner)
    if _within(float(moments.low.min()), float(moments.high.max()), 1.0) and _has_8_bit_levels(array):
        return (1 / 255,)
    return (_smallest_gap(_some_values(array)),)


def _some_values(array: np.ndarray) -> np.ndarray:
    return array[:: -(-array.size // _MOST_VALUES_FOR_STEP)].astype(np.float64)


def _has_8_bit_levels(array: np.ndarray) -> bool:
    """Whether values in [0, 1] are multiples of 1/255."""
    levels = _some_values(array) * 255
    return bool(np.abs(levels - np.rint(levels)).max() < 255 * 2 * _SINGLE_EPS)


def _smallest_gap(values: np.ndarray) -> float:
    distinct = np.unique(values).astype(np.float64)
    gaps = np.diff(distinct)
    rounding = 4 * _SINGLE_EPS * np.abs(distinct[[0, -1]]).max()
    real = gaps[gaps > rounding]
    return float(real.min()) if len(real) else 1.0
