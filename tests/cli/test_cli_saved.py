"""A folder that `VAE.save` wrote opens in every command: with a result, or a sentence where the run's own data are needed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import command, good

from lowerbound import VAE, compare_models
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.likelihoods import Gaussian

ROWS = np.random.default_rng(0).normal(size=(40, 3))
SMALL = {"latent_dim": 2, "hidden_widths": (4,), "epochs": 1, "batch_size": 20, "random_state": 0, "automatic": False}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a part that was given as an object, beside its data."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "rows.npy", ROWS)
    VAE(**SMALL, likelihood=Gaussian((3,), 0.1)).fit(ROWS).save(folder / "model")
    return folder / "model"


def test_what_takes_other_data_or_none_gives_its_result(saved: Path, tmp_path: Path) -> None:
    before, data = sorted(file.name for file in saved.iterdir()), saved.parent / "rows.npy"
    found = json.loads(good("evaluate", saved, data, "--samples", 5, "--json").stdout)
    assert found["elbo_nats"] == pytest.approx(VAE.load(saved).evaluate(ROWS, 5).elbo_nats, rel=1e-5)
    good("encode", saved, data, "--out", tmp_path / "codes.npy")
    np.testing.assert_allclose(np.load(tmp_path / "codes.npy"), VAE.load(saved).transform(ROWS), atol=1e-6)
    good("sample", saved, "-n", 3, "--out", tmp_path / "new.npy")
    assert np.load(tmp_path / "new.npy").shape == (3, 3)
    good("traverse", saved, data, "--columns", 3, "--out", tmp_path / "walk.npy")
    assert np.load(tmp_path / "walk.npy").shape == (2, 3, 3)
    good("interpolate", saved, data, "--from", 0, "--to", 39, "--steps", 4, "--out", tmp_path / "way.npy")
    assert np.load(tmp_path / "way.npy").shape == (4, 3)
    told = json.loads(good("latents", saved, data, "--json").stdout)
    assert (told["data"], told["split"]) == (str(data), None)
    assert json.loads(good("doctor", saved, data, "--json").stdout)["verdict"] == VAE.load(saved).doctor(ROWS).verdict
    assert f"model, 40 examples of {data}: " in good("doctor", saved, data).stdout.replace("\n", "")
    assert "moves" in good("explain", saved, data).stdout
    assert "saved without its data" in good("info", saved).stdout
    assert "@" in good("cite", saved).stdout
    # The folder is a model's and nothing else still, so that saving again replaces it.
    assert sorted(file.name for file in saved.iterdir()) == before


@pytest.mark.parametrize("words", [["doctor"], ["latents"], ["evaluate"], ["compare"], ["traverse"], ["interpolate"]], ids=str)
def test_what_needs_the_run_s_own_data_says_so(words: list[str], saved: Path, tmp_path: Path) -> None:
    options = {
        "compare": [shutil.copytree(saved, tmp_path / "other")],
        "traverse": ["--out", tmp_path / "a.png"],
        "interpolate": ["--from", 0, "--to", 1, "--out", tmp_path / "a.png"],
    }
    result = command(*words, saved, *options.get(words[0], []))
    assert result.status in (1, 2)
    assert "holds a model that was saved without its data. Give data: lowerbound evaluate " in result.error
    assert "doctor, latents, explain, traverse and interpolate; sample needs none" in result.error


def test_saved_models_and_runs_are_ranked_on_other_data(saved: Path, tmp_path: Path) -> None:
    """The numbers are those of `compare_models`; what is about other columns is not ranked."""
    data, spread = saved.parent / "rows.npy", tmp_path / "spread"
    VAE(**SMALL, likelihood="laplace").fit(ROWS).save(spread)
    run = tmp_path / "run"
    good(
        "train",
        data,
        "--set",
        "model.latent_dim=2",
        "--epochs",
        1,
        "--no-report",
        "--out",
        run,
        "--recipe",
        "post-2018",
        "--set",
        "likelihood.name=gaussian",
        "--set",
        "data.scaling=standard",
    )
    found = json.loads(good("compare", saved, spread, run, "--data", data, "--samples", 5, "--json").stdout)
    assert (found["data"], found["split"], found["num_examples"]) == (str(data), None, 40)
    expected = compare_models({str(each): each for each in (saved, spread, run)}, ROWS, 5)
    numbers = {each["name"]: each["log_evidence_nats"] for each in found["contenders"]}
    assert numbers == pytest.approx({each.name: each.log_evidence_nats for each in expected.contenders}, abs=1e-4)
    assert "rows.npy, the same 40 examples" in good("compare", saved, spread, "--data", data, "--samples", 5).stdout.replace(
        "\n", ""
    )


def test_fidelity_of_a_saved_model_takes_its_rows_of_training(saved: Path, tmp_path: Path) -> None:
    data, fresh = saved.parent / "rows.npy", tmp_path / "fresh.npy"
    np.save(fresh, np.random.default_rng(1).normal(size=(30, 3)))
    found = json.loads(good("fidelity", saved, fresh, "--training", data, "-n", 40, "--json").stdout)
    assert (found["real_rows"], found["num_compared"], found["num_synthetic"]) == (str(fresh), 30, 40)
    for words in ([], [fresh], ["--training", data]):
        error = command("fidelity", saved, *words).error
        assert f"lowerbound fidelity {saved} DATA --training DATA" in error


def test_fidelity_refuses_rows_of_training_that_never_change(saved: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "same.npy", np.zeros((30, 3)))
    result = command("fidelity", saved, saved.parent / "rows.npy", "--training", tmp_path / "same.npy")
    assert (result.status, "no column changes in the 30 rows of training" in result.error) == (1, True)


def test_fitted_models_and_folders_are_compared_on_the_same_rows(saved: Path) -> None:
    spread = VAE(**SMALL, likelihood="laplace").fit(ROWS)
    found = compare_models({"here": spread, "there": saved}, ROWS, 5)
    assert {each.name for each in found.contenders} == {"here", "there"}
    one, other = (VAE.load(saved).evaluate(ROWS, 5), spread.evaluate(ROWS, 5))
    gap = abs(one.log_evidence_nats - other.log_evidence_nats)
    assert found.contenders[1].behind_nats == pytest.approx(gap, abs=1e-4)
    assert found.contenders[1].behind_standard_error > 0
    with pytest.raises(ConfigurationError, match=r"models names 'one'; expected two fitted models or more by name"):
        compare_models({"one": spread}, ROWS)
    with pytest.raises(ConfigurationError, match=r"models is a list; expected two"):
        compare_models([spread, spread], ROWS)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match=r"models\['b'\] is not fitted; call its fit first"):
        compare_models({"a": spread, "b": VAE()}, ROWS)
    mass = VAE(**SMALL).fit((ROWS > 0).astype(int))
    with pytest.raises(ConfigurationError, match=r"a and b cannot be ranked: one gives log-densities, the other log-prob"):
        compare_models({"a": spread, "b": mass}, ROWS)
