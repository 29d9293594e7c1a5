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

pytestmark = [pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning"), pytest.mark.no_cover, pytest.mark.long]


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


def _bounds(posts: Dataset, folder: Path, **network: bool) -> list[float]:
    """The validation ELBO after each of four epochs of the recipe, in nats a post."""
    config = load_recipe("documents").run_config().updated({"training": {"epochs": 4}, "network": network})
    run = TrainingRun.begin(folder, config, posts, recipe="documents", command="")
    bounds: list[float] = []
    run.run(on_record=lambda record, run: bounds.append(record.validation_elbo_nats))
    return bounds


def test_the_bound_rises_on_newsgroup_posts(posts: Dataset, tmp_path: Path) -> None:
    bounds = _bounds(posts, tmp_path / "with")
    assert bounds[-1] > bounds[0] + 10
    assert bounds[-1] > -190
    # The negative control: what the recipe's layer normalisation is for. On all words and posts the bound falls without it.
    without = _bounds(posts, tmp_path / "without", layer_norm=False)
    assert without[-1] < bounds[-1] - 4
