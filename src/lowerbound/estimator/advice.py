"""What is the matter with a fitted estimator: the checks that `lowerbound doctor` makes, with their advice in Python."""

from __future__ import annotations

import dataclasses
import itertools
import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..assembly.build import build_objective
from ..config import merged, parse_overrides
from ..data.dataset import Dataset
from ..data.splits import Split
from ..diagnosis import Diagnosis, diagnose
from ..summaries import summarize_model
from ..training import ALL_EPOCHS, STOPPED_EARLY
from .parameters import PARAMETERS
from .result import Fitted


def diagnose_fitted(fitted: Fitted, dataset: Dataset, further: Mapping[str, Any] | None) -> Diagnosis:
    """Make every check that a model, the record of its training and some examples allow.

    - `further`: the estimator's parameter `config`, which advice adds to.
    """
    rows = np.arange(len(dataset.examples))
    epochs = fitted.history.get("epoch", np.zeros(1))
    bounds = fitted.history.get("validation_elbo_nats", np.full(len(epochs), np.nan))
    objective = fitted.parts.get("objective") or build_objective(fitted.config, 1, len(rows))
    summary = summarize_model(
        fitted.model,
        fitted.spec,
        fitted.config,
        dataset,
        Split(rows, rows[:0], rows[:0]),
        "train",
        name="VAE",
        recipe="",
        choices=fitted.choices,
        history=fitted.history,
        loss_is_bound=objective.is_bound,
        epochs_run=float(epochs[-1]),
        best_epoch=float(epochs[np.nanargmax(bounds)]) if np.isfinite(bounds).any() else 0.0,
        stop_reason=STOPPED_EARLY if 0 < epochs[-1] < fitted.config.training.epochs else ALL_EPOCHS,
    )
    found = diagnose(summary)
    findings = ((name, dataclasses.replace(each, command=in_python(each.command, further))) for name, each in found.findings)
    return dataclasses.replace(found, findings=tuple(findings))


def in_python(command: str, further: Mapping[str, Any] | None) -> str:
    """What sets an estimator's parameters as a command of `lowerbound train` does its options, and fits it again."""
    keys = {"--set": "", "--epochs": "training.epochs="}
    pairs = itertools.pairwise(shlex.split(command))
    changes = parse_overrides([keys[option] + value for option, value in pairs if option in keys])
    names = {key: name for name, key in PARAMETERS.items()}
    values: dict[str, Any] = {}
    for section, keys in changes.items():
        for key, value in keys.items():
            if (section, key) in names:
                values[names[section, key]] = value
            else:
                values["config"] = merged(values.get("config", further or {}), {section: {key: value}})
    return f"vae.set_params({', '.join(f'{name}={value!r}' for name, value in values.items())}).fit(X)" if values else ""
