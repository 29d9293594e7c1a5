"""Runs that are really trained, small and fast, each with one thing the matter, or with nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from post_formula import PostGaussian

from lowerbound.config import RunConfig
from lowerbound.data.dataset import Dataset
from lowerbound.likelihoods import Gaussian
from lowerbound.models import SingleLayer
from lowerbound.runs.training import TrainingRun
from lowerbound.training import Trainer

# Linear networks learn in a second; the truth is then probabilistic PCA.
LINEAR: dict[str, dict[str, Any]] = {
    "model": {"latent_dim": 6},
    "network": {"hidden_widths": []},
    "training": {"epochs": 40, "batch_size": 50, "learning_rate": 0.01, "learning_rate_schedule": "cosine"},
}


def factors(strength: float, *, num_examples: int = 1500, size: int = 30, number: int = 6, seed: int = 0) -> np.ndarray:
    """Rows with `number` hidden factors, each with `strength` times the noise's variance along its direction; noise 1."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((size, number)))[0] * np.sqrt(strength)
    return rng.standard_normal((num_examples, number)) @ directions.T + rng.standard_normal((num_examples, size))


def train(folder: Path, data: np.ndarray, *changes: dict[str, dict[str, Any]], wrong_formula: bool = False) -> Path:
    """Train a run on `data` (also saved beside the folder, so that the run finds them again)."""
    file = folder.with_suffix(".npy")
    np.save(file, data)
    config = RunConfig.from_dict(LINEAR)
    for change in changes:
        config = config.updated(change)
    config = config.updated({"data": {"name": str(file)}})
    run = TrainingRun.begin(folder, config, Dataset(str(file), data), recipe="default", command=f"lowerbound train {file}")
    if wrong_formula:
        model = run.trainer.current_model(run.progress)
        assert isinstance(model, SingleLayer)
        right = model.likelihood
        assert isinstance(right, Gaussian)
        wrong = dataclasses.replace(model, likelihood=PostGaussian(right.event_shape, right.scale_floor, right.mean_range))
        objective = run.trainer.fixed.objective
        run.trainer = Trainer(wrong, run.part("train"), run.part("validation"), objective, run.config.training)
        run.progress = run.trainer.start()
    run.run()
    return folder
