"""The description of a data set's training rows: of arrays, of tables with columns of several kinds, and of conditions."""

from __future__ import annotations

import dataclasses

import numpy as np

from .conditions import describe_condition
from .dataset import Dataset
from .describe import describe
from .describe_table import describe_table
from .holes import filled, share_of_holes
from .labels import label_values
from .spec import DataSpec
from .streams import rows_of
from .streams.sample import sample_of, with_figures

_WHITE = 255


def describe_dataset(dataset: Dataset, rows: np.ndarray, kind: str = "auto", told: np.ndarray | None = None) -> DataSpec:
    """The `DataSpec` of a data set's training rows, with the condition where it has one; raises and warns as `describe` does.

    - `told`: (n,) booleans, the examples whose label is told, where the condition is a label; else None.
    """
    spec = _described(dataset, rows, kind)
    if dataset.condition is None:
        return spec
    name = dataset.condition_name
    if told is None:
        return dataclasses.replace(spec, condition=describe_condition(dataset.condition[rows], name))
    labels, _ = label_values(dataset.condition, name)
    return dataclasses.replace(spec, condition=dataclasses.replace(describe_condition(labels[told], name), is_label=True))


def _described(dataset: Dataset, rows: np.ndarray, kind: str) -> DataSpec:
    if rows_of(dataset.examples):
        sample = dataset.sample or sample_of(dataset.examples, rows)
        name = f"{dataset.name}{sample.words}"
        some = dataclasses.replace(dataset, name=name, examples=sample.examples, table=sample.table, condition=None, sample=None)
        spec = _described(some, np.arange(len(sample.examples)), kind)
        return with_figures(spec, sample)
    if dataset.columns:
        return describe_table(dataset, rows)
    names, examples = dataset.feature_names, dataset.examples[rows]
    holes = share_of_holes(examples)
    whole = filled(examples, name=dataset.name, names=names)
    if holes.any() and whole.ndim > 2 and bool(((whole >= 0) & (whole <= _WHITE) & (whole == np.rint(whole))).all()):
        # Pictures of bytes, which holes have made floating-point numbers.
        whole = whole.astype(np.uint8)
    spec = describe(whole, names, num_levels=dataset.num_levels, kind=kind, name=dataset.name, rows=rows)
    if dataset.spread is not None:
        # Of the values that training draws: a code of M1 that says nothing has means near 0, and draws of variance 1.
        own = np.sqrt(np.square(dataset.spread[rows], dtype=np.float64).mean(axis=0)).reshape(-1)
        spec = dataclasses.replace(spec, std=tuple(np.hypot(spec.std, own).tolist()))
    return dataclasses.replace(spec, holes=tuple(holes.tolist())) if holes.any() else spec
