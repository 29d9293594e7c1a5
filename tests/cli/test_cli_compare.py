"""`compare`: paired differences of runs on the same examples, and what is no fair comparison."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL_ALONE, command, good


@pytest.fixture(scope="module")
def other_run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `images_run`, hardly trained."""
    folder = tmp_path_factory.mktemp("compared") / "other"
    good("train", files / "images.npy", *SMALL_ALONE, "--epochs", 1, "--set", "likelihood.name=gaussian", "--out", folder)
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


def test_numbers_given_the_total_say_so_and_are_not_ranked_beside_others(tmp_path: Path) -> None:
    """Poisson given the total, Poisson, and a multinomial: three laws that differ by how much they say of the total alone."""
    np.save(tmp_path / "counts.npy", np.random.default_rng(0).poisson([2.0, 4.0, 1.0], (60, 3)))
    likelihoods = {
        "told": ("poisson", "--set", "likelihood.library_size=true"),
        "all": ("poisson", "--set", "likelihood.library_size=false"),
        "multi": ("multinomial",),
    }
    runs = {name: tmp_path / name for name in likelihoods}
    for name, (part, *options) in likelihoods.items():
        likelihood = ("--set", f"likelihood.name={part}", *options)
        report = "--report" if name == "told" else "--no-report"
        good("train", tmp_path / "counts.npy", *SMALL_ALONE, report, *likelihood, "--epochs", 1, "--out", runs[name])
    result = command("compare", runs["told"], runs["all"], "--samples", 10)
    assert result.status == 2
    assert "cannot be ranked: one gives log p(x | total), being told each example's total" in result.error
    error = command("compare", runs["told"], runs["multi"], "--samples", 10).error
    assert "both give log p(x | total), but one is normalised over the examples with that total" in error
    assert "being told each example's total" in command("compare", runs["multi"], runs["all"], "--samples", 10).error
    for name, given in (("told", "total as size"), ("all", None), ("multi", "total")):
        found = json.loads(good("evaluate", runs[name], "--samples", 10, "--json").stdout)
        assert (found["given"], found["evidence"]["given"]) == (given, given)
        assert (found["bits_per_dim"] is None) == (given is not None)
        good("score", runs[name], tmp_path / "counts.npy", "--out", tmp_path / f"{name}.csv", "--samples", 10)
        first = (tmp_path / f"{name}.csv").read_text().partition(",")[0]
        assert first == ("log_evidence_nats" if given is None else "log_evidence_given_total_nats")
    shown = good("evaluate", runs["told"], "--samples", 10).stdout
    assert "log-probabilities given the total as a size" in shown
    assert "a lower bound on log p(x | total)" in shown
    assert "bits/dim" not in shown
    assert "nats given the total" in good("info", runs["told"]).stdout
    page = (runs["told"] / "report.html").read_text(encoding="utf-8")
    assert "probability given the total" in page
    assert "do not rank them beside a log p(x)" in page
