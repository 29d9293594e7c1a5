"""From a run's folder, or a model with the record of its training, and from data to a summary."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..assembly.build import build_objective
from ..config import RunConfig
from ..data.dataset import Dataset
from ..data.examples import examples_of
from ..data.spec import DataSpec
from ..data.splits import Split
from ..errors import LowerboundError
from ..evaluation import active_units, completed, decode, estimate_evidence, kl_by_latent, posterior_means, reconstruction, sample
from ..evaluation.estimates import mean_and_error
from ..models import AbstractLatentVariableModel
from ..runs.folder import RunFolder
from .examination import examine
from .summary import NATS, RunSummary, Score, scores_of

# What a summary says as `run.json` does.
_OF_RUN = ("recipe", "command", "versions", "machine", "started", "seconds", "best_epoch", "stop_reason")
NUM_SAMPLES, NUM_PAIRS, NUM_LATENT_POINTS = 100, 40, 3000
# Of a table, whose rows are not looked at one by one.
NUM_TABLE_ROWS = 1000


def summarize(
    folder: RunFolder,
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    config: RunConfig,
    dataset: Dataset | None,
    split: Split,
    shown: str,
    evaluation: Mapping[str, Any] | None,
    *,
    data_problem: str = "",
) -> RunSummary:
    """Everything that the pictures, the page and the checks take from a run.

    - `dataset`: the run's own data, or None where they cannot be used, for the reason in `data_problem`.
    - `shown`: the split that is shown and examined. `evaluation`: its scores as plain numbers, where there are some.
    """
    info = folder.info()
    # The record of training is then of other examples, or of other networks, than the scores of held-out ones.
    is_apart = bool(config.training.hide_elements or config.network.get("dropout", 0)) and model.has_density
    return summarize_model(
        model,
        spec,
        config,
        dataset,
        split,
        shown,
        name=folder.path.name,
        folder=str(folder.path),
        history=folder.metrics.read(),
        loss_is_bound=build_objective(config, 1, max(len(split.train), 1)).is_bound,
        scores=() if evaluation is None else scores_of(evaluation, model.given),
        bound_on_training=_bound_on_training(model, spec, dataset, split) if is_apart and dataset is not None else None,
        epochs_run=info["epochs_done"],
        data_problem=data_problem,
        choices=folder.choices,
        tried=tuple(_origins(folder)),
        **{name: info[name] for name in _OF_RUN},
    )


def summarize_model(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    config: RunConfig,
    dataset: Dataset | None,
    split: Split,
    shown: str,
    **of_training: Any,
) -> RunSummary:
    """What can be told of a model and data, beside what its training left.

    - `of_training`: fields of `RunSummary`: its `name`, its `history` and more.
    """
    of_data = _without_data(model, spec, config) if dataset is None else _of_data(model, spec, config, dataset, split, shown)
    return RunSummary(
        data_name=config.data.name,
        spec=spec.of_model,
        num_train=len(split.train),
        num_validation=len(split.validation),
        num_test=len(split.test),
        config=config,
        measure=model.measure,
        given=model.given,
        latent_blocks=model.latent_blocks,
        split_shown=shown,
        **of_training,
        **of_data,
    )


def _bound_on_training(model: AbstractLatentVariableModel, spec: DataSpec, dataset: Dataset, split: Split) -> Score:
    """The bound on whole training examples, without dropout."""
    found = estimate_evidence(model, examples_of(dataset, _some(split.train), spec), 1)
    value, error = mean_and_error(found.elbo)
    return Score("elbo_nats", value, NATS, model.measure, "train", standard_error=error, given=model.given)


def _some(rows: np.ndarray) -> np.ndarray:
    """At most `NUM_LATENT_POINTS` of these rows, from all over them: the training rows of a user's own split may be sorted."""
    return rows if len(rows) <= NUM_LATENT_POINTS else np.random.default_rng(0).choice(rows, NUM_LATENT_POINTS, replace=False)


def _origins(folder: RunFolder) -> Iterator[RunConfig]:
    """The configurations of the runs from whose config.toml a run was made, as its command says, as far as they can be read."""
    known = {folder.path.resolve()}
    while True:
        words = shlex.split(str(folder.info()["command"]).replace("--recipe=", "--recipe "))
        recipe = Path(words[words.index("--recipe") + 1]) if "--recipe" in words[:-1] else Path()
        if recipe.name != folder.config_file.name or recipe.parent.resolve() in known:
            return
        known.add(recipe.parent.resolve())
        try:
            folder = RunFolder.open(recipe.parent)
            yield folder.config()
        except LowerboundError:
            return


def _of_data(
    model: AbstractLatentVariableModel, spec: DataSpec, config: RunConfig, dataset: Dataset, split: Split, shown: str
) -> dict[str, Any]:
    rows = getattr(split, shown)
    examples, shown_data = spec.to_model(dataset.examples[rows]), completed(model, examples_of(dataset, rows, spec))
    # All examples of the split, as `evaluate` and `latents` take, so that all faces call the same latents active.
    means = posterior_means(model, shown_data)
    active, points = active_units(means), rows[:NUM_LATENT_POINTS]
    seed = config.training.seed
    # Seeded, so that a report made again is the same report.
    number, num_pairs = (NUM_TABLE_ROWS, NUM_TABLE_ROWS) if spec.columns else (NUM_SAMPLES, NUM_PAIRS)
    real = np.random.default_rng(seed).permutation(split.train)[:number]
    # A conditional model draws its samples under the conditions of the real examples beside them.
    given = completed(model, examples_of(dataset, np.resize(real, number), spec)).condition
    condition = None if given is None else np.asarray(given)
    train = completed(model, examples_of(dataset, _some(split.train), spec))
    return {
        "samples": sample(model, number, condition=condition, draw=True, seed=seed),
        "sample_means": None if model.shows_draws else sample(model, number, condition=condition, draw=False, seed=seed),
        "real": spec.to_model(dataset.examples[real]),
        "originals": examples[:num_pairs],
        "reconstructions": decode(model, means[:num_pairs], condition=shown_data[:num_pairs].condition),
        "latent_means": means[:NUM_LATENT_POINTS],
        "latent_is_active": active,
        "kl_by_latent_nats": kl_by_latent(model, shown_data) if model.has_density else None,
        "reconstruction": None if model.has_density else reconstruction(model, spec, shown_data, split=shown),
        "labels": None if dataset.labels is None else dataset.labels[points],
        "factors": None if dataset.factors is None else dataset.factors[points],
        "factor_names": dataset.factor_names,
        "examination": examine(model, spec.of_model, shown_data, train, split=shown, active=active, seed=seed),
    }


def _without_data(model: AbstractLatentVariableModel, spec: DataSpec, config: RunConfig) -> dict[str, Any]:
    """What can be known of a model alone: its samples, where it needs no condition for them."""
    nothing = np.empty((0, *spec.event_shape), np.float32)
    can_sample = model.condition_dim == 0
    seed = config.training.seed
    means = sample(model, NUM_SAMPLES, draw=False, seed=seed) if can_sample and not model.shows_draws else nothing
    return {
        "samples": sample(model, NUM_SAMPLES, seed=seed) if can_sample else nothing,
        "sample_means": None if model.shows_draws else means,
        "real": nothing,
        "originals": nothing,
        "reconstructions": nothing,
        "latent_means": np.empty((0, model.latent_dim), np.float32),
        "latent_is_active": np.zeros(model.latent_dim, bool),
    }
