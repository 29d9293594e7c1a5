"""Discrete levels 0, 1, ..., K - 1: how many each element has, and masses of a given mean and deviation to start from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

from ..errors import ConfigurationError

# A start keeps this part of the mass spread evenly, so that a level the normal law rules out can still be learned.
_EVEN_SHARE = 0.01
# Data that never change would otherwise start from a single level.
_SMALLEST_STD = 0.25

Categories = int | tuple[int, ...]


def check_categories(num_categories: Categories, event_shape: tuple[int, ...]) -> None:
    """Raise `ConfigurationError` unless there is one number from 2 up, or one from 1 up for each element of the event."""
    size = math.prod(event_shape)
    if isinstance(num_categories, tuple):
        if len(num_categories) == size and min(num_categories, default=0) >= 1 and max(num_categories) >= 2:
            return
        expected = f"{size} numbers, one for each element of the event {event_shape}, the largest from 2 up"
    else:
        if num_categories >= 2:
            return
        expected = "a number from 2 up, or a tuple with one for each element"
    raise ConfigurationError(f"num_categories is {num_categories!r}; expected {expected}.")


def largest_of(num_categories: Categories) -> int:
    """The number of levels of the element that has most."""
    return max(num_categories) if isinstance(num_categories, tuple) else num_categories


def existing_levels(num_categories: Categories, event_shape: tuple[int, ...]) -> np.ndarray:
    """Whether each level exists in each element, of shape (largest number of levels, *event_shape)."""
    each = np.broadcast_to(np.reshape(num_categories, event_shape if isinstance(num_categories, tuple) else ()), event_shape)
    return _along_levels(largest_of(num_categories), event_shape) < each


def normal_log_masses(num_categories: Categories, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """log of N(mean, std^2) rounded to each element's levels, with whole tails at the ends; -inf where there is no level.

    A hundredth of the mass is spread evenly. `mean` and `std` have the event's shape, in units of a level.
    """
    mean, std = np.asarray(mean, np.float64), np.maximum(np.asarray(std, np.float64), _SMALLEST_STD)
    there = existing_levels(num_categories, mean.shape)
    levels = _along_levels(len(there), mean.shape)
    is_last = there & ~np.concatenate([there[1:], np.zeros_like(there[:1])])
    upper = np.where(is_last, np.inf, (levels + 0.5 - mean) / std)
    lower = np.where(levels == 0, -np.inf, (levels - 0.5 - mean) / std)
    # Each difference is taken in the tail where it loses no digits.
    is_above = lower > 0
    masses = scipy.special.ndtr(np.where(is_above, -lower, upper)) - scipy.special.ndtr(np.where(is_above, -upper, lower))
    mixed = (1 - _EVEN_SHARE) * masses + _EVEN_SHARE / there.sum(axis=0)
    return np.log(mixed, out=np.full(mixed.shape, -np.inf), where=there)


def as_categories(value: Any) -> Categories:
    """A number, or numbers as a tuple of Python's own."""
    return tuple(int(number) for number in value) if isinstance(value, list | tuple | np.ndarray) else int(value)


def _along_levels(num_levels: int, event_shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(num_levels).reshape(-1, *(1,) * len(event_shape))
