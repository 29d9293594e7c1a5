"""Examples for validation that a person chose: from a file of their own, or marked among the others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from ..errors import DataError
from .columns import RawTable, infer_columns
from .columns.raw import stacked
from .dataset import Dataset
from .endings import ENDINGS, ending_of
from .tables import Table, columns_of


def is_file(validation: str) -> bool:
    """Whether the name is that of a file or a folder, and not of a column or a variable."""
    path = Path(validation).expanduser()
    return ending_of(path) in ENDINGS or path.exists()


def with_examples(dataset: Dataset, other: Dataset) -> Dataset:
    """The data set with the examples of another at its end, for validation; a table's columns are found by their names.

    Raises `DataError` when they have other columns, another shape, or values that the type of the first does not hold.
    """
    if dataset.split is not None:
        raise DataError(f"{dataset.name} comes with its own split; leave data.validation ({other.name!r}) out.")
    if dataset.columns or other.columns:
        dataset, other = _in_columns(dataset, other)
    added = other.examples
    if dataset.feature_names and other.feature_names:
        added = columns_of(Table(added, other.feature_names), dataset.feature_names, other.name, f"of {dataset.name}")
    if added.shape[1:] != dataset.examples.shape[1:]:
        raise DataError(
            f"{other.name}, for validation, has examples of shape {added.shape[1:]}, but those of {dataset.name} have "
            f"{dataset.examples.shape[1:]}; expected the same."
        )
    count = len(dataset.examples)
    labels, names = _labels(dataset, other)
    condition = None
    if dataset.condition is not None and other.condition is not None:
        condition = _joined(dataset.condition, other.condition, dataset, other)
    return dataclasses.replace(
        dataset,
        examples=np.concatenate([dataset.examples, _in_type(added, dataset, other)]),
        validation=np.arange(count, count + len(added)),
        labels=labels,
        label_names=names,
        condition=condition,
        factors=None,
        factor_names=(),
        render=None,
        table=None if dataset.table is None or other.table is None else stacked(dataset.table, other.table),
    )


def _in_columns(dataset: Dataset, other: Dataset) -> tuple[Dataset, Dataset]:
    """Both with tables, and the columns of the first; a table of numbers becomes one with columns."""
    table, added = _table_of(dataset), _table_of(other)
    columns = dataset.columns or infer_columns(table)
    kept = [column for column in columns if not column.is_left_out]
    names = tuple(column.name for column in kept)

    def encoded(each: Dataset, table: RawTable) -> Dataset:
        examples = np.stack([column.encode(table) for column in kept], axis=1)
        return dataclasses.replace(each, examples=examples, feature_names=names, table=table, columns=columns)

    return encoded(dataset, table), encoded(other, added)


def _table_of(dataset: Dataset) -> RawTable:
    if dataset.table is not None:
        return dataset.table
    if dataset.examples.ndim != 2:
        raise DataError(f"{dataset.name} has examples of shape {dataset.examples.shape[1:]}; expected rows of a table.")
    names = dataset.feature_names or tuple(map(str, range(dataset.examples.shape[1])))
    return RawTable(dataset.name, names, tuple(dataset.examples.astype(np.float64).T), has_names=bool(dataset.feature_names))


def with_marked(dataset: Dataset, name: str, marks: np.ndarray) -> Dataset:
    """The data set with those rows for validation whose mark is 1 or TRUE.

    Raises `DataError` when there are other marks than 0 and 1, or none is 1.
    """
    is_mark = marks.dtype.kind in "biuf" and marks.size == len(marks) and bool(np.isin(marks, (0, 1)).all())
    if not is_mark or not marks.any():
        values = ", ".join(str(value) for value in np.unique(marks)[:5]) if marks.dtype.names is None else "several columns"
        raise DataError(
            f"data.validation is {name!r}, which holds {values}; expected 1 or TRUE for the rows for validation, one at least, "
            "and 0 or FALSE for the others."
        )
    return dataclasses.replace(dataset, validation=np.flatnonzero(marks))


def _in_type(added: np.ndarray, dataset: Dataset, other: Dataset) -> np.ndarray:
    """In the type of the training data, of which the type is a part: bytes are pixels."""
    kind = dataset.examples.dtype
    if kind.kind == "f":
        return added.astype(kind)
    with np.errstate(invalid="ignore"):
        converted = added.astype(kind)
    wrong = np.argwhere(converted != added)
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        raise DataError(
            f"{other.name}, for validation, has {added[index]} in row {index[0]}, which {kind}, the type of {dataset.name}, does "
            "not hold; expected the same kind of values in both."
        )
    return converted


def _joined(first: np.ndarray, second: np.ndarray, dataset: Dataset, other: Dataset) -> np.ndarray:
    """The conditions of both."""
    if (first.dtype.kind == "U") != (second.dtype.kind == "U") or first.shape[1:] != second.shape[1:]:
        raise DataError(
            f"the condition {dataset.condition_name!r} is of the type {second.dtype} in {other.name}, for validation, and of the "
            f"type {first.dtype} in {dataset.name}; expected the same."
        )
    return np.concatenate([first, second])


def _labels(dataset: Dataset, other: Dataset) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if dataset.labels is None or other.labels is None:
        return None, ()
    if not dataset.label_names:
        return np.concatenate([dataset.labels, other.labels]), ()
    names, labels = np.unique(
        np.concatenate([np.asarray(each.label_names)[each.labels] for each in (dataset, other)]), return_inverse=True
    )
    return labels, tuple(names.tolist())
