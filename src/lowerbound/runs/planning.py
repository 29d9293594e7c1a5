"""What training is about to do: the split, the description of the data, and the configuration that they decide."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..assembly.automatic import Choice, choose, with_choices
from ..assembly.build import check_same_model, infers_labels, resolve, told_labels
from ..assembly.laws import with_laws
from ..config import ResolvedConfig, RunConfig, with_changes
from ..config.catalogue import class_of
from ..config.entry import AUTO, KINDS
from ..data.columns.infer import is_of_several_kinds
from ..data.dataset import Dataset
from ..data.describe_dataset import describe_dataset
from ..data.describe_table import table_of_numbers, with_columns
from ..data.holes import filled
from ..data.labels import label_values
from ..data.plausibility import check_float32, check_like_training
from ..data.spec import DataSpec
from ..data.splits import Split, shuffled_split, split_around
from ..data.streams import rows_of
from ..data.streams.sample import sample_of
from ..errors import ConfigurationError, DataError, warn_of_data

# Of held-out rows that are not in memory.
_MOST_ROWS_LOOKED_AT = 2000


class Plan(NamedTuple):
    """What a run would train on, and how; `choices` are those that the data made."""

    split: Split
    spec: DataSpec
    config: ResolvedConfig
    choices: tuple[Choice, ...]


class Before(NamedTuple):
    """The model that training goes on from: its data's description, and its configuration as resolved."""

    spec: DataSpec
    config: ResolvedConfig


def plan(
    config: RunConfig,
    dataset: Dataset,
    given: Mapping[str, Mapping[str, Any]] | None,
    *,
    parts: Mapping[str, Any] = {},
    before: Before | None = None,
) -> Plan:
    """The split, the description of its training examples, and the configuration that they decide.

    - `given`: what was set beside an automatic recipe; the data choose the rest. None: `config` is all.
    - `parts`: objects that take the place of the configured parts, by kind.
    - `before`: where training goes on from a model. What it is made of is set then, and the data choose how it is trained.

    Raises `ConfigurationError`, also where the configuration asks for another model than the one before, and `DataError`.
    """
    split = _choose_split(config, dataset)
    if rows_of(dataset.examples):
        dataset = dataclasses.replace(dataset, sample=sample_of(dataset.examples, split.train))
        config = config.updated({"data": {"memory": "streamed"}})
    if before is None and given is not None and _has_columns(given, parts, dataset, split):
        dataset = with_columns(dataset)
    spec = described(config, dataset, split) if before is None else before.spec
    choices: list[Choice] = []
    if given is not None:
        if before is not None:
            made_of = {kind: keys for kind, keys in before.config.to_dict().items() if kind in KINDS and kind != "objective"}
            config, given = (
                RunConfig.from_dict(with_changes(with_changes(config.to_dict(), made_of), given)),
                with_changes(made_of, given),
            )
        some = dataset.examples[split.train] if dataset.sample is None else dataset.sample.examples
        choices = choose(config, given, spec, filled(some, name=dataset.name), parts, count=len(split.train))
        config = with_choices(config, given, choices)
    config = resolve(config, spec, parts)
    if before is not None:
        check_same_model(before.config, config)
    return Plan(split, spec, config, tuple(choices))


def described(config: RunConfig, dataset: Dataset, split: Split) -> DataSpec:
    """The description of the training examples, and of the labels that the model is told where it infers them."""
    if config.likelihood.name == "mixed":
        dataset = with_columns(dataset)
    spec = describe_dataset(dataset, split.train, config.data.kind, told_labels(config, dataset, split))
    return with_laws(spec, is_at_random=class_of("mask", config.mask.name).is_ignorable)


def check_held_out(dataset: Dataset, split: Split, spec: DataSpec) -> None:
    """Warn of rows for validation or test that are unlike those to train on: in other units, of a later time, with absurd cells.

    - `dataset`: in the form that `spec` describes.

    Raises `DataError` for what float32 cannot hold, of which nothing could be computed.
    """
    for part in ("validation", "test"):
        rows = getattr(split, part)
        if not len(rows):
            continue
        if rows_of(dataset.examples):
            # All of them would be one more look through data that are not in memory.
            rows = rows[np.unique(np.linspace(0, len(rows) - 1, _MOST_ROWS_LOOKED_AT).astype(int))]
        # Those that a person chose may come from a file of their own, and are counted for themselves.
        is_chosen = part == "validation" and not (dataset.validation is None and dataset.split is None)
        name, numbers = (f"{dataset.name}, the rows for validation", None) if is_chosen else (dataset.name, rows)
        array = dataset.examples[rows]
        check_float32(spec.to_model(array), spec, name, numbers)
        try:
            check_like_training(array, spec, name=name, rows=numbers)
        except DataError as error:
            warn_of_data(str(error))


def _has_columns(given: Mapping[str, Mapping[str, Any]], parts: Mapping[str, Any], dataset: Dataset, split: Split) -> bool:
    """Whether rows of numbers are taken for columns of several kinds: where they are, and nothing was set that speaks against."""
    if dataset.columns or "likelihood" in parts:
        return False
    plain = {"likelihood": {"name": "mixed"}, "data": {"scaling": "auto", "kind": "auto"}}
    for section, keys in plain.items():
        own = given.get(section, {})
        if any(own.get(key, value) not in (value, "auto") for key, value in keys.items()):
            return False
    if set(given.get("likelihood", {})) - {"name"} or "name" in given.get("prior", {}):
        return False
    network = given.get("network", {}).get("name", AUTO)
    if network != AUTO and "image_shape" in inspect.signature(class_of("network", network)).parameters:
        return False
    table = table_of_numbers(dataset)
    return table is not None and is_of_several_kinds(table.rows(split.train) if dataset.sample is None else table)


def _choose_split(config: RunConfig, dataset: Dataset) -> Split:
    """The split that comes with the data, or a seeded shuffle with the configuration's sizes, around rows that were chosen.

    Of rows that lie in blocks each part is in their order, in which it is read.
    """
    split = _split_of(config, dataset)
    if not (rows_of(dataset.examples) and dataset.examples.starts is not None):
        return split
    return dataclasses.replace(split, **{part: np.sort(getattr(split, part)) for part in split.sizes})


def _split_of(config: RunConfig, dataset: Dataset) -> Split:
    if dataset.split is not None:
        return dataset.split
    data = config.data
    if dataset.validation is not None:
        return split_around(dataset.validation, len(dataset.examples), test=data.test, seed=data.split_seed)
    if isinstance(data.validation, str):
        raise ConfigurationError(
            f"data.validation is {data.validation!r}, but {dataset.name} was loaded without it; load the data with "
            "load_configured."
        )
    kept = None
    if infers_labels(config) and dataset.condition is not None and not data.labelled:
        # Where few have a label, none of them is held out.
        _, known = label_values(dataset.condition, dataset.condition_name)
        kept = None if known.all() else known
    return shuffled_split(len(dataset.examples), validation=data.validation, test=data.test, seed=data.split_seed, kept=kept)
