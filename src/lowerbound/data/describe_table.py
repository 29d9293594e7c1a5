"""The description of a table with columns of several kinds, from its training rows alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import DataError
from .columns import Column
from .columns.infer import refitted
from .dataset import Dataset
from .describe import describe
from .holes import filled, share_of_holes
from .spec import DataSpec

_MOST_PATTERNS = 500


def describe_table(dataset: Dataset, rows: np.ndarray) -> DataSpec:
    """The `DataSpec` of a table's training rows; `dataset.table` is what was read.

    A coded column has the moments of its codes. Others are described as the columns of a table of numbers are.

    Raises `DataError` when no column is left, or one has no value in any training row; warns as `describe` does.
    """
    assert dataset.table is not None
    fitted = refitted(dataset.columns, dataset.table.rows(rows))
    columns = tuple(column for column in fitted if not column.is_left_out)
    names = tuple(column.name for column in columns)
    if not columns:
        reasons = "; ".join(f"{column.name}: {column.reason}" for column in fitted[:5])
        raise DataError(f"{dataset.name} has no column to learn from ({reasons}). Say in a schema what its columns are.")
    encoded = np.stack([column.encode(dataset.table) for column in columns], axis=1)[rows]
    holes = share_of_holes(encoded)
    whole = filled(encoded, name=dataset.name, names=names)
    is_coded = np.asarray([column.is_coded for column in columns])
    size = len(columns)
    mean, std, step = whole.mean(axis=0), whole.std(axis=0), np.ones(size)
    low, high, plausible_low, plausible_high = whole.min(axis=0), whole.max(axis=0), np.full(size, -1.0), np.full(size, 1.0)
    low[is_coded], high[is_coded] = 0.0, [column.num_codes - 1 for column in columns if column.is_coded]
    plausible_low[is_coded], plausible_high[is_coded] = low[is_coded], high[is_coded]
    origin, is_whole = np.zeros(size), is_coded.copy()
    if not is_coded.all():
        others = np.flatnonzero(~is_coded)
        of_numbers = describe(whole[:, others], [names[element] for element in others], kind="rows", name=dataset.name, rows=rows)
        mean[others], std[others], step[others] = of_numbers.mean, of_numbers.std, _each(of_numbers.step, len(others))
        low[others], high[others] = of_numbers.element_low, of_numbers.element_high
        plausible_low[others], plausible_high[others] = of_numbers.plausible_low, of_numbers.plausible_high
        is_whole[others] = of_numbers.whole_elements
        if of_numbers.origin:
            origin[others] = of_numbers.origin
    return DataSpec(
        (size,),
        "continuous",
        float(low.min()),
        float(high.max()),
        tuple(step.tolist()),
        tuple(mean.tolist()),
        tuple(std.tolist()),
        names,
        element_low=tuple(low.tolist()),
        element_high=tuple(high.tolist()),
        is_whole=bool(is_whole.all()),
        not_whole=tuple(np.flatnonzero(~is_whole).tolist()) if is_whole.any() else (),
        origin=tuple(origin.tolist()) if origin.any() else (),
        plausible_low=tuple(plausible_low.tolist()),
        plausible_high=tuple(plausible_high.tolist()),
        columns=columns,
        left_out=tuple(column for column in fitted if column.is_left_out),
        holes=tuple(holes.tolist()) if holes.any() else (),
        **_patterns(encoded),
    )


def _patterns(encoded: np.ndarray) -> dict[str, Any]:
    """`hole_patterns` and `pattern_counts`."""
    missing = np.isnan(encoded)
    if not missing.any():
        return {}
    patterns, counts = np.unique(missing, axis=0, return_counts=True)
    first = np.argsort(-counts, kind="stable")[:_MOST_PATTERNS]
    return {
        "hole_patterns": tuple(tuple(np.flatnonzero(patterns[number]).tolist()) for number in first),
        "pattern_counts": tuple(counts[first].tolist()),
    }


def _each(values: tuple[float, ...], count: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(values), (count,))


def encoded_for(dataset: Dataset, spec: DataSpec) -> Dataset:
    """The data set with its cells encoded as the columns of a model are, whatever codes it has itself.

    Raises `DataError`, with the line and the column, for a cell that is no number where the model has numbers; and when a column
    is missing.
    """
    table = dataset.table
    if table is None:
        raise DataError(
            f"{dataset.name} is an array of shape {dataset.examples.shape} without the names of its columns; expected a table or "
            f"a data frame with {', '.join(spec.feature_names[:10])}{', ...' if len(spec.feature_names) > 10 else ''}, as in "
            "training."
        )
    _require(table.names, spec.columns, dataset.name)
    examples = np.stack([column.encode(table) for column in spec.columns], axis=1)
    return dataclasses.replace(
        dataset, examples=examples, feature_names=spec.feature_names, columns=(*spec.columns, *spec.left_out)
    )


def _require(names: tuple[str, ...], columns: tuple[Column, ...], path: str) -> None:
    from .tables import Table, columns_of

    columns_of(Table(np.zeros((0, len(names))), names), [column.name for column in columns], path)
