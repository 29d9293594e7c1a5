"""Runs that are really trained, and what the doctor says of them: each with one thing the matter, and healthy ones."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from commands import SMALL_ALONE, command, good
from support.built import build_model
from trained_runs import factors, train

from lowerbound.assembly.build import resolve
from lowerbound.data.datasets import load_dataset
from lowerbound.diagnosis import Finding, diagnose
from lowerbound.recipes import resolve_config
from lowerbound.runs.folder import RunFolder
from lowerbound.summaries import RunSummary, collect, summarize

COUNTS = {"model": {"latent_dim": 2}, "likelihood": {"name": "poisson", "library_size": False}}
SIX = factors(20.0)


def summary_of(folder: Path) -> RunSummary:
    run = RunFolder.open(folder)
    model, spec, config = run.load_model()
    return summarize(run, model, spec, config, load_dataset(config.data.name), run.split(), "test", None)


def found(folder: Path) -> dict[str, Finding]:
    """The findings by the names of their checks; the command of each is one that the program takes."""
    summary = summary_of(folder)
    findings = dict(diagnose(summary).findings)
    for finding in findings.values():
        check_command(finding.command, summary)
    return findings


def check_command(text: str, summary: RunSummary) -> None:
    """A command to train again must give a configuration and a model; one to go on must name the run."""
    if not text:
        return
    program, action, option, path, *settings = shlex.split(text)
    assert (program, action) == ("lowerbound", "train")
    if option == "--resume":
        assert path == summary.folder
        return
    assert (option, settings[::2]) == ("--recipe", ["--set"] * (len(settings) // 2))
    config, _ = resolve_config(recipe=path, overrides=settings[1::2])
    build_model(resolve(config, summary.spec), summary.spec, jax.random.key(0), examples=np.asarray(summary.real))


def serious(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: finding.severity for name, finding in findings.items() if finding.severity != "note"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def healthy(runs: Path) -> Path:
    """Six factors, six latents."""
    return train(runs / "healthy", SIX)


@pytest.fixture(scope="module")
def collapsed(runs: Path) -> Path:
    """The post's formula on data of which the right one learns something."""
    return train(runs / "post", factors(1.0), wrong_formula=True)


def test_a_healthy_run_is_found_healthy(healthy: Path) -> None:
    assert serious(found(healthy)) == {}


class TestThePostOf2018:
    """Its formula, squared error over sigma^4, leaves half of what reconstruction is worth against the whole KL."""

    def test_its_failure_is_called_by_its_name(self, collapsed: Path) -> None:
        findings = found(collapsed)
        finding = next(iter(findings.values()))
        assert finding.sentence.startswith("Posterior collapse: ")
        assert finding.severity == "serious"
        assert " of 6 latents active, KL 0.0" in finding.figure
        assert "I(x;z) 0" in finding.figure
        assert "objective.warmup_epochs=20" in finding.command

    def test_the_right_formula_does_not_fail_on_the_same_data(self, runs: Path) -> None:
        assert serious(found(train(runs / "right", factors(1.0)))) == {}


def test_too_few_latents_are_counted(runs: Path) -> None:
    """The data have six factors: two latents leave four in the residuals."""
    findings = found(train(runs / "few", SIX, {"model": {"latent_dim": 2}}))
    assert serious(findings) == {"too-few-latents": "warning"}
    assert "residuals share 4 directions beyond noise" in findings["too-few-latents"].figure
    assert findings["too-few-latents"].command.endswith("--set model.latent_dim=6")


def test_too_many_latents_are_counted(runs: Path) -> None:
    findings = found(train(runs / "many", SIX, {"model": {"latent_dim": 30}, "training": {"epochs": 80}}))
    finding = findings["unused-latents"]
    assert finding.severity == "warning"
    # The rotation of the factors is not unique; one or two halves of a factor may take a latent each.
    assert int(finding.command.rpartition("=")[2]) in (6, 7)


class TestCounts:
    rng = np.random.default_rng(0)
    rates = np.exp(rng.normal(size=(1000, 2)) @ rng.normal(size=(2, 10)) * 0.5 + 1.5)
    poisson = rng.poisson(rates)
    # Given its rate, a count's variance is rate + 2 rate^2.
    scattered = rng.poisson(rates * rng.gamma(0.5, 2, rates.shape))

    def test_that_scatter_more_than_poisson(self, runs: Path) -> None:
        finding = found(train(runs / "scattered", self.scattered, COUNTS))["likelihood-fit"]
        assert finding.severity == "serious"
        assert "the counts scatter more than it allows" in finding.sentence
        assert "(10 of 10 that vary)" in finding.figure
        assert "--set likelihood.name=negative-binomial" in finding.command

    def test_of_poisson_are_silent(self, runs: Path) -> None:
        given_total = {"likelihood": {"library_size": True}}
        assert serious(found(train(runs / "poisson", self.poisson, COUNTS, given_total))) == {}


