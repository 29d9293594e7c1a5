"""Folders that earlier releases wrote, kept in `saved/`: they load, give the numbers they gave, resume, and are evaluated.

Numbers are held to 1e-5 of the largest of their array: the tests' XLA flags are not those under which runs were written.
`tests/bits` holds a resumed run to the bit.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from lowerbound.data.datasets import load_dataset
from lowerbound.runs.training import TrainingRun

SAVED = Path(__file__).parent / "saved" / "v0.1.0"
RUNS = json.loads((SAVED / "runs.json").read_text())
RESUMABLE = [name for name in RUNS if "leaves" in RUNS[name]]
TOLERANCE = 1e-5


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that may be changed; the stored runs name their data relative to it."""
    shutil.copytree(SAVED, tmp_path / "saved")
    monkeypatch.chdir(tmp_path / "saved")
    return tmp_path / "saved"


def assert_close(got: Any, expected: Any) -> None:
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE * np.nanmax(np.abs(expected), initial=1e-3))


@pytest.mark.parametrize("name", RESUMABLE)
def test_a_stored_run_is_resumed_to_the_weights_that_its_own_release_reached(name: str, saved: Path) -> None:
    path = saved / "runs" / name
    run = TrainingRun.resume(path, load_dataset("table.npy" if name in ("flow-adamax", "adagrad") else "pixels.npy"))
    assert int(run.progress.state.step) == 8
    run.run()
    assert run.is_finished
    leaves = safetensors.numpy.load((path / "model" / "weights.safetensors").read_bytes())
    assert set(leaves) == set(RUNS[name]["leaves"])
    for leaf, array in leaves.items():
        assert list(array.shape) == RUNS[name]["leaves"][leaf]["shape"]
        assert_close(array.ravel(), RUNS[name]["leaves"][leaf]["values"])
    for column, values in RUNS[name]["metrics"].items():
        assert_close(run.folder.metrics.read()[column], values)
