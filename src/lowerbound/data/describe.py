"""What the training data say of themselves: their kind, their limits and their precision."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError, DataWarning
from .checks import check_array, chunks_of_rows
from .conditions import describe_condition
from .dataset import Dataset
from .spec import DataSpec, Kind

# Enough values to meet every level of a lattice; sorting hundreds of millions of pixels would take minutes.
_MOST_VALUES_FOR_STEP = 2_000_000
_SINGLE_EPS = float(np.finfo(np.float32).eps)


def describe(array: Any, feature_names: Sequence[str] = (), *, num_levels: int | None = None, name: str = "X") -> DataSpec:
    """The `DataSpec` of training data of shape (n, *event_shape).

    Kind, low and high:

    - every value 0 or 1: `"binary"`;
    - `num_levels` given: `"integer"`, with levels 0 to `num_levels` - 1;
    - 8-bit unsigned integers of any shape, and images of any integer type within 0..255: `"integer"`, 0 to 255;
    - everything else: `"continuous"`. Floating-point images have the limits 0 and 1 when their values lie in [0, 1], and
      0 and 255 when they are whole numbers in [0, 255]; otherwise low and high are the training data's own extremes.

    Step, for continuous data: the smallest gap between two distinct values, of each column of a table and of all pixels of
    an image together; exactly 1/255 where every pixel is a multiple of it. Gaps below float32's resolution are rounding and
    are passed over. A column that never changes has step 1.

    - `feature_names`: names of a table's columns.
    - `num_levels`: the number of levels of integer data, where the data's source states it (17 for `digits`).
    - `name`: what the caller's user calls this array; used in messages.

    Raises `DataError` as `check_array` does, for a wrong number of feature names, for values that `num_levels` excludes, and
    for a column that float32 cannot resolve. Warns with `DataWarning` when elements never change.

    >>> spec = describe(np.arange(560, dtype=np.uint8).reshape(2, 14, 20))
    >>> spec.kind, spec.high, spec.step
    ('integer', 255.0, (1.0,))
    """
    array = check_array(array, name=name)
    event_shape = array.shape[1:]
    feature_names = tuple(str(feature) for feature in feature_names)
    num_elements = array[0].size
    if feature_names and len(feature_names) != num_elements:
        raise DataError(f"{name} has {num_elements} columns but feature_names has {len(feature_names)}; expected one for each.")
    moments = _Moments.of(array)
    is_image = _is_image(event_shape)
    label = DataSpec(event_shape, "continuous", 0.0, 1.0, (1.0,), (), (), feature_names)
    _check_resolution(array, moments, label, name)
    kind, low, high, limits_known = _kind_and_limits(array, moments, is_image, num_levels, name)
    _warn_constant(moments, label, kind, name)
    return DataSpec(
        event_shape=event_shape,
        kind=kind,
        low=low,
        high=high,
        step=(1.0,) if kind != "continuous" else _steps(array, moments, is_image),
        mean=tuple(moments.mean.tolist()),
        std=tuple(moments.std.tolist()),
        feature_names=feature_names,
        limits_known=limits_known,
        element_low=tuple(moments.low.tolist()),
        element_high=tuple(moments.high.tolist()),
        is_whole=kind != "continuous" or array.dtype.kind in "iu" or _all_whole(array),
    )


def describe_dataset(dataset: Dataset, rows: np.ndarray) -> DataSpec:
    """The `DataSpec` of a data set's training rows, with the condition where it has one; raises and warns as `describe` does."""
    names, num_levels = dataset.feature_names, dataset.num_levels
    spec = describe(dataset.examples[rows], names, num_levels=num_levels, name=dataset.name)
    if dataset.condition is None:
        return spec
    return dataclasses.replace(spec, condition=describe_condition(dataset.condition[rows], dataset.condition_name))


@dataclasses.dataclass(frozen=True)
class _Moments:
    """Per element, flattened, in double precision whatever the data's type."""

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> _Moments:
        flat = array.reshape(len(array), -1)
        low, high = flat.min(axis=0).astype(np.float64), flat.max(axis=0).astype(np.float64)
        chunks = chunks_of_rows(flat)
        total, squares = np.zeros(flat.shape[1]), np.zeros(flat.shape[1])
        for start in chunks:
            # Centred on the minimum first, so that a large offset costs no digits.
            total += (flat[start : start + chunks.step].astype(np.float64) - low).sum(axis=0)
        mean = total / len(flat) + low
        for start in chunks:
            squares += ((flat[start : start + chunks.step].astype(np.float64) - mean) ** 2).sum(axis=0)
        return cls(low, high, np.clip(mean, low, high), np.where(low == high, 0.0, np.sqrt(squares / len(flat))))

    @property
    def constant(self) -> np.ndarray:
        return np.flatnonzero(self.low == self.high)


