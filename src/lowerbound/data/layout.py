"""What an array is: pictures, rows, or windows of series; decided from its type, its shape and its values, or stated."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ..errors import DataError, unknown_name_message

Layout = Literal["pictures", "rows", "series"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
CHANNELS = (1, 3, 4)

# Nothing narrower is a picture, if it is not of 8 bits. Where the values' range does not speak for pictures, the shape must.
_NARROWEST = 4
_SMALLEST = 8
_LONGEST_ASPECT = 4
# In one picture, the means of neighbouring columns differ by no more deviations, and the deviations by no larger factor.
_LARGEST_JUMP = 3.0
_LARGEST_RATIO = 10.0
_ROUNDING = 1e-6
_NEAR_THE_END = 0.02


def choose_layout(
    event_shape: tuple[int, ...],
    low: np.ndarray,
    high: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray,
    *,
    is_8_bit: bool,
    has_levels: bool,
    kind: str = "auto",
    name: str = "X",
) -> Layout:
    """What the training data are, of which `low`, `high`, `mean` and `std` are given per element (flattened).

    - One axis: rows.
    - Two axes, or three of which the last has 1, 3 or 4 channels, are pictures where the values are 8-bit unsigned integers or
      zeros and ones; where they are whole numbers in [0, 65535] or [-128, 127], or multiples of 1/255 in [0, 1]; where they lie
      in [-1, 1] or [0, 255] and the columns are alike; or elsewhere, if the sides are a picture's and all columns have one scale.
    - Everything else: series, each number with a scale of its own.

    - `is_8_bit`: unsigned bytes, or zeros and ones. `has_levels`: whole numbers, or multiples of 1/255 in [0, 1].
    - `kind`: what is stated; "auto" for nothing. `name`: of the array, in messages.

    Raises `DataError` for pictures with their channels first, with the transpose that brings them last; and for a kind that does
    not exist, or that such a shape cannot be.
    """
    rank, could_be = len(event_shape), is_picture_shape(event_shape)
    if kind != "auto":
        return _stated(kind, event_shape, name)
    if rank == 1:
        return "rows"
    smallest, largest = float(low.min()), float(high.max())
    ranges = ((0, 65535), (-128, 127)) if has_levels else ((0, 255), (-1, 1))
    in_range = any(least <= smallest and largest <= most for least, most in ranges)
    if rank == 3 and not could_be and event_shape[0] in CHANNELS and min(event_shape[1:]) >= _SMALLEST:
        raise DataError(
            f"{name} has examples of shape {event_shape}, which look like pictures with their channels first; expected "
            f"(height, width, channels): {name}.transpose(0, 2, 3, 1). If they are no pictures, say so: kind='rows' "
            "(on the command line --set data.kind=rows)."
        )
    if not could_be:
        return "series"
    if is_8_bit:
        return "pictures"
    shortest, longest = sorted(event_shape[:2])
    if shortest < _NARROWEST:
        return "series"
    if in_range and has_levels:
        return "pictures"
    low, high, mean, std = (each.reshape(event_shape) for each in (low, high, mean, std))
    across = tuple(axis for axis in range(rank) if axis != (1 if rank == 2 else 2))
    middle, spread = mean.mean(axis=across), np.sqrt((std**2).mean(axis=across) + mean.var(axis=across))
    between = np.sqrt((spread[1:] ** 2 + spread[:-1] ** 2) / 2)
    alike = bool((np.abs(np.diff(middle)) <= _LARGEST_JUMP * between + _ROUNDING * largest).all())
    has_sides = shortest >= _SMALLEST and longest <= _LONGEST_ASPECT * shortest
    if in_range:
        # Columns that were each brought to [0, 1] by themselves are of a table's kind.
        each_scaled = (low.min(axis=across) <= _NEAR_THE_END).all() and (high.max(axis=across) >= 1 - _NEAR_THE_END).all()
        return "pictures" if alike and (has_sides or largest > 1 or not each_scaled) else "series"
    varying = spread[spread > 0]
    one_scale = len(varying) == 0 or varying.max() <= _LARGEST_RATIO * varying.min()
    return "pictures" if alike and one_scale and has_sides else "series"


def as_columns(array: np.ndarray, layout: Layout) -> np.ndarray:
    """The values of which one range is known: a table's columns, those of a series over all steps, or all pixels together."""
    if layout == "pictures":
        return array.reshape(-1, 1)
    return array.reshape(-1, array.shape[-1] if array.ndim > 2 else 1) if layout == "series" else array.reshape(len(array), -1)


def is_picture_shape(event_shape: tuple[int, ...]) -> bool:
    """H x W (grey), or H x W x C with C = 1, 3 or 4 channels."""
    return len(event_shape) == 2 or (len(event_shape) == 3 and event_shape[2] in CHANNELS)


def layout_in_words(layout: Layout, event_shape: tuple[int, ...]) -> str:
    """What one array is, in a few words: "grey images of 28 × 20 pixels"."""
    if layout == "pictures":
        colour = {1: "grey", 3: "colour", 4: "colour with opacity"}[event_shape[2] if len(event_shape) == 3 else 1]
        return f"{colour} images of {event_shape[0]} × {event_shape[1]} pixels"
    sizes = " × ".join(map(str, event_shape[1:] if layout == "series" else event_shape))
    if layout == "series":
        return f"windows of series, {event_shape[0]} steps of {sizes or 1} columns"
    return f"rows of {sizes} {'column' if event_shape == (1,) else 'columns'}"


def _stated(kind: str, event_shape: tuple[int, ...], name: str) -> Layout:
    if kind not in LAYOUTS:
        raise DataError(unknown_name_message("kind", kind, ("auto", *LAYOUTS)))
    if kind == "pictures" and not is_picture_shape(event_shape):
        raise DataError(
            f"kind is 'pictures', but one example of {name} has shape {event_shape}; expected (height, width) or (height, width, "
            "channels) with 1, 3 or 4 channels: an array after reshape(-1, height, width)."
        )
    return next(layout for layout in LAYOUTS if layout == kind)
