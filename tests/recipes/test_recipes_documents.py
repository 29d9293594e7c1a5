"""The recipe for documents on real ones: sparse counts with heavy tails, on which a plain network sends the codes away."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lowerbound.data.dataset import Dataset
from lowerbound.data.datasets import load_dataset
from lowerbound.errors import MissingDataError
from lowerbound.recipes.registry import load_recipe
from lowerbound.runs.training import TrainingRun

pytestmark = [pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning"), pytest.mark.no_cover]


@pytest.fixture(scope="module")
def posts() -> Dataset:
    """The commonest thousand words of most posts of 20newsgroups."""
    try:
        counts = load_dataset("20newsgroups", data_dir=os.environ.get("LOWERBOUND_DATA")).examples[:11000]
    except MissingDataError as error:
        pytest.skip(str(error).partition("\n")[0])
    commonest = np.sort(np.argsort(-(counts > 0).sum(axis=0), kind="stable")[:1000])
    counts = counts[:, commonest]
    return Dataset("posts", counts[counts.sum(axis=1) > 0])


def _last_bound(posts: Dataset, folder: Path, **network: bool) -> float:
    """The validation ELBO after two epochs of the recipe, in nats a post."""
    config = load_recipe("documents").run_config().updated({"training": {"epochs": 2}, "network": network})
    run = TrainingRun.begin(folder, config, posts, recipe="documents", command="")
    bounds: list[float] = []
    run.run(on_record=lambda record, run: bounds.append(record.validation_elbo_nats))
    return bounds[-1]


def test_the_bound_rises_on_newsgroup_posts(posts: Dataset, tmp_path: Path) -> None:
    assert _last_bound(posts, tmp_path / "run") > -195


def test_without_layer_normalisation_it_falls(posts: Dataset, tmp_path: Path) -> None:
    """The negative control: this is what the recipe's layer normalisation is for."""
    assert _last_bound(posts, tmp_path / "run", layer_norm=False) < -210
