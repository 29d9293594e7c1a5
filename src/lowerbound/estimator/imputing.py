"""Holes of arrays and frames filled by a fitted estimator, in the form in which they came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import lowerbound

from ..config.rules import Integer
from ..data.columns import Column, RawTable
from ..data.columns.filled import ends_of_column, filled_table
from ..data.columns.frames import from_frame, to_frame
from ..data.dataset import Dataset
from ..data.describe_table import encoded_for
from ..data.examples import Example
from ..data.levels import for_device
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError, unknown_name_message
from .inputs import as_frame, module_of_frame, with_condition

if TYPE_CHECKING:
    from .holes import FillsHoles

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
    values = [_in_form_of(X, array, spec) for array in found.draws] if n_draws else _in_form_of(X, found.values, spec)
    if interval is None or found.low is None or found.high is None:
        return values
    return Imputed(values, *_ends_in_form_of(X, found.low, found.high, spec), found.columns)


def _in_form_of(X: Any, array: np.ndarray, spec: DataSpec) -> Any:
    module = module_of_frame(X)
    if not spec.columns:
        return as_frame(array, spec.feature_names, module) if module and spec.feature_names else array
    table = filled_table(from_frame(X), spec.columns, array)
    whole = [column.name for column in spec.columns if column.decimals == 0 and column.kind != "date-time"]
    return to_frame(table.names, table.columns, module, whole=whole)


def _ends_in_form_of(X: Any, low: np.ndarray, high: np.ndarray, spec: DataSpec) -> tuple[Any, Any]:
    module = module_of_frame(X)
    if not spec.columns:
        low, high = (as_frame(end, spec.feature_names, module) if module and spec.feature_names else end for end in (low, high))
        return low, high
    ends = [ends_of_column(column, low[:, place], high[:, place]) for place, column in enumerate(spec.columns)]
    names = [column.name for column, pair in zip(spec.columns, ends, strict=True) if pair is not None]
    pairs = [pair for pair in ends if pair is not None]
    first, last = (to_frame(names, [pair[number] for pair in pairs], module) for number in (0, 1))
    return first, last


def masses_of(estimator: FillsHoles, X: Any, target: str, condition: Any) -> tuple[Column, np.ndarray, np.ndarray]:
    """A column of a table, what is most probable of it in each row, (n,), and the probabilities of its values, (n, K).

    The column is hidden from the model, whatever `X` has in it; it may lack it. Of a column that is not coded there are no
    probabilities: (n, 0). Raises `ConfigurationError` for a column that the model does not have.
    """
    spec = estimator.spec_
    names = [column.name for column in spec.columns]
    if target not in names:
        if not spec.columns:
            raise ConfigurationError(
                f"target is {target!r}, but this model is of numbers without kinds; fit it on a data frame with texts, days or "
                "cells without a value, or with a schema, and each column can be predicted."
            )
        raise ConfigurationError(unknown_name_message("target", target, names))
    if not hasattr(X, "columns"):
        raise DataError(f"X is a {type(X).__name__}; expected a data frame with the columns {', '.join(names[:10])}.")
    table, place = from_frame(X), names.index(target)
    if target not in table.names:
        nothing = np.full(len(table), np.nan)
        table = RawTable(table.source, (*table.names, target), (*table.columns, nothing))
    rows = encoded_for(Dataset("X", np.zeros((len(table), 0)), table=table), spec).examples
    rows[:, place] = np.nan
    kept = np.ones(rows.shape, bool)
    kept[:, place] = False
    data = with_condition(for_device(spec.to_model(rows)), condition, spec).showing(kept)
    found = lowerbound.evaluation.impute(estimator.model_, data)
    column = spec.columns[place]
    likely = lowerbound.evaluation.points(found, spec)[:, place]
    masses = found.probabilities.get(place, np.empty((len(rows), 1)))[:, :-1].astype(np.float64)
    # What training did not see is no answer.
    return column, likely, masses / masses.sum(axis=1, keepdims=True) if masses.size else masses
