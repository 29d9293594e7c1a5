"""Runs to report on: summaries of healthy and of troubled runs, made without training anything."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.faces import Faces, generate_faces
from lowerbound.data.spec import DataSpec
from lowerbound.evaluation.aggregate import AggregateEstimate
from lowerbound.evaluation.predictive import PredictiveCheck
from lowerbound.evaluation.two_sample import TwoSample
from lowerbound.models import LatentBlock
from lowerbound.summaries import Examination, RunSummary, Score
from lowerbound.summaries.summary import NATS

CONFIG = RunConfig.from_dict(
    {
        "data": {"name": "faces", "validation": 30, "test": 30},
        "model": {"latent_dim": 4},
        "likelihood": {"name": "gaussian", "scale_floor": 0.5},
        "training": {"epochs": 100},
    }
)


def history(bound: np.ndarray, gap: float = 2.0, **columns: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of `metrics.csv`, from the course of the training bound."""
    number = len(bound)
    plain = {
        "epoch": np.arange(1.0, number + 1),
        "train_elbo_nats": bound,
        "validation_elbo_nats": bound - gap,
        "validation_standard_error_nats": np.full(number, 1.0),
        "train_kl_nats": np.linspace(1, 12, number),
        "validation_kl_nats": np.linspace(1, 12, number),
        "monitor/fraction_at_floor": np.full(number, 0.001),
        "kl_weight": np.ones(number),
        "examples_per_second": np.full(number, 3e4),
    }
    return {**plain, **columns}


def settled_bound(number: int = 100, end: float = -1800.0, start: float = -9000.0) -> np.ndarray:
    """A bound that rises steeply, then stays, with a little noise."""
    noise = np.random.default_rng(3).standard_normal(number)
    return end - (end - start) * np.exp(-np.arange(number) / (0.03 * number)) + noise


@functools.cache
def _faces() -> Faces:
    return generate_faces(120)


@functools.cache
def _spec() -> DataSpec:
    return describe(_faces().images, name="faces")


def healthy_faces(**changes: Any) -> RunSummary:
    """A run about which there is nothing to worry: its samples are other faces of the built-in set."""
    faces = _faces()
    rng = np.random.default_rng(0)
    summary = RunSummary(
        name="healthy",
        data_name="faces",
        spec=_spec(),
        num_train=60,
        num_validation=30,
        num_test=30,
        recipe="faces",
        config=CONFIG,
        history=history(settled_bound()),
        measure="lebesgue",
        latent_blocks=(LatentBlock(4, "euclidean", "DiagonalGaussian", True, True, True),),
        samples=faces.images[60:].astype(np.float32),
        real=faces.images[:60],
        originals=faces.images[:12],
        reconstructions=faces.images[:12].astype(np.float32),
        latent_means=0.9 * rng.standard_normal((120, 4)),
        latent_is_active=np.ones(4, bool),
        kl_by_latent_nats=np.array([2.0, 5.0, 1.0, 4.0]),
        scores=(
            Score("elbo_nats", -1802.25, NATS, "lebesgue", "test", standard_error=9.0),
            Score("log_evidence_nats", -1790.5, NATS, "lebesgue", "test", num_samples=1000, standard_error=9.0),
            Score("unit_scale_elbo_nats", 1300.86, NATS, "lebesgue", "test", "unit", standard_error=9.0),
            Score("kl_nats", 12.0, NATS, "", "test"),
        ),
        factors=faces.factors,
        factor_names=faces.factor_names,
        command="lowerbound train faces --seed 0",
        versions={"lowerbound": "0.1.0", "jax": "0.10.2"},
        machine={"device": "cpu", "cores": 2},
        seconds=73.0,
        epochs_run=100.0,
        best_epoch=90.0,
        files={"metrics.csv": "the training's figures", "model/": "the model"},
    )
    return dataclasses.replace(summary, **changes)


def table(**changes: Any) -> RunSummary:
    """A run on a table of five columns, one of them constant and one of whole numbers."""
    rng = np.random.default_rng(1)
    names = ("age", "price $x$", "<count>", "flat", "largo ñ 列")
    columns = [rng.normal(50, 9, 200), rng.lognormal(0, 1, 200), rng.integers(0, 6, 200), np.full(200, 3.0), rng.random(200)]
    rows = np.stack(columns, axis=1).astype(np.float32)
    values = {
        "event_shape": (5,),
        "kind": "continuous",
        "low": float(rows.min()),
        "high": float(rows.max()),
        "step": (0.01,),
        "mean": tuple(rows.mean(axis=0, dtype=float).tolist()),
        "std": tuple(rows.std(axis=0, dtype=float).tolist()),
        "feature_names": names,
    }
    made = rows[rng.permutation(200)] + rng.normal(0, 0.1, rows.shape).astype(np.float32)
    whole = {"spec": DataSpec(**values), "samples": made, "real": rows, "originals": rows[:40], "reconstructions": made[:40]}
    return healthy_faces(data_name="table.csv", **{**whole, **changes})


def examination(
    elements: int, *, far: float = 0.05, p_value: float = 0.5, aggregate: AggregateEstimate | None = None, **predictive: Any
) -> Examination:
    """A healthy one, but for what is given."""
    nothing, one = np.zeros(elements), np.ones(elements)
    check = PredictiveCheck(
        elements=np.arange(elements),
        num_examples=200,
        distance=0.05 * one,
        critical_distance=0.1,
        rank_spread=one,
        scale=9 * one,
        dispersion=one,
        skewness=nothing,
        excess_kurtosis=nothing,
        zeros=nothing,
        expected_zeros=nothing,
        num_directions=0,
        leading_share=0.0,
    )
    test = TwoSample(0.1, 0.5, p_value)
    whole = dataclasses.replace(check, **predictive)
    return Examination("test", 200, aggregate, test, test, far, 1.0, whole, np.ones(elements))
