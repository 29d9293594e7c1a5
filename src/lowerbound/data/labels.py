"""Labels that are known of some examples alone, and of which training examples a model is told them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ConfigurationError, DataError
from .checks import check_no_mask
from .conditions import condition_array
from .dataset import Dataset
from .splits import Split

# What stands for a missing label among whole numbers, as in scikit-learn.
UNLABELLED = -1


def label_values(values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(labels, (n,) booleans that are False where an example has none).

    - `values`: (n,) whole numbers, with -1 or NaN for no label; texts, with an empty one, None or NaN; or booleans.

    Raises `DataError` for anything else.
    """
    check_no_mask(values, name)
    if hasattr(values, "columns"):
        columns = values.columns
        values = values[columns[0]] if len(columns) == 1 else condition_array(values, name)
    try:
        raw = np.asarray(values)
    except ValueError:
        raw = condition_array(values, name)
    if raw.dtype.kind == "U" and not hasattr(values, "dtype"):
        raw = np.asarray(values, object)
    if str(getattr(values, "dtype", "")) == "category":
        raw = raw.astype(object)
    if raw.dtype.kind == "O":
        # NaN is not itself; pandas' own missing value cannot be compared.
        missing = np.asarray([each is None or _is_missing(each) for each in raw.reshape(-1).tolist()]).reshape(raw.shape)
        filled = raw.copy()
        filled[missing] = next(iter(raw[~missing].tolist()), 0)
        array = condition_array(filled, name)
        found = ~missing
    else:
        array = condition_array(values, name)
        found = np.ones(array.shape, bool)
    if array.ndim == 2 and array.shape[1] == 1:
        array, found = array[:, 0], found[:, 0]
    if array.ndim != 1 or array.dtype.names:
        raise DataError(
            f"the labels {name!r} have several columns ({', '.join(array.dtype.names or ()) or array.shape}); expected one class "
            "for each example."
        )
    if array.dtype.kind == "U":
        return array, found & (array != "")
    if array.dtype.kind == "f":
        found &= np.isfinite(array)
        whole = np.where(found, array, UNLABELLED)
        if (odd := np.flatnonzero(whole != np.rint(whole))).size:
            raise DataError(
                f"the label {name!r} is {whole[odd[0]]:g} in row {odd[0]}, which is no class; expected whole numbers or texts, "
                "and -1, NaN or an empty cell where there is no label. A continuous target has no classes."
            )
        array = whole.astype(np.int64)
    return array, found if array.dtype.kind == "b" else found & (array != UNLABELLED)


def label_column(values: Any, name: str) -> np.ndarray:
    """(n,) labels as a data set holds them: "" among texts and -1 among whole numbers where an example has none.

    - `values`: as `label_values` takes them.
    """
    labels, found = label_values(values, name)
    if labels.dtype.kind == "U":
        return np.where(found, labels, "")
    return labels if labels.dtype.kind == "b" and found.all() else np.where(found, labels.astype(np.int64), UNLABELLED)


def told_rows(dataset: Dataset, split: Split, count: int, seed: int) -> np.ndarray:
    """(n,) booleans: the training examples whose label a model is told, `count` drawn evenly from the classes; 0 for all.

    Raises `ConfigurationError` when there are not so many, or fewer than classes, and `DataError` for labels that are none.
    """
    told = np.zeros(len(dataset.examples), bool)
    if dataset.condition is None:
        return told
    labels, found = label_values(dataset.condition, dataset.condition_name)
    rows = split.train[found[split.train]]
    if count == 0:
        told[rows] = True
        return told
    labels = labels[rows]
    classes = np.unique(labels)
    if not len(classes) <= count <= len(rows):
        raise ConfigurationError(
            f"data.labelled is {count}, but {len(rows):,} training examples have a label, of {len(classes)} classes; expected a "
            f"number from {len(classes)} to {len(rows)}, or 0 for all."
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    order = [rng.permutation(rows[labels == each]) for each in classes]
    # One of each class in turn, so that no class is left out, and small ones give what they have.
    turns = np.concatenate([np.arange(len(each)) for each in order])
    told[np.concatenate(order)[np.argsort(turns, kind="stable")[:count]]] = True
    return told


def _is_missing(value: object) -> bool:
    try:
        return bool(value != value)
    except TypeError:
        return True
