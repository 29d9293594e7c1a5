"""A conditional run on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import SMALL, command, good


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conditional")
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 80)
    np.savez(folder / "own.npz", x=rng.normal(size=(80, 4)) + 5 * group[:, None], group=group)
    options = ("--epochs", 2, "--set", "data.key=x", "--set", "data.condition=group")
    good("train", folder / "own.npz", *SMALL, *options, "--out", folder / "run")
    return folder / "run"


def test_a_conditional_run_is_scored_sampled_reconstructed_and_encoded(run: Path, tmp_path: Path) -> None:
    good("evaluate", run, "--samples", 5, "--json")
    for condition in ("1", "all"):
        good("sample", run, "-n", 7, "--condition", condition, "--out", tmp_path / f"{condition}.npy")
        assert np.load(tmp_path / f"{condition}.npy").shape == (7, 4)
    good("reconstruct", run, "--out", tmp_path / "pairs.npy")
    good("encode", run, run.parent / "own.npz", "--key", "x", "--out", tmp_path / "codes.csv")
    assert (run / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), r"trained with the condition 'group' (one of 0, 1, 2), and none was given; add for example --condition 0"),
        (("--condition", "9"), "the condition 'group' has the value 9 in row 0; expected one of 0, 1, 2"),
        (("--condition", "blue"), "--condition is 'blue'; expected one of 0, 1, 2"),
    ],
)
def test_a_condition_missing_or_wrong_at_sampling_time(run: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    failed = command("sample", run, "--out", tmp_path / "new.npy", *options)
    assert failed.status in (1, 2)
    assert message in failed.stderr


def test_a_condition_for_a_model_without_one(images_run: Path, tmp_path: Path) -> None:
    failed = command("sample", images_run, "--out", tmp_path / "new.npy", "--condition", "1")
    assert failed.status == 2
    assert "was trained without a condition; leave it out" in failed.stderr
