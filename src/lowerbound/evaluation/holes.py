"""Examples with their holes filled: one value for each, several draws, intervals, and what is known of how right they are."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from .estimates import JsonRecord
from .filling import as_recorded, points
from .hidden_cells import hide_and_fill
from .imputation import FEW_EFFECTIVE_SAMPLES, NUM_SAMPLES, Imputation, impute
from .intervals import ColumnCoverage, Intervals, levels_of

ASSUMED = (
    "An interval holds with the stated probability where cells are missing at random, as those that were hidden, and the rows "
    "are like the rows that it was measured on."
)


@dataclasses.dataclass(frozen=True)
class ColumnHoles(JsonRecord):
    """The holes of one column, or of all pixels of a picture.

    - `effective_sample_size`: of the rows with such holes, the median; NaN without any. `num_rescued`: rows that were done again.
    - `coverage`: how intervals hold where the value is known; None where none was asked for, or too few values are known.
    """

    name: str
    kind: str
    num_holes: int
    num_cells: int
    effective_sample_size: float
    num_rescued: int
    coverage: ColumnCoverage | None


@dataclasses.dataclass(frozen=True)
class FilledHoles:
    """Examples in the user's units (categories by their codes), (n, *event) float64.

    - `values`: with the holes filled, the rest as it was. `draws`: (num_draws, n, *event), the same with draws in the holes.
    - `low`, `high`: the ends of intervals, NaN where there is no hole; None where none were asked for. Infinite where too few
      values are known to say anything.
    - `columns`: what is known of the holes. `is_hole`: which elements were. `imputation`: of the rows `rows` that have holes.
    """

    values: np.ndarray
    draws: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    is_hole: np.ndarray
    columns: tuple[ColumnHoles, ...]
    rows: np.ndarray
    imputation: Imputation | None

    @property
    def few_effective(self) -> int:
        """How many rows have fewer effective samples than it takes to trust what fills them."""
        return 0 if self.imputation is None else int((self.imputation.effective_sample_size < FEW_EFFECTIVE_SAMPLES).sum())


def fill_holes(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    x: np.ndarray,
    data: Example,
    *,
    num_draws: int = 0,
    interval: float | None = None,
    calibration: Example | None = None,
    num_samples: int = NUM_SAMPLES,
    seed: int = 0,
) -> FilledHoles:
    """The examples `x`, (n, *event) in the user's units with NaN for no value, with their holes filled.

    - `data`: the same as a model sees them.
    - `interval`: the coverage of intervals, such as 0.9. `calibration`: rows that the model was not trained on, for it.

    Raises `ConfigurationError` and `DataError` as `impute` and `hide_and_fill` do.
    """
    is_hole = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
    rows = np.flatnonzero(is_hole.reshape(len(x), -1).any(axis=1))
    levels = None if interval is None else levels_of(interval)
    if levels is not None and model.given == "mask too":
        raise ConfigurationError(
            "interval is given, but this model takes values to be missing because of what they are, and intervals are measured "
            "on known values that are hidden at random: no known value is like a missing one. Take n_draws (--draws) instead, "
            "whose spread is the model's own."
        )
    if not len(rows):
        none = np.full(x.shape, np.nan) if levels else None
        columns = _columns(spec, is_hole, rows, None, None)
        return FilledHoles(x, np.repeat(x[None], num_draws, axis=0), none, none, is_hole, columns, rows, None)
    rule = None
    if interval is not None and levels is not None and calibration is not None:
        sizes = {"num_samples": num_samples, "num_draws": num_draws}
        cells = hide_and_fill(model, spec, calibration, is_hole[rows], levels=levels, **sizes, seed=seed + 1)
        rule = Intervals(cells, spec, interval)
    wanted = (0.5,) if levels is None else (levels[0], 0.5, levels[1])
    found = impute(model, data[rows], num_samples=num_samples, num_draws=num_draws, levels=wanted, seed=seed)
    draws = as_recorded(spec.to_user(found.draws.astype(np.float64)), spec)
    low, high = (None, None) if rule is None or levels is None else _ends(rule, spec, found, levels, is_hole, rows)
    return FilledHoles(
        values=_with(x, rows, as_recorded(points(found, spec), spec)),
        draws=np.stack([_with(x, rows, draw) for draw in draws]) if num_draws else np.empty((0, *x.shape)),
        low=low,
        high=high,
        is_hole=is_hole,
        columns=_columns(spec, is_hole, rows, found, rule),
        rows=rows,
        imputation=found,
    )


def _with(x: np.ndarray, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values in the holes of these rows; all else to the bit."""
    whole = x.copy()
    whole[rows] = np.where(np.isnan(x[rows]), values, x[rows])
    return whole


def _ends(
    rule: Intervals, spec: DataSpec, found: Imputation, levels: tuple[float, float], is_hole: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    flat = is_hole[rows].reshape(len(rows), -1)
    row, element = np.nonzero(flat)

    def quantile(level: float) -> np.ndarray:
        return spec.to_user(found.quantile(level).astype(np.float64)).reshape(len(rows), -1)[row, element]

    low, high = rule.around(quantile(levels[0]), quantile(levels[1]), element, flat.mean(axis=1)[row])
    ends: list[Any] = []
    for values in (low, high):
        whole = np.full((len(is_hole), spec.num_elements), np.nan)
        whole[rows[row], element] = values
        ends.append(whole.reshape(is_hole.shape))
    return ends[0], ends[1]


def _columns(
    spec: DataSpec, is_hole: np.ndarray, rows: np.ndarray, found: Imputation | None, rule: Intervals | None
) -> tuple[ColumnHoles, ...]:
    each = is_hole.reshape(len(is_hole), -1)
    if len(spec.event_shape) == 1:
        names = [spec.element_name(element).strip("'") for element in range(spec.num_elements)]
        kinds = [column.kind for column in spec.columns] or [spec.kind] * len(names)
        parts = list(each.T[:, :, None])
    else:
        # Of a picture nobody reads a line for each pixel.
        names, kinds, parts = [f"every {spec.element_word}"], [spec.kind], [each]
    coverage = {} if rule is None else {column.name: column for column in rule.coverage}
    lines = []
    for name, kind, part in zip(names, kinds, parts, strict=True):
        here = part[rows].any(axis=1)
        effective = np.empty(0) if found is None else found.effective_sample_size[here]
        lines.append(
            ColumnHoles(
                name=name,
                kind=kind,
                num_holes=int(part.sum()),
                num_cells=part.size,
                effective_sample_size=float(np.median(effective)) if len(effective) else float("nan"),
                num_rescued=0 if found is None else int(found.is_rescued[here].sum()),
                coverage=coverage.get(name),
            )
        )
    return tuple(lines)