class TestGaussian:
    def test_on_a_skewed_column_names_it(self, runs: Path) -> None:
        data = SIX.copy()
        data[:, 3] = np.exp(1.3 * np.random.default_rng(1).standard_normal(len(data)))
        findings = found(train(runs / "skewed", data))
        assert serious(findings) == {"likelihood-fit": "warning"}
        assert findings["likelihood-fit"].figure.startswith("column 3 (1 of 30 that vary)")
        assert "likelihood.name=student-t" in findings["likelihood-fit"].command
        assert findings["skewed-columns"].figure.startswith("column 3, skewness up to ")

    def test_on_bits_is_wrong(self, runs: Path) -> None:
        findings = found(train(runs / "bits", (SIX > 0).astype(np.uint8), {"likelihood": {"name": "gaussian"}}))
        assert findings["likelihood-support"].sentence.startswith("Wrong likelihood: a density for data of 2 levels.")
        assert "likelihood.name=bernoulli" in findings["likelihood-support"].command
        assert "likelihood.name=bernoulli" in findings["scale-floor"].command


def test_two_clusters_under_one_gaussian_prior_leave_a_hole(runs: Path) -> None:
    """All codes near -1 or 1: what the prior draws between and beyond them is no example."""
    rng = np.random.default_rng(2)
    sign = rng.choice([-1.0, 1.0], (1500, 1))
    data = 3 * sign * np.ones(30) + rng.standard_normal((1500, 30))
    finding = found(train(runs / "clusters", data, {"model": {"latent_dim": 2}}))["prior-hole"]
    assert finding.severity == "serious"
    assert finding.sentence.startswith("Prior hole: ")
    assert "p 0.002" in finding.figure
    assert "--set prior.name=vamp" in finding.command


def test_a_small_kl_weight_lets_the_codes_leave_the_prior(runs: Path) -> None:
    findings = found(train(runs / "beta", SIX, {"objective": {"beta": 0.01}}))
    assert findings["kl-weight"].figure == "KL weight 0.01 (objective.beta)"
    assert findings["codes-outside-prior"].command.endswith("--set objective.beta=1")
    assert "divergence" not in findings, "the bound falls because something else is trained"


def test_inputs_that_the_encoder_ignores_are_named(healthy: Path) -> None:
    summary = summary_of(healthy)
    assert summary.examination is not None
    sensitivity = summary.examination.sensitivity.copy()
    assert "ignored-inputs" not in dict(diagnose(summary).findings)
    sensitivity[[4, 7]] = 1e-4
    deaf = dataclasses.replace(summary, examination=dataclasses.replace(summary.examination, sensitivity=sensitivity))
    finding = dict(diagnose(deaf).findings)["ignored-inputs"]
    assert (finding.severity, finding.figure[:23]) == ("note", "2 of 30: columns 4, 7, ")


def test_a_loss_that_was_not_finite(healthy: Path) -> None:
    summary = dataclasses.replace(summary_of(healthy), stop_reason="the loss was not finite", epochs_run=3.0)
    finding = diagnose(summary).most_serious
    assert finding is not None
    assert finding.sentence == "Training diverged: the loss was not a number."
    assert finding.figure == "training ended at epoch 3: the loss was not finite"


