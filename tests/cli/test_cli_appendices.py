"""The commands that look at a run, on runs of what the 2014 paper has beside the ELBO: random weights, wake-sleep and EM."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL, command, good

OBJECTIVES = ("wake-sleep", "monte-carlo-em")


def _trained(data: Path, folder: Path, *options: str) -> Path:
    good("train", data, *SMALL, "--epochs", 2, *(word for option in options for word in ("--set", option)), "--out", folder)
    return folder


@pytest.fixture(scope="module")
def random_run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a decoder whose weights are random, with its page."""
    return _trained(files / "table.npy", tmp_path_factory.mktemp("runs") / "random", "model.name=bayesian-decoder")


def _text(page: Path) -> str:
    return " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", page.read_text(), flags=re.DOTALL).split())


def test_what_is_said_of_random_weights_is_no_bound_on_an_example(random_run: Path) -> None:
    page = _text(random_run / "report.html")
    assert "It gives an average test example an estimated log predictive density of " in page
    assert "of at least" not in page
    assert "for all N training examples X a lower bound on log p(X) / N" in page
    assert "KL: the code's, and the weights' share" in page
    shown = good("info", random_run).stdout
    assert "(bayesian-decoder)" in shown
    assert "of which the weights' KL / N takes" in shown
    # Their prior is enough.
    assert "weight_decay" not in shown


def test_log_evidence_of_all_training_examples_and_what_it_is(random_run: Path) -> None:
    options = ("--method", "joint", "--weights", 4, "--samples", 5)
    printed = " ".join(good("evaluate", random_run, *options).stdout.replace("│", " ").split())
    assert "train split, 64 examples, log-densities in your units" in printed
    assert "log p(X) / N of all 64 examples: 4 draws of the weights, 5 of each z" in printed
    assert "4 draws of the weights are not enough: effective sample size" in printed
    found = json.loads(good("evaluate", random_run, *options, "--json").stdout)
    assert (found["split"], found["num_examples"], found["num_weights"], found["num_samples"]) == ("train", 64, 4, 5)
    assert found["elbo_nats"] < found["single_draw_nats"] <= found["log_evidence_nats"]


def test_the_other_commands_answer_for_random_weights(random_run: Path, files: Path, tmp_path: Path) -> None:
    _look_at(random_run, files / "table.npy", tmp_path)
    # What moves z alone is refused.
    assert "weights of this model's decoder are random" in command("evaluate", random_run, "--method", "ais").error


@pytest.mark.long
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_commands_answer_for_what_is_no_bound(name: str, files: Path, tmp_path: Path) -> None:
    run = _trained(files / "bits.npy", tmp_path / name, f"objective.name={name}")
    page = _text(run / "report.html")
    assert (
        f"What was minimised is not a bound on the evidence. The bounds that are reported are. The objective is {name}." in page
    )
    assert "a log-probability of at least" in page
    assert "by validation loss" in good("train", "--resume", run, "--epochs", 3).stderr
    _look_at(run, files / "bits.npy", tmp_path)
    good("evaluate", run, "--method", "ais", "--temperatures", 5, "--chains", 2, "--examples", 3)
    assert "weights of this model's decoder are numbers" in command("evaluate", run, "--method", "joint").error


def _look_at(run: Path, data: Path, folder: Path) -> None:
    """What looks at a run and needs no training answers."""
    assert "checks)" in good("doctor", run).stdout
    assert "latent" in good("latents", run).stdout
    for words, shape in (
        (["sample", run, "-n", 3], (3, *np.load(data).shape[1:])),
        (["encode", run, data], (len(np.load(data)), 2)),
        (["interpolate", run, "--from", 0, "--to", 1, "--steps", 3], (3, *np.load(data).shape[1:])),
    ):
        out = folder / f"{words[0]}.npy"
        good(*words, "--out", out)
        made = np.load(out)
        assert made.shape == shape
        assert np.isfinite(made).all()
    good("score", run, data, "--out", folder / "scores.csv")
    assert np.isfinite(np.genfromtxt(folder / "scores.csv", delimiter=",", skip_header=1)).all()
