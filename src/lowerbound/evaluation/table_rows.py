"""Rows of a table as people write them, from a model's numbers: of the right types, inside the ranges, with cells missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..data.columns import Column
from ..data.columns.raw import RawTable
from ..data.examples import Example, for_device
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError, shortened, unknown_name_message
from ..models import AbstractLatentVariableModel
from .imputation import impute
from .latents import sample

# How often a row is drawn anew that has a category which training did not see.
_MOST_TURNS = 20
# Importance samples for each row that is drawn under what is given.
_SAMPLES_A_ROW, _FEWEST_SAMPLES, _MOST_SAMPLES = 4, 2_000, 20_000


def sample_rows(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    count: int,
    *,
    condition: np.ndarray | None = None,
    draw: bool = True,
    holes: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """(count, columns) new rows of a table, encoded, in the user's units: z ~ p(z), then x ~ p(x|z), or E[x|z].

    A row with a category that training did not see, which has a small probability, cannot be written, and another takes its
    place. Numbers are brought to the digits and into the range of the training rows.

    - `condition`: (count, condition_dim), of each row, where the model takes one.
    - `holes`: cells are missing as they are in training (`with_holes`).
    """
    rows = np.asarray(spec.to_user(sample(model, count, condition=condition, draw=draw, seed=seed)), np.float64)
    for turn in range(1, _MOST_TURNS):
        again = np.flatnonzero(~_is_seen(rows, spec))
        if not len(again):
            break
        given = None if condition is None else condition[again]
        rows[again] = spec.to_user(sample(model, len(again), condition=given, draw=draw, seed=seed + 7919 * turn))
    # A row that never has a category of its own stays, rather than none.
    rows = tidied(rows, spec.columns)
    return with_holes(rows, spec, model, seed=seed) if holes else rows


class GivenRows(NamedTuple):
    """Rows drawn under given values of some columns, encoded, and how many independent draws of z they are worth."""

    rows: np.ndarray
    effective_sample_size: float
    num_samples: int


def sample_given(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    given: Mapping[str, str],
    count: int,
    *,
    condition: np.ndarray | None = None,
    seed: int = 0,
) -> GivenRows:
    """(count, columns) rows x ~ p(x | x_given), encoded: z is drawn by importance resampling of q(z | x_given), then x ~ p(x|z).

    - `given`: the values of some columns by their names, as they are written.
    - `condition`: (count, condition_dim), where the model takes one: the same in all rows.

    Rows from fewer effective samples than there are rows repeat the same few z; say so where that is the case.

    Raises `ConfigurationError` for an unknown column and for conditions that differ, and `DataError` for a value that the column
    cannot have.
    """
    example = example_given(spec, given)
    model.check_values(row_given(spec, given)[None], spec, name="the given values")
    if condition is not None:
        if (condition != condition[0]).any():
            raise ConfigurationError(
                "values of columns are given together with a condition that differs from row to row; expected one condition for "
                "all rows. Draw the rows of each condition by themselves."
            )
        example = dataclasses.replace(example, condition=np.asarray(condition[:1], np.float32))
    num_samples = int(np.clip(_SAMPLES_A_ROW * count, _FEWEST_SAMPLES, _MOST_SAMPLES))
    found = impute(model, example, num_samples=num_samples, num_draws=count, seed=seed)
    rows = tidied(_seen(np.asarray(spec.to_user(found.draws[:, 0]), np.float64), spec), spec.columns)
    # What is given stays as it is, inside the training range or not.
    row = row_given(spec, given)
    rows = np.where(np.isnan(row), rows, row)
    return GivenRows(rows, float(found.effective_sample_size[0]), num_samples)


def example_given(spec: DataSpec, given: Mapping[str, str]) -> Example:
    """One example of which some columns are known, as the model takes it."""
    row = row_given(spec, given)[None]
    return Example(for_device(spec.to_model(row))).showing(~np.isnan(row))


def row_given(spec: DataSpec, given: Mapping[str, str]) -> np.ndarray:
    """(columns,) the given values, encoded; NaN for the other columns.

    Raises `ConfigurationError` for an unknown column, and `DataError` for a value that no row like those of training has.
    """
    if not spec.columns:
        raise ConfigurationError(
            "values of columns are given, but this model is not one of a table with columns by name; train it on a table with a "
            "schema (lowerbound schema DATA --out FILE.toml, then lowerbound train DATA --schema FILE.toml)."
        )
    row, names = np.full(len(spec.columns), np.nan), [column.name for column in spec.columns]
    below, above = spec.plausible.limits(1)
    for name, value in given.items():
        if name not in names:
            raise ConfigurationError(unknown_name_message("the given column", name, names))
        place = names.index(name)
        column = spec.columns[place]
        try:
            code = column.encode(RawTable("what is given", (name,), (np.asarray([value], object),)))[0]
        except DataError as error:
            raise DataError(f"the given value of {name!r} is {shortened(value, 40)!r}; expected {column.words}.") from error
        if column.is_coded and code == len(column.categories):
            raise DataError(
                f"the given value of {name!r} is {shortened(value, 40)!r}, which training did not see; expected {column.words}."
            )
        # Codes are inside; NaN and infinity are not.
        if not below[place] <= code <= above[place]:
            low, high = (column.decode(np.asarray([end]))[0] for end in (column.low, column.high))
            raise DataError(
                f"the given value of {name!r} is {shortened(value, 40)!r}, far outside the training data, which lie from {low} "
                f"to {high}; expected a value like theirs."
            )
        row[place] = code
    return row


def _seen(rows: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Rows in whose place, where they have a category that training did not see, another one of them stands."""
    is_seen = _is_seen(rows, spec)
    kept = np.flatnonzero(is_seen)
    return rows if not len(kept) else rows[np.where(is_seen, np.arange(len(rows)), np.resize(kept, len(rows)))]