class TestTheCommand:
    def test_prints_what_it_found_and_ends_well(self, collapsed: Path, healthy: Path) -> None:
        printed = good("doctor", healthy).stdout
        assert printed.startswith("healthy, 150 examples of the test split: nothing to worry about (20 checks)")
        assert "Checked: divergence of the training; posterior collapse; " in printed
        printed = good("doctor", collapsed).stdout
        assert printed.index("serious  Posterior collapse: the code tells next to nothing") < printed.index("Checked: ")
        command_line = f"lowerbound train --recipe {collapsed}/config.toml --set objective.warmup_epochs=20"
        assert f"\n         $ {command_line}\n" in printed
        assert max(len(line) for line in printed.splitlines() if "$ " not in line) <= 120

    def test_prints_one_object_for_machines(self, healthy: Path) -> None:
        result = json.loads(good("doctor", healthy, "--json", "--split", "validation").stdout)
        assert list(result) == [
            "run", "split", "data_problem", "version", "verdict", "findings", "checked", "not_checked", "figures"
        ]  # fmt: skip
        assert (result["version"], result["split"], result["data_problem"]) == (1, "validation", None)
        assert result["not_checked"] == []
        figures = result["figures"]
        assert figures["active_latents"] == [0, 1, 2, 3, 4, 5]
        assert 0.8 * figures["most_nats"] < figures["mutual_information_nats"] <= figures["most_nats"]
        # The smallest that 499 relabellings can give is 1/500.
        assert 1 / 500 <= figures["mmd_p_value"] <= 1

    def test_of_an_autoencoder_leaves_out_what_has_no_meaning(self, runs: Path) -> None:
        change = {"objective": {"name": "autoencoder"}, "posterior": {"name": "deterministic"}}
        run = train(runs / "plain", SIX, change)
        result = json.loads(good("doctor", run, "--json").stdout)
        left_out = {entry["check"]: entry["needs"] for entry in result["not_checked"]}
        assert left_out["kl-weight"] == "a model with a bound"
        assert {"overfitting", "likelihood-fit", "too-few-latents"} <= set(left_out)
        assert "prior-hole" in result["checked"]
        assert result["figures"]["mutual_information_nats"] is None
        [note] = [finding for finding in result["findings"] if finding["check"] == "no-bound"]
        assert "there is no bound on log p(x), no evidence, no KL divergence and no bits per dimension" in note["sentence"]
        # What it has instead is the same for both commands.
        score = json.loads(good("evaluate", run, "--json").stdout)
        assert (score["has_density"], score["elbo_nats"], score["log_evidence_nats"]) == (False, None, None)
        assert f"{score['explained']:.1%} of the variance explained" in note["figure"]
        printed = " ".join(good("evaluate", run).stdout.split())
        assert "reconstruction error" in printed
        assert "the reconstruction term of the loss is none of these" in printed
        assert "deterministic autoencoder: its code is one point" in command("evaluate", run, "--samples", 5).stderr

    def test_of_a_stopped_run_reads_its_checkpoint(self, healthy: Path, tmp_path: Path) -> None:
        stopped = tmp_path / "stopped"
        shutil.copytree(healthy, stopped)
        shutil.rmtree(stopped / "model")
        change_info(stopped, stop_reason="stopped by SIGTERM")
        result = good("doctor", stopped)
        assert f"note: {stopped} has not ended; this is its checkpoint of step" in result.stderr
        assert "Training was stopped before its end" in result.stdout

    def test_says_when_the_data_are_gone_or_others(self, healthy: Path, tmp_path: Path) -> None:
        run = tmp_path / "run"
        shutil.copytree(healthy, run)
        data = healthy.with_suffix(".npy")
        kept = data.read_bytes()
        try:
            np.save(data, SIX[:, ::-1])
            changed = json.loads(good("doctor", run, "--json").stdout)
            data.unlink()
            missing = good("doctor", run).stdout
        finally:
            data.write_bytes(kept)
        assert "these are not the data that the run began with" in changed["data_problem"]
        assert {"posterior-collapse", "prior-hole"} <= {entry["check"] for entry in changed["not_checked"]}
        assert "The data of this run could not be used, so only its record and its model were read." in missing
        assert "healthy.npy" in missing

    def test_refuses_what_is_no_run_or_no_split(self, healthy: Path, tmp_path: Path) -> None:
        assert command("doctor", tmp_path).status == 1
        result = command("doctor", healthy, "--split", "tset")
        assert (result.status, "--split" in result.error) == (2, True)


def change_info(run: Path, **changes: Any) -> None:
    file = run / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_run_knows_those_that_it_was_made_from(healthy: Path, tmp_path: Path) -> None:
    again, third = tmp_path / "again", tmp_path / "third"
    shutil.copytree(healthy, again)
    shutil.copytree(healthy, third)
    change_info(again, command=f"lowerbound train --recipe {healthy}/config.toml --set training.seed=1")
    change_info(third, command=f"lowerbound train --recipe={again}/config.toml")
    config = RunFolder.open(healthy).config()
    assert list(collect._origins(RunFolder.open(third))) == [config, config]
    assert list(collect._origins(RunFolder.open(healthy))) == []
    # A run that is gone, and one that was made from itself.
    change_info(again, command="lowerbound train --recipe gone/config.toml")
    assert list(collect._origins(RunFolder.open(again))) == []
    change_info(again, command=f"lowerbound train --recipe {again}/config.toml")
    assert list(collect._origins(RunFolder.open(again))) == []


def test_sorted_training_examples_are_looked_at_from_all_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them are of one kind here, which the model explains better than the other; that is no overfitting.

    The bounds of the two kinds are some 6 and 44 nats below 0. Looking at the first examples finds a gap of 20 nats, three
    times its error and more than the threshold.
    """
    monkeypatch.setattr(collect, "NUM_LATENT_POINTS", 150)
    shares = np.repeat([0.02, 0.5], 400)[:, None, None]
    pictures = (np.random.default_rng(0).random((800, 8, 8)) < shares).astype(np.uint8)
    np.save(tmp_path / "sorted.npy", pictures)
    np.save(tmp_path / "validation.npy", pictures[::10])
    settings = ["--epochs", "20", "--set", "network.dropout=0.1", "--set", "data.test=0", "--out", tmp_path / "run"]
    good("train", tmp_path / "sorted.npy", "--validation", tmp_path / "validation.npy", *SMALL_ALONE, *settings)
    result = json.loads(good("doctor", tmp_path / "run", "--json").stdout)
    assert "overfitting" in result["checked"]
    assert "overfitting" not in {finding["check"] for finding in result["findings"]}
