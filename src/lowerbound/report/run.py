"""From a finished run to its pictures and its page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from jax.sharding import Mesh

from ..config import RunConfig
from ..data.dataset import Dataset
from ..data.examples import examples_of
from ..data.spec import DataSpec
from ..data.splits import Split
from ..diagnosis import Diagnosis, diagnose
from ..errors import DataError
from ..evaluation import ColumnCoverage, Evaluation, Intervals, evaluate, hide_and_fill, levels_of
from ..models import AbstractLatentVariableModel
from ..runs.folder import RunFolder
from ..storage.atomic import write_text
from ..summaries import summarize
from ..summaries.summary import COVERAGE
from .figures import save_all

# The scores of a report must not take longer than the training: many importance samples only for few examples, and where the
# decoder puts out so many numbers for them at most.
MANY_SAMPLES, FEW_SAMPLES, FEW_EXAMPLES, MOST_OUTPUTS = 1000, 100, 1000, 2**32
# Held-out rows of a table in which known cells are hidden, one after the other.
_ROWS_WITH_HIDDEN_CELLS = 300
FILES: Mapping[str, str] = {
    "report.html": "this page",
    "samples.png": "new examples: decoder means of draws from the prior",
    "reconstructions.png": "examples above what the decoder makes of their codes",
    "learning_curve.png": "bound and KL against epochs",
    "latent_space.png": "where the encoder puts the examples, and what each latent carries",
    "config.toml": "the configuration as resolved; itself a recipe",
    "metrics.csv": "the training's figures, one row for each look",
    "evaluation.json": "the scores in this page",
    "classification.json": "how right predicted labels are, where `lowerbound classify` measured it",
    "model/": "the trained model: config.json and weights.safetensors",
    "checkpoints/": "from which `lowerbound train --resume` continues",
    "split.npz": "which examples were for training, validation and test",
    "run.json": "versions, machine, times, fingerprints of the data",
    "events.out.tfevents.*": "TensorBoard's log: curves, pictures, the graph",
}


def write_report(
    folder: RunFolder,
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    mesh: Mesh | None = None,
) -> tuple[Evaluation | None, Diagnosis]:
    """Evaluate and examine a finished run on its best held-out split; write evaluation.json, the four pictures and report.html.

    - `mesh`: the devices that share the examples to evaluate; one by default.

    A deterministic autoencoder has no scores: None, and no evaluation.json.

    Raises `SavingError`.
    """
    from .page import render_report

    shown = split.best_held_out
    evaluation = None
    if model.has_density:
        data = examples_of(dataset, getattr(split, shown), spec)
        is_quick = len(data) <= FEW_EXAMPLES and len(data) * MANY_SAMPLES * model.outputs_per_example <= MOST_OUTPUTS
        num_samples = MANY_SAMPLES if is_quick else FEW_SAMPLES
        evaluation = evaluate(model, spec, data, num_samples=num_samples, split=shown, mesh=mesh)
        folder.write_scores(evaluation.to_json())
    scores = None if evaluation is None else evaluation.to_json()
    summary = dataclasses.replace(
        summarize(folder, model, spec, config, dataset, split, shown, scores),
        files=FILES,
        hole_coverage=_hole_coverage(model, spec, dataset, split, shown),
    )
    diagnosis = diagnose(summary)
    save_all(summary, folder.path)
    write_text(folder.path / "report.html", render_report(summary, diagnosis))
    return evaluation, diagnosis


def _hole_coverage(
    model: AbstractLatentVariableModel, spec: DataSpec, dataset: Dataset, split: Split, shown: str
) -> tuple[ColumnCoverage, ...]:
    """How intervals of a table's cells hold in held-out rows whose known cells are hidden as those of the training rows are."""
    if not (spec.columns and spec.holes and model.has_density) or model.hidden_need_observed or shown == "train":
        return ()
    missing = np.isnan(dataset.examples[split.train])
    rows = getattr(split, shown)[:_ROWS_WITH_HIDDEN_CELLS]
    data, levels = examples_of(dataset, rows, spec), levels_of(COVERAGE)
    try:
        cells = hide_and_fill(model, spec, data, missing[missing.any(axis=1)], levels=levels, num_samples=FEW_SAMPLES)
    except DataError:
        # None of these rows has a value where others have none.
        return ()
    return Intervals(cells, spec, COVERAGE).coverage
