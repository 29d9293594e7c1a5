"""Holes of arrays and frames filled by a fitted estimator, in the form in which they came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import lowerbound

from ..config.rules import Integer
from ..data.columns.column import whole_columns
from ..data.columns.filled import ends_of_column, filled_table
from ..data.columns.frames import from_frame, names_of_frame, to_frame
from ..data.columns.raw import is_missing
from ..data.dataset import Dataset
from ..data.describe_table import encoded_for
from ..data.examples import Example, for_device
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError
from .frames import as_frame, filled_frame, module_of_frame, with_index_of
from .inputs import with_condition

if TYPE_CHECKING:
    from .holes import FillsHoles
    from .labels import PredictsLabels

_DRAWS = Integer(0)


class Imputed(NamedTuple):
    """`X` with its holes filled and the intervals of what fills them, each in the form of `X`.

    - `values`: the filled examples; with `n_draws`, a list of so many. `low`, `high`: the ends, without a value where there was
      no hole; of a table those columns alone whose values have an order.
    - `columns`: of each column its holes, and how intervals held where the value is known
      (`lowerbound.evaluation.ColumnHoles`).
    """

    values: Any
    low: Any
    high: Any
    columns: tuple[Any, ...]


def impute(
    estimator: FillsHoles,
    X: Any,
    rows: np.ndarray,
    data: Example,
    *,
    n_draws: int,
    interval: float | None,
    calibration: Example | None,
    num_samples: int,
    seed: int,
) -> Any:
    """What `VAE.impute` gives; `rows` and `data` are the rows of `X`, as numbers and as the model sees them."""
    if interval is not None and calibration is None:
        raise ConfigurationError(
            "interval is given, but there are no rows to measure intervals on: `fit` held none out, or the model was loaded. "
            "Give rows that it was not trained on as calibration."
        )
    spec = estimator.spec_
    found = lowerbound.evaluation.fill_holes(
        estimator.model_,
        spec,
        np.asarray(rows, np.float64),
        data,
        num_draws=_DRAWS.convert("n_draws", n_draws),
        interval=interval,
        calibration=calibration,
        num_samples=num_samples,
        seed=seed,
    )
    filled = [_in_form_of(X, array, found.is_hole, spec) for array in (found.draws if n_draws else (found.values,))]
    values = filled if n_draws else filled[0]
    if interval is None or found.low is None or found.high is None:
        return values
    return Imputed(values, *_ends_in_form_of(X, found.low, found.high, spec), found.columns)


def _in_form_of(X: Any, array: np.ndarray, is_hole: np.ndarray, spec: DataSpec) -> Any:
    module = module_of_frame(X)
    if not spec.columns:
        named = as_frame(array, names_of_frame(X), module) if module else array
        return filled_frame(X, named, list(is_hole.T)) if module else named
    raw = from_frame(X)
    table = filled_table(raw, spec.columns, array)
    modelled = {column.name for column in spec.columns}
    holes = [is_missing(cells) & (name in modelled) for name, cells in zip(raw.names, raw.columns, strict=True)]
    return filled_frame(X, to_frame(table.names, table.columns, module, whole=whole_columns(spec.columns)), holes)


def _ends_in_form_of(X: Any, low: np.ndarray, high: np.ndarray, spec: DataSpec) -> tuple[Any, Any]:
    module = module_of_frame(X)
    if not spec.columns:
        ends = [with_index_of(as_frame(end, names_of_frame(X), module), X) if module else end for end in (low, high)]
        return ends[0], ends[1]
    pairs = [ends_of_column(column, low[:, place], high[:, place]) for place, column in enumerate(spec.columns)]
    names = [column.name for column, pair in zip(spec.columns, pairs, strict=True) if pair is not None]
    known = [pair for pair in pairs if pair is not None]
    first, last = (with_index_of(to_frame(names, [pair[side] for pair in known], module), X) for side in (0, 1))
    return first, last


def filled_column(estimator: PredictsLabels, X: Any, target: str, condition: Any, num_samples: int, seed: int) -> np.ndarray:
    """A column of a table as `impute` would fill it in each row, (n,), had no row a value in it; `X` may lack it."""
    spec = estimator.spec_
    place = [column.name for column in spec.columns].index(target)
    data = examples_without(estimator, X, place, condition)
    found = lowerbound.evaluation.impute(estimator.model_, data, num_samples=num_samples, seed=seed)
    return spec.columns[place].decode(lowerbound.evaluation.points(found, spec)[:, place])


def examples_without(estimator: PredictsLabels, X: Any, place: int, condition: Any) -> Example:
    """The rows of a frame, which may lack this column, without what it has in it."""
    spec = estimator.spec_
    if not hasattr(X, "columns"):
        names = ", ".join(column.name for column in spec.columns[:10])
        raise DataError(f"X is a {type(X).__name__}; expected a data frame with the columns {names}.")
    table = from_frame(X).with_empty([spec.columns[place].name])
    rows = encoded_for(Dataset("X", np.zeros((len(table), 0)), table=table), spec).examples
    rows[:, place] = np.nan
    data = with_condition(for_device(spec.to_model(rows)), condition, spec)
    return lowerbound.evaluation.without_column(data, place)
