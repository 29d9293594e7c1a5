"""`lowerbound train --validation` and `--from`: rows for validation that a person chose, and training that goes on elsewhere."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from commands import command, good

from lowerbound.data.splits import Split

SMALL = (
    *("--recipe", "post-2018", "--set", "network.hidden_widths=[8]", "--set", "network.activations=elu"),
    *("--set", "model.latent_dim=2", "--set", "data.test=10", "--epochs", 2, "--no-report"),
)


def _table(path: Path, count: int, *, seed: int, shift: float = 0.0, names: str = "a,b,kind") -> Path:
    rng = np.random.default_rng(seed)
    drawn = zip(*rng.normal(size=(2, count)), rng.integers(2, size=count), strict=True)
    rows = [f"{a + shift:.4f},{b:.4f},{'xy'[kind]}" for a, b, kind in drawn]
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    data, valid = _table(folder / "train.csv", 60, seed=0), _table(folder / "valid.csv", 20, seed=1, shift=1)
    options = ("--set", "data.condition=kind", "--validation", valid)
    result = good("train", data, *SMALL, *options, "--out", folder / "run")
    assert "(50 train, 20 validation, 10 test)" in result.stderr
    return folder / "run"


def test_own_validation_rows_are_recorded_and_found_again(run: Path) -> None:
    data = tomllib.loads((run / "config.toml").read_text())["data"]
    assert data["validation"] == str(run.parent / "valid.csv")
    np.testing.assert_array_equal(Split.load(run / "split.npz").validation, np.arange(60, 80))
    spec = json.loads((run / "model" / "config.json").read_text())["data_spec"]
    assert abs(spec["mean"][0]) < 0.4, "the data are described from the training rows alone"
    assert "nothing to do" in good("train", "--resume", run, "--no-report").stderr
    for split in ("validation", "test"):
        good("evaluate", run, "--split", split, "--samples", 2, "--json")
    other = command("train", "--resume", run, "--validation", "x.csv")
    assert "--validation cannot be given with it" in other.error


def test_changed_validation_rows_are_refused(run: Path) -> None:
    valid = run.parent / "valid.csv"
    before = valid.read_text()
    try:
        valid.write_text(before.replace("\n1", "\n2", 1).replace("\n0", "\n3", 1))
        assert "these are not the data that the run began with" in command("evaluate", run, "--samples", 2).error
        valid.unlink()
        assert f"there is no file {valid}" in command("train", "--resume", run, "--epochs", 3).error
    finally:
        valid.write_text(before)


def test_other_columns_and_far_rows_are_told(run: Path, tmp_path: Path) -> None:
    options = (run.parent / "train.csv", *SMALL, "--set", "data.condition=kind", "--out", tmp_path / "run")
    other = _table(tmp_path / "other.csv", 20, seed=1, names="a,c,kind")
    failed = command("train", *options, "--validation", other)
    assert f"{other} lacks 1 of the 2 columns of {run.parent / 'train.csv'}: 'b'" in failed.error
    assert "data.validation is 'late', which does not exist" in command("train", *options, "--validation", "late").error
    assert not (tmp_path / "run").exists()
    far = _table(tmp_path / "far.csv", 20, seed=1, shift=100)
    assert (
        f"the rows for validation ({far}): every value of column 'a' lies outside"
        in good("train", *options, "--validation", far).stderr
    )
