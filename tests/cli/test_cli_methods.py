"""`evaluate --method ais`, `bdmc`, `gap` and `posterior-density`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import command, good

FAST = ("--temperatures", 20, "--chains", 4, "--examples", 5)


def test_annealing_and_both_bounds_and_the_gap(bits_run: Path) -> None:
    ais = json.loads(good("evaluate", bits_run, "--method", "ais", *FAST, "--start", "posterior", "--json").stdout)
    assert ais["method"] == "annealed importance sampling from the posterior, 20 temperatures, 4 chains"
    assert ais["num_examples"] == 5
    assert ais["measure"] == "counting"
    assert "20 temperatures are " in ais["verdict"]
    gap = json.loads(good("evaluate", bits_run, "--method", "gap", "--samples", 200, "--examples", 5, "--json").stdout)
    assert gap["log_evidence_nats"] == pytest.approx(ais["value"], abs=0.3)
    parts = gap["approximation_gap_nats"] + gap["amortisation_gap_nats"]
    assert parts == pytest.approx(gap["log_evidence_nats"] - gap["amortised_elbo_nats"], abs=1e-6)
    text = good("evaluate", bits_run, "--method", "bdmc", *FAST).stdout
    assert "5 examples that the model made, log-probabilities" in text
    assert "upper bound [nats]" in text
    assert "nats apart" in text


@pytest.mark.parametrize("name", ["temperatures", "chains"])
def test_annealing_that_no_memory_holds_is_refused(bits_run: Path, name: str) -> None:
    result = command("evaluate", bits_run, "--method", "ais", f"--{name}", 10**13)
    assert f"num_{name} is 10,000,000,000,000: so many" in result.error
    assert "would fit" in result.error


def test_the_posterior_density_is_no_bound_and_says_so(bits_run: Path) -> None:
    found = json.loads(good("evaluate", bits_run, "--method", "posterior-density", "--examples", 5, "--json").stdout)
    assert found["name"] == "log_evidence_nats"
    assert found["method"] == "posterior density: a Gaussian fitted to draws of p(z|x), harmonic mean over 50 fresh draws"
    assert (found["num_examples"], found["num_samples"], found["split"]) == (5, 50, "test")
    assert "The number is no bound" in found["verdict"]
    sampled = json.loads(good("evaluate", bits_run, "--method", "gap", "--samples", 200, "--examples", 5, "--json").stdout)
    assert found["value"] == pytest.approx(sampled["log_evidence_nats"], abs=0.3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "aiss"], "--method is 'aiss', which does not exist. Did you mean 'ais'?"),
        (["--method", "gap", "--chains", 3], "--chains is read with --method ais or bdmc; got --method gap."),
        (["--examples", 3], "--examples is read with --method gap, ais, bdmc or posterior-density; got --method importance."),
        (["--method", "ais", "--temperatures", 0], "--temperatures is 0 (an integer); expected an integer >= 1."),
        (["--method", "ais", "--start", "priors"], "--start is 'priors', which does not exist. Did you mean 'prior'?"),
        (
            ["--method", "ais", "--samples", 50],
            "--samples is read with --method importance, gap, posterior-density or joint; got --method ais",
        ),
        (["--method", "gap", "--samples", 0], "--samples is 0 (an integer); expected an integer >= 1."),
        (["--method", "gap", "--weights", 5], "--weights is read with --method joint alone; got --method gap."),
        (["--method", "joint", "--weights", 0], "--weights is 0 (an integer); expected an integer >= 1."),
        (["--method", "ais", "--widen", 2], "--widen is read with --method importance alone; got --method ais."),
    ],
)
def test_options_that_do_not_fit(options: list[object], message: str) -> None:
    result = command("evaluate", "nowhere", *options)
    assert result.status == 2
    assert message in result.error
