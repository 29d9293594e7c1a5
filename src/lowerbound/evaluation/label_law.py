"""P(label | the rest of an example): of a coded column of a table, of a label that is inferred, of a class that is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from ..config.catalogue import first_with
from ..data.conditions import in_words
from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError, unknown_name_message
from ..models import AbstractLatentVariableModel
from .classes import class_probabilities
from .evidence import estimate_evidence
from .imputation import impute

By = Literal["auto", "classifier", "bayes"]
LABEL_SAMPLES = 200


class Label(NamedTuple):
    """A label of which a model knows the law.

    - `name`: the column's, or the condition's. `place`: the column among the elements of an example; None for the condition.
    - `classes`: its values, in order. `shares`: (classes,) how often training has each.
    """

    name: str
    place: int | None
    classes: tuple[float | str, ...]
    shares: np.ndarray


def label_of(model: AbstractLatentVariableModel, spec: DataSpec, target: str | None = None, *, name: str = "target") -> Label:
    """The label of this name: a coded column of a table, or the condition; the condition where no name is given.

    - `name`: what messages call the argument.

    Raises `ConfigurationError` where there is none, or it is a column of numbers.
    """
    given, names = spec.condition, [column.name for column in spec.columns]
    if target in names:
        column = spec.columns[names.index(target)]
        if not column.is_coded:
            raise ConfigurationError(
                f"{name} is {target!r}, which is {column.kind} and no category; use predict, or impute for intervals too."
            )
        counts = np.asarray(column.counts, np.float64)
        return Label(column.name, names.index(target), column.categories, counts / counts.sum())
    if target is not None and (given is None or target != given.name):
        known = [*names, *([] if given is None else [given.name])]
        if not known:
            raise ConfigurationError(
                f"{name} is {target!r}, but this model is of numbers without kinds; fit it on a data frame with texts, days or "
                "cells without a value, or with a schema, and each column can be predicted."
            )
        raise ConfigurationError(unknown_name_message(name, target, known))
    if given is None and names:
        raise ConfigurationError(f"{name} is missing: expected the name of the column to predict, of {', '.join(names[:10])}.")
    if given is None:
        raise ConfigurationError(
            f"this model, a {type(model).__name__}, infers no labels; train one with "
            f"model.name={first_with('model', infers_condition=True)}."
        )
    if not given.categories:
        raise ConfigurationError(f"the condition {given.name!r} is {given.words}, and no class; expected classes to tell apart.")
    return Label(given.name, None, given.categories, given.shares)


def label_probabilities(
    model: AbstractLatentVariableModel,
    data: Example,
    label: Label,
    *,
    by: str = "auto",
    num_samples: int = LABEL_SAMPLES,
    seed: int = 0,
) -> np.ndarray:
    r"""P(label | the rest) of each example and class, (n, classes) float64; its own label is not looked at.

    - Of a column: p(label | x_observed) by importance sampling of z given the other cells (`impute`).
    - Of the condition, "classifier": q(y|x) of a model that infers it. "bayes":

          p(y|x) = s_y p(x|y) / \sum_c s_c p(x|c),   s_y the share of the class among training examples,

      each p(x|y) by importance sampling with K = `num_samples`. "auto" is the classifier where the model has one.

    Raises `ConfigurationError` for a `by` that the label does not have.
    """
    if by not in get_args(By):
        raise ConfigurationError(unknown_name_message("by", by, get_args(By)))
    if label.place is not None:
        if by != "auto":
            raise ConfigurationError(
                f"by is {by!r}, which is of the classes that a model is given or infers; {label.name!r} is a column among others."
            )
        return _of_column(model, data, label.name, label.place, num_samples, seed)
    if by == "classifier" or (by == "auto" and model.infers_condition):
        return class_probabilities(model, data)
    return _by_bayes(model, data, label, num_samples, seed)


def numbers_of_labels(label: Label, values: Sequence[float | str]) -> np.ndarray:
    """The number of each label among the classes, (n,); raises `DataError` for one that training saw of no example."""
    is_text = any(isinstance(each, str) for each in label.classes)
    own = [in_words(each) for each in values] if is_text else values
    place = {each: number for number, each in enumerate(label.classes)}
    for row, each in enumerate(own):
        if each not in place:
            raise DataError(
                f"the label {in_words(each)!r} of example {row} is none of the classes of which training saw a labelled example: "
                f"{', '.join(map(in_words, label.classes))}. Train with an example of it, or leave these examples out."
            )
    return np.asarray([place[each] for each in own], int)


def without_column(data: Example, place: int) -> Example:
    """The examples with this element withheld."""
    kept = np.ones(data.x.shape, bool)
    kept[:, place] = False
    return data.showing(kept)


def _of_column(
    model: AbstractLatentVariableModel, data: Example, name: str, place: int, num_samples: int, seed: int
) -> np.ndarray:
    found = impute(model, without_column(data, place), num_samples=num_samples, seed=seed)
    if place not in found.probabilities:
        raise ConfigurationError(
            f"the column {name!r} has a law of numbers in this model, and no probability for each value; train with its own "
            "likelihood, categorical or ordinal."
        )
    # What training did not see is no answer.
    masses = found.probabilities[place][:, :-1].astype(np.float64)
    return masses / masses.sum(axis=1, keepdims=True)


def _by_bayes(model: AbstractLatentVariableModel, data: Example, label: Label, num_samples: int, seed: int) -> np.ndarray:
    rows = []
    for one_hot in np.eye(len(label.classes), dtype=np.float32):
        given = dataclasses.replace(data, condition=np.repeat(one_hot[None], len(data), axis=0))
        # The same draws under each class, so that their noise does not decide.
        rows.append(np.asarray(estimate_evidence(model, given, num_samples, seed=seed).log_evidence, np.float64))
    with np.errstate(divide="ignore"):
        log_joint = np.stack(rows, axis=1) + np.log(label.shares)
    # Where x has no probability under any class, nothing is learned of it.
    log_joint = np.where(np.isfinite(log_joint.max(axis=1, keepdims=True)), log_joint, np.log(label.shares))
    shares = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)
