"""Data files and trained runs that the tests of the command line share; they are read, never changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import SMALL, good, small_images


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data: images.npy (8 bits), bits.npy (0 and 1), table.npy (4 columns)."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    np.save(folder / "images.npy", small_images())
    np.save(folder / "bits.npy", (small_images() > 120).astype(np.uint8))
    np.save(folder / "table.npy", rng.normal(size=(80, 2)) @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(80, 4)))
    return folder


@pytest.fixture(scope="session")
def images_run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gaussian run on 8-bit images, 12 of them for the test."""
    return _trained(files / "images.npy", tmp_path_factory, "--epochs", 6, "--set", "likelihood.name=gaussian")


@pytest.fixture(scope="session")
def bits_run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Bernoulli run."""
    return _trained(files / "bits.npy", tmp_path_factory, "--epochs", 2, "--no-report")


@pytest.fixture(scope="session")
def table_run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table, with nothing held out for the test."""
    return _trained(files / "table.npy", tmp_path_factory, "--epochs", 2, "--set", "data.test=0", "--no-report")


def _trained(data: Path, tmp_path_factory: pytest.TempPathFactory, *options: object) -> Path:
    folder = tmp_path_factory.mktemp("runs") / data.stem
    good("train", data, *SMALL, *options, "--out", folder)
    return folder
