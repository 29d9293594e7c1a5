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

from lowerbound import VAE
from lowerbound.data.datasets import load_dataset
from lowerbound.data.examples import examples_of
from lowerbound.evaluation import Unfinished, evaluate
from lowerbound.runs.folder import RunFolder
from lowerbound.runs.training import TrainingRun
from lowerbound.storage.upgrades import RENAMED_COLUMNS

SAVED = Path(__file__).parent / "saved" / "v0.1.0"
RUNS = json.loads((SAVED / "runs.json").read_text())
RESUMABLE = [name for name in RUNS if "leaves" in RUNS[name]]
ESTIMATORS = json.loads((SAVED / "estimators.json").read_text())
TOLERANCE = 1e-5


def examples(name: str) -> np.ndarray:
    """The first six of the data that `write_v0_1_0.py` trained an estimator on."""
    table, pixels = np.load(SAVED / "table.npy"), np.load(SAVED / "pixels.npy")
    unit = np.clip(pixels / 255, 0.02, 0.98)
    made = {
        "table": table,
        "pixels": pixels,
        "bits": (pixels > 127).astype(np.uint8),
        "few": (pixels // 64).astype(np.uint8),
        "open": unit,
        "positive": np.exp(unit),
        "colours": np.stack([pixels, pixels // 2, 255 - pixels], axis=-1),
    }
    return made[name][:6]


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
        assert_close(run.folder.metrics.read()[RENAMED_COLUMNS.get(column) or column], values)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_stored_estimator_gives_the_numbers_that_it_gave(name: str) -> None:
    vae, expected = VAE.load(SAVED / "estimators" / name), ESTIMATORS[name]
    assert not RENAMED_COLUMNS.keys() & vae.history_.keys()
    data = examples(expected["data"])
    given = {"condition": np.load(SAVED / "labels.npy")[:6]} if name == "conditional" else {}
    assert_close(vae.transform(data, **given), expected["transform"])
    assert_close(vae.reconstruct(data, **given), expected["reconstruct"])
    if "score_samples" in expected:
        assert_close(vae.score_samples(data, 16, **given), expected["score_samples"])


def test_a_stored_run_that_ended_loads_and_an_evaluation_that_was_killed_begins_anew(saved: Path) -> None:
    folder = RunFolder.open(saved / "runs" / "vamp-averaged-iwae-whole")
    model, spec, config = folder.load_model()
    assert (config.prior.name, config.objective.name, spec.event_shape) == ("vamp", "iwae", (4, 4))
    scores = folder.scores()
    assert scores is not None
    for name, value in RUNS["vamp-averaged-iwae"]["evaluation"].items():
        assert scores[name] == value
    data = examples_of(load_dataset("pixels.npy"), folder.split().train, spec)
    found: list[int] = []
    unfinished = Unfinished(folder.path / "unfinished", on_found=found.append)
    again = evaluate(model, spec, data, num_samples=1000, split="train", unfinished=unfinished).to_json()
    # What another release counted is not mixed with what this one counts.
    assert found == []
    for name, value in RUNS["train, 1000 samples"].items():
        assert_close(again[name], value)


def test_a_law_with_a_mass_at_zero_from_before_other_values_had_masses() -> None:
    """Saved without the leaves of values that recur; its scores are what they were."""
    import pandas as pd

    vae = VAE.load(SAVED.parent / "v0.2.0-dev" / "zero-inflated")
    scores = vae.score_samples(pd.DataFrame({"rain": [0.0, 1.5, 0.2], "town": ["a", "b", "a"]}))
    assert_close(scores, [-1.4199507, -2.8860683, -1.5398366])
