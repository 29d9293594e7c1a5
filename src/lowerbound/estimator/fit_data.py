"""The data set that `fit` is given: rows with what each of them has, and those that a person chose for validation."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from ..data.dataset import Dataset
from ..errors import ConfigurationError
from .inputs import condition_values, examples_for_fit, own_validation, spread_of, weights_of
from .table_inputs import dataset_of_table, table_of


def dataset_for_fit(
    X: Any,
    estimator: BaseEstimator,
    *,
    schema: Any,
    validation: Any,
    memory: str,
    condition: Any,
    are_labels: bool = False,
    sample_weight: Any,
    spread: Any,
) -> Dataset:
    """The examples of a fit, with a split where `validation` names rows or is rows of its own; as `VAE` takes its arguments.

    - `estimator`: one that is not fitted, which notes the names of the columns.
    - `are_labels`: whether the condition is a label, which examples may lack.

    Raises `DataError` and `ConfigurationError`.
    """
    table = table_of(X, schema)
    dataset = Dataset("X", examples_for_fit(X, estimator, memory)) if table is None else dataset_of_table(table, schema)
    array = dataset.examples
    given = None if condition is None else condition_values(condition, len(array), are_labels=are_labels)
    weight = weights_of(sample_weight, len(array))
    std = None if spread is None else spread_of(spread, array.shape)
    if table is not None and hasattr(validation, "columns"):
        raise ConfigurationError(
            "validation is a data frame of its own, and X is a table with columns of several kinds; give the rows among X, "
            "with their numbers as validation."
        )
    own = own_validation(validation, array, estimator)
    if own is not None and len(own[1]) > len(array):
        if given is not None or weight is not None or std is not None:
            raise ConfigurationError(
                "validation holds examples of its own, which have no condition, weight or spread; give them among X, with "
                "the numbers of their rows as validation."
            )
        array = own[1]
    names = tuple(getattr(estimator, "feature_names_in_", ())) if table is None else dataset.feature_names
    return Dataset(
        "X",
        array,
        split=own[0] if own else None,
        condition=given,
        condition_name="condition",
        feature_names=names,
        weight=weight,
        spread=std,
        table=table,
        columns=dataset.columns,
    )
