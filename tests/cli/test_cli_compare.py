"""`compare`: paired differences of runs on the same examples, and what is no fair comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import SMALL, command, good

from lowerbound.cli.compare import check_comparable
from lowerbound.errors import ConfigurationError


@pytest.fixture(scope="module")
def other_run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `images_run`, hardly trained."""
    folder = tmp_path_factory.mktemp("compared") / "other"
    good("train", files / "images.npy", *SMALL, "--epochs", 1, "--out", folder)
    return folder


def test_the_longer_trained_run_is_ahead(images_run: Path, other_run: Path) -> None:
    found = json.loads(good("compare", other_run, images_run, "--samples", 50, "--json").stdout)
    best, last = found["contenders"]
    assert best["name"] == str(images_run)
    assert last["behind_nats"] == pytest.approx(best["log_evidence_nats"] - last["log_evidence_nats"], abs=1e-6)
    own = json.loads(good("evaluate", images_run, "--samples", 50, "--json").stdout)
    assert best["log_evidence_nats"] == pytest.approx(own["log_evidence_nats"], abs=1e-5)


def test_unfair_comparisons_are_refused(images_run: Path, other_run: Path, bits_run: Path) -> None:
    result = command("compare", images_run, bits_run)
    assert result.status == 2
    assert "cannot be ranked: they are about other data" in result.error
    assert "needs at least two runs and got 1" in command("compare", images_run).error
    assert "the same run twice" in command("compare", images_run, images_run).error


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("measure", "one gives log-densities, the other log-probabilities, and neither is larger for being better"),
        ("rows", "their test examples are not the same ones. Train both with the same data.split_seed"),
        ("order", "their test examples come in another order"),
        ("condition", "one is told a condition that the other is not"),
        ("data", "they are about other data, or the same data in other units"),
    ],
)
def test_each_difference_is_named(key: str, message: str) -> None:
    one = {"measure": "log-densities", "data": "1", "rows": b"1", "order": b"1", "condition": None}
    other = {**one, key: "log-probabilities" if key == "measure" else "2"}
    check_comparable({"a": one, "b": dict(one)}, "test")
    with pytest.raises(ConfigurationError, match=f"a and b cannot be ranked: {message}"):
        check_comparable({"a": one, "b": other}, "test")
