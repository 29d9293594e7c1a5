"""From a finished run to its pictures and its page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..config import RunConfig
from ..data.dataset import Dataset
from ..data.examples import examples_of
from ..data.spec import DataSpec
from ..data.splits import Split
from ..evaluation import Evaluation, active_units, decode, evaluate, kl_by_latent, posterior_means, sample
from ..models import AbstractLatentVariableModel
from ..runs.folder import RunFolder
from ..storage.atomic import write_text
from .figures import save_all
from .summary import RunSummary, scores_of

# The scores of a report must not take longer than the training: many importance samples only for few examples.
MANY_SAMPLES, FEW_SAMPLES, FEW_EXAMPLES = 1000, 100, 1000
NUM_SAMPLES, NUM_PAIRS, NUM_LATENT_POINTS = 100, 40, 3000
FILES: Mapping[str, str] = {
    "report.html": "this page",
    "samples.png": "new examples: decoder means of draws from the prior",
    "reconstructions.png": "examples above what the decoder makes of their codes",
    "learning_curve.png": "bound and KL against epochs",
    "latent_space.png": "where the encoder puts the examples, and what each latent carries",
    "config.toml": "the configuration as resolved; itself a recipe",
    "metrics.csv": "the training's figures, one row for each look",
    "evaluation.json": "the scores in this page",
    "model/": "the trained model: config.json and weights.safetensors",
    "checkpoints/": "from which `lowerbound train --resume` continues",
    "split.npz": "which examples were for training, validation and test",
    "run.json": "versions, machine, times, fingerprints of the data",
    "events.out.tfevents.*": "TensorBoard's log: curves, pictures, the graph",
}


def write_report(
    folder: RunFolder, model: AbstractLatentVariableModel, spec: DataSpec, config: RunConfig, dataset: Dataset, split: Split
) -> Evaluation | None:
    """Evaluate a finished run on its best held-out split; write evaluation.json, the four pictures and report.html.

    A deterministic autoencoder has no scores: None, and no evaluation.json.

    Raises `SavingError`.
    """
    import json

    from .page import render_report

    shown = next(name for name in ("test", "validation", "train") if len(getattr(split, name)))
    evaluation = None
    if model.has_density:
        data = examples_of(dataset, getattr(split, shown), spec)
        num_samples = MANY_SAMPLES if len(data) <= FEW_EXAMPLES else FEW_SAMPLES
        evaluation = evaluate(model, spec, data, num_samples=num_samples, split=shown)
        write_text(folder.path / "evaluation.json", json.dumps(evaluation.to_json(), indent=2) + "\n")
    summary = summarize(folder, model, spec, config, dataset, split, shown, evaluation)
    save_all(summary, folder.path)
    write_text(folder.path / "report.html", render_report(summary))
    return evaluation


def summarize(
    folder: RunFolder,
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    config: RunConfig,
    dataset: Dataset,
    split: Split,
    shown: str,
    evaluation: Evaluation | None,
) -> RunSummary:
    """Everything that the pictures and the page show of a run, from its folder, its model and its data."""
    rows = getattr(split, shown)[:NUM_LATENT_POINTS]
    examples, shown_data = dataset.examples[rows], examples_of(dataset, rows, spec)
    means = posterior_means(model, shown_data)
    # Seeded, so that a report made again is the same report.
    real = np.random.default_rng(config.training.seed).permutation(split.train)[:NUM_SAMPLES]
    # A conditional model draws its samples under the conditions of the real examples beside them.
    given = examples_of(dataset, np.resize(real, NUM_SAMPLES), spec).condition
    condition = None if given is None else np.asarray(given)
    info = folder.info()
    return RunSummary(
        name=folder.path.name,
        folder=str(folder.path),
        data_name=config.data.name,
        spec=spec,
        num_train=len(split.train),
        num_validation=len(split.validation),
        num_test=len(split.test),
        recipe=info["recipe"],
        config=config.to_dict(),
        history=folder.metrics.read(),
        measure=model.measure,
        samples=sample(model, NUM_SAMPLES, condition=condition, draw=True, seed=config.training.seed),
        sample_means=sample(model, NUM_SAMPLES, condition=condition, draw=False, seed=config.training.seed),
        real=dataset.examples[real],
        originals=examples[:NUM_PAIRS],
        reconstructions=decode(model, means[:NUM_PAIRS], condition=shown_data[:NUM_PAIRS].condition),
        latent_means=means,
        latent_is_active=active_units(means),
        kl_by_latent_nats=kl_by_latent(model, shown_data) if model.has_density else None,
        scores=() if evaluation is None else scores_of(evaluation.to_json()),
        labels=None if dataset.labels is None else dataset.labels[rows],
        factors=None if dataset.factors is None else dataset.factors[rows],
        factor_names=dataset.factor_names,
        split_shown=shown,
        command=info["command"],
        versions=info["versions"],
        machine=info["machine"],
        started=info["started"],
        seconds=info["seconds"],
        epochs_run=info["epochs_done"],
        best_epoch=info["best_epoch"],
        stop_reason=info["stop_reason"],
        files=FILES,
    )