def _is_image(event_shape: tuple[int, ...]) -> bool:
    return DataSpec(event_shape, "continuous", 0.0, 1.0, (1.0,), (), ()).is_image


def _warn_constant(moments: _Moments, label: DataSpec, kind: Kind, name: str) -> None:
    constant = moments.constant
    if len(constant) == 0:
        return
    shown = ", ".join(f"{label.element_name(int(i))} (always {moments.low[i]:g})" for i in constant[:3])
    more = f" and {len(constant) - 3} more" if len(constant) > 3 else ""
    word, floor = label.element_word, "" if kind == "binary" else ", and a scale learned there will rest on its floor"
    warnings.warn(
        f"{name}: {len(constant)} of {len(moments.low)} {word}s never change: {shown}{more}. They carry no information; "
        f"they are kept{floor}. Drop them if the score should not count them.",
        DataWarning,
        stacklevel=3,
    )


def _check_resolution(array: np.ndarray, moments: _Moments, label: DataSpec, name: str) -> None:
    if array.dtype.itemsize < 4 or array.dtype == np.float32:
        return
    largest = np.maximum(np.abs(moments.low), np.abs(moments.high))
    overflow = np.flatnonzero(largest > np.finfo(np.float32).max)
    if len(overflow):
        worst = int(overflow[0])
        where = f"{label.element_word} {label.element_name(worst)}"
        raise DataError(
            f"{name}: {where} reaches {largest[worst]:g}, beyond the largest number of float32 (3.4e+38), "
            "in which models compute. Rescale it (or take its logarithm) before fitting."
        )
    rounding = largest * _SINGLE_EPS / 2
    lost = np.flatnonzero((rounding > 1e-3 * moments.std) & (moments.std > 0))
    if len(lost):
        worst = int(lost[0])
        others = f" ({len(lost)} {label.element_word}s in all)" if len(lost) > 1 else ""
        where = f"{label.element_word} {label.element_name(worst)}{others}"
        raise DataError(
            f"{name}: {where} has values near {largest[worst]:.9g} that vary by only "
            f"{moments.std[worst]:.3g} (standard deviation). Models compute in float32, which rounds such values by up to "
            f"{rounding[worst]:.3g}, so their differences would be lost. Subtract its mean ({moments.mean[worst]:.9g}) first."
        )


def _kind_and_limits(
    array: np.ndarray, moments: _Moments, is_image: bool, num_levels: int | None, name: str
) -> tuple[Kind, float, float, bool]:
    low, high = float(moments.low.min()), float(moments.high.max())
    whole = array.dtype.kind in "iu" or (_within(low, high, 255.0) and _all_whole(array))
    if num_levels is not None:
        if not whole or not _within(low, high, float(num_levels - 1)):
            raise DataError(
                f"{name} has values from {low:g} to {high:g}{'' if whole else ', not all whole numbers'}; "
                f"expected the levels 0, 1, ..., {num_levels - 1}."
            )
        return ("binary" if num_levels == 2 else "integer"), 0.0, float(num_levels - 1), True
    if whole and _within(low, high, 1.0):
        return "binary", 0.0, 1.0, True
    if array.dtype == np.uint8 or (array.dtype.kind in "iu" and is_image and _within(low, high, 255.0)):
        return "integer", 0.0, 255.0, True
    if is_image and _within(low, high, 1.0):
        return "continuous", 0.0, 1.0, True
    if is_image and whole and _within(low, high, 255.0):
        return "continuous", 0.0, 255.0, True
    return "continuous", low, high, False


def _within(low: float, high: float, limit: float) -> bool:
    return low >= 0 and high <= limit


def _all_whole(array: np.ndarray) -> bool:
    chunks = chunks_of_rows(array)
    blocks = (array[start : start + chunks.step] for start in chunks)
    return all(bool((block == np.rint(block)).all()) for block in blocks)


def _steps(array: np.ndarray, moments: _Moments, is_image: bool) -> tuple[float, ...]:
    flat = array.reshape(len(array), -1)
    if not is_image:
        stride = -(-len(flat) // _MOST_VALUES_FOR_STEP)
        return tuple(_smallest_gap(flat[::stride, column]) for column in range(flat.shape[1]))
    stride = -(-flat.size // _MOST_VALUES_FOR_STEP)
    seen = flat[::stride].astype(np.float64)
    if _within(float(moments.low.min()), float(moments.high.max()), 1.0):
        levels = seen * 255
        if np.abs(levels - np.rint(levels)).max() < 255 * 2 * _SINGLE_EPS:
            return (1 / 255,)
    return (_smallest_gap(seen),)


def _smallest_gap(values: np.ndarray) -> float:
    distinct = np.unique(values).astype(np.float64)
    gaps = np.diff(distinct)
    rounding = 4 * _SINGLE_EPS * np.abs(distinct[[0, -1]]).max()
    real = gaps[gaps > rounding]
    return float(real.min()) if len(real) else 1.0
