"""Rows of a table as people write them, from a model's numbers: of the right types, inside the ranges, with cells missing."""

from __future__ import annotations

import numpy as np

from ..data.columns import Column
from ..data.columns.raw import RawTable
from ..data.spec import DataSpec
from ..models import AbstractLatentVariableModel
from .latents import sample

# Of the rows asked for, as many are drawn more in each turn, and so many turns are taken at most.
_MORE, _MOST_TURNS = 1.1, 20


def sample_rows(
    model: AbstractLatentVariableModel, spec: DataSpec, count: int, *, draw: bool = True, holes: bool = False, seed: int = 0
) -> np.ndarray:
    """(count, columns) new rows of a table, encoded, in the user's units: z ~ p(z), then x ~ p(x|z), or E[x|z].

    A row with a category that training did not see, which has a small probability, cannot be written, and another takes its
    place. Numbers are brought to the digits and into the range of the training rows.

    - `holes`: cells are missing as they are in training: each row has the holes of a training row, whatever its values.
    """
    limits = np.asarray([column.num_codes - 1 if column.is_coded else np.inf for column in spec.columns])
    kept: list[np.ndarray] = []
    number = 0
    for turn in range(_MOST_TURNS):
        wanted = count if turn == 0 else int(np.ceil(_MORE * (count - number))) + 1
        drawn = np.asarray(spec.to_user(sample(model, wanted, draw=draw, seed=seed + 7919 * turn)), np.float64)
        # A row that never has a category of its own stays, rather than none.
        is_seen = (drawn < limits).all(axis=1) | (turn == _MOST_TURNS - 1)
        kept.append(drawn[is_seen])
        number += len(kept[-1])
        if number >= count:
            break
    rows = tidied(np.concatenate(kept)[:count], spec.columns)
    return with_holes(rows, spec, seed=seed) if holes else rows


def tidied(rows: np.ndarray, columns: tuple[Column, ...]) -> np.ndarray:
    """Rows with numbers rounded to the digits of their columns, and inside the ranges that training saw."""
    found = rows.copy()
    for number, column in enumerate(columns):
        if not column.is_coded:
            inside = np.clip(found[:, number], column.low, column.high)
            found[:, number] = np.rint(inside) if column.decimals == 0 else inside
            if column.decimals > 0:
                found[:, number] = np.round(inside, column.decimals)
    return found


def with_holes(rows: np.ndarray, spec: DataSpec, *, seed: int = 0) -> np.ndarray:
    """Rows in which cells are missing as in training rows: each pattern of holes as often as there."""
    if not spec.hole_patterns:
        return rows
    counts = np.asarray(spec.pattern_counts, np.float64)
    chosen = np.random.default_rng(seed).choice(len(counts), len(rows), p=counts / counts.sum())
    found = rows.copy()
    for number, pattern in enumerate(spec.hole_patterns):
        found[np.ix_(chosen == number, np.asarray(pattern, int))] = np.nan
    return found


def as_table(rows: np.ndarray, spec: DataSpec, source: str = "rows") -> RawTable:
    """Encoded rows, (n, columns), as cells under the names of their columns."""
    cells = tuple(column.decode(rows[:, number]) for number, column in enumerate(spec.columns))
    return RawTable(source, tuple(column.name for column in spec.columns), cells)
