"""Rows made odd on purpose, by which scores of oddness are compared where no anomaly is known."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..data.examples import Example

# A real number is moved by a normal number of so many of its column's standard deviations.
STRENGTH = 3.0


def corrupted(normal: Example, others: Example, is_real: np.ndarray, copies: int, rng: np.random.Generator) -> Example:
    """Each row `copies` times, (copies * n), every time with one cell made another.

    A real number is moved by noise of three standard deviations of its column; a cell of any other kind (a level, a count, a
    category) becomes that of another row, which may be the same. A cell without a value stays without one.

    - `normal`: the rows that are made odd. `others`: the rows that cells and deviations come from.
    - `is_real`: for each element (flattened), whether it is a real number.
    """
    made = normal[np.tile(np.arange(len(normal)), copies)]
    x = np.array(made.x).reshape(len(made), -1)
    pool = np.asarray(others.x).reshape(len(others), -1)
    rows, element = np.arange(len(x)), rng.integers(0, x.shape[1], len(x))
    stranger = pool[rng.integers(0, len(pool), len(x)), element]
    std = np.sqrt(np.nanmean(np.square(pool - np.nanmean(pool, axis=0, dtype=np.float64)), axis=0))
    moved = x[rows, element] + STRENGTH * std[element] * rng.normal(size=len(x))
    other = np.where(is_real[element], moved, stranger).astype(x.dtype)
    if x.dtype.kind == "f":
        other = np.where(np.isnan(x[rows, element]) | np.isnan(other), x[rows, element], other)
    x[rows, element] = other
    return dataclasses.replace(made, x=x.reshape(made.x.shape))
