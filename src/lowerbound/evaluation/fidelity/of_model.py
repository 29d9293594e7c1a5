"""The rows that a model draws, as a person would write them down, beside the rows of its data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...data.columns import Column, RawTable, infer_columns
from ...data.spec import DataSpec
from ...errors import ConfigurationError, DataError
from ...models import AbstractLatentVariableModel
from ..latents import sample
from ..table_rows import sample_rows
from .compare import fidelity
from .record import Fidelity

# More are drawn only where they are asked for.
MOST_DRAWN = 20_000


def check_is_rows(spec: DataSpec) -> None:
    """Raise `ConfigurationError` where examples are no rows of a table."""
    if spec.layout != "rows" or len(spec.event_shape) != 1:
        what = "pictures" if spec.is_image else f"of shape {spec.event_shape}"
        raise ConfigurationError(
            f"fidelity compares the columns of a table, but the examples are {what}. Look at new ones beside real ones instead "
            "(lowerbound sample RUN --out new.png), or compare log p(x) of test examples: lowerbound evaluate RUN."
        )


def model_fidelity(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    training: np.ndarray,
    held_out: np.ndarray,
    *,
    condition: np.ndarray | None = None,
    num_rows: int = 0,
    target: str = "",
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda name: None,
) -> Fidelity:
    """`fidelity` of rows that a model draws, z ~ p(z), then x ~ p(x|z).

    The rows are those of `sample_rows`: digits and ranges as in training, and cells missing as there. Of a table of numbers alone
    the kinds of the columns are found from training's rows here, draws are rounded to the digits with which those were
    recorded, or to the nearest level, and columns that never change are left out.

    - `training`, `held_out`: (n, *event_shape) in the user's units, NaN for no value.
    - `condition`: (n, condition_dim) of the rows of training, where the model takes one: that of each new row is one of these.
    - `num_rows`: how many are drawn; 0 for as many as there are of training, up to 20,000.

    Raises `ConfigurationError` for pictures and series, and `DataError` as `fidelity` does and where no column changes.
    """
    check_is_rows(spec)
    count = num_rows or min(len(training), MOST_DRAWN)
    given = None
    if condition is not None:
        given = np.asarray(condition)[np.random.default_rng(seed).integers(0, len(condition), count)]
    columns = spec.columns
    if columns:
        recorded = sample_rows(model, spec, count, condition=given, holes=True, seed=seed)
    else:
        recorded = spec.to_user(np.asarray(sample(model, count, condition=given, seed=seed), np.float64))
    if not columns:
        own = _table_of(training, spec)
        columns = tuple(column for column in infer_columns(own) if not column.is_left_out)
        if not columns:
            raise DataError(
                f"no column changes in the {len(training):,} rows of training; expected rows of a table, of which new ones can "
                "be told apart."
            )
        kept = [own.names.index(column.name) for column in columns]
        training, held_out = (_encoded(rows, columns, spec) for rows in (training, held_out))
        recorded = np.stack([_nearest(recorded[:, place], each) for place, each in zip(kept, columns, strict=True)], axis=1)
    return fidelity(training, held_out, recorded, columns, target=target, seed=seed, on_progress=on_progress)


def _table_of(rows: np.ndarray, spec: DataSpec) -> RawTable:
    names = spec.feature_names or tuple(f"x{element}" for element in range(spec.num_elements))
    return RawTable("the data", names, tuple(np.asarray(rows, np.float64).T))


def _encoded(rows: np.ndarray, columns: Sequence[Column], spec: DataSpec) -> np.ndarray:
    table = _table_of(rows, spec)
    return np.stack([column.encode(table) for column in columns], axis=1)


def _nearest(numbers: np.ndarray, column: Column) -> np.ndarray:
    """Numbers as codes: of levels that of the nearest; others rounded to the column's digits."""
    if not column.is_coded:
        return numbers if column.decimals < 0 else np.round(numbers, column.decimals) + 0.0
    levels = np.asarray(column.categories, np.float64)
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, numbers).astype(np.float64)
