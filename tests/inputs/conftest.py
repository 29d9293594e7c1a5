"""Runs and files that generated inputs are pointed at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import SMALL_ALONE, good, small_images


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a person may name: data, a run, and things that are neither."""
    folder = tmp_path_factory.mktemp("world")
    np.save(folder / "images.npy", small_images(60))
    table = np.random.default_rng(0).normal(size=(60, 4))
    np.savetxt(folder / "table.csv", table, delimiter=",", header="a,b,c,d", comments="")
    good("train", folder / "images.npy", *SMALL_ALONE, "--epochs", 1, "--out", folder / "run")
    good("train", folder / "table.csv", *SMALL_ALONE, "--epochs", 1, "--out", folder / "rows")
    return folder