def _is_seen(rows: np.ndarray, spec: DataSpec) -> np.ndarray:
    """(n,) which rows have no category that training did not see."""
    limits = np.asarray([column.num_codes - 1 if column.is_coded else np.inf for column in spec.columns])
    return np.asarray((rows < limits).all(axis=1))


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


def with_holes(rows: np.ndarray, spec: DataSpec, model: AbstractLatentVariableModel, *, seed: int = 0) -> np.ndarray:
    """Rows in which cells are missing as in training rows.

    Where the model has a law of the mask, s_j ~ p(s_j|x) decides about each cell of the columns that it is of. In the others each
    row has the holes of a training row, whatever its values: each pattern as often as there.
    """
    found, by_law = rows.copy(), np.zeros(rows.shape[1], bool)
    example = for_device(spec.to_model(rows))
    if len(rows) and model.log_odds_of_presence(jnp.asarray(example[0])) is not None:
        log_odds = np.asarray(jax.vmap(model.log_odds_of_presence)(jnp.asarray(example)), np.float64)  # pyright: ignore[reportArgumentType]
        by_law = np.asarray(np.isfinite(log_odds).all(axis=0))
        # s = 1 where the log-odds are above a logistic draw.
        lost = np.random.default_rng([seed, 1]).logistic(size=rows.shape) > log_odds
        found[lost & by_law] = np.nan
    if not spec.hole_patterns:
        return found
    counts = np.asarray(spec.pattern_counts, np.float64)
    chosen = np.random.default_rng(seed).choice(len(counts), len(rows), p=counts / counts.sum())
    for number, pattern in enumerate(spec.hole_patterns):
        places = [place for place in pattern if not by_law[place]]
        found[np.ix_(chosen == number, np.asarray(places, int))] = np.nan
    return found


def as_table(rows: np.ndarray, spec: DataSpec, source: str = "rows") -> RawTable:
    """Encoded rows, (n, columns), as cells under the names of their columns."""
    cells = tuple(column.decode(rows[:, number]) for number, column in enumerate(spec.columns))
    return RawTable(source, tuple(column.name for column in spec.columns), cells)
