"""`VAE.evaluate(method=...)`: the records of `lowerbound evaluate --method`, and its refusals in the same words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import command, good

from lowerbound import VAE
from lowerbound.errors import ConfigurationError

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
SMALL: dict[str, Any] = {"hidden_widths": (4,), "epochs": 1, "batch_size": 20, "random_state": 0, "automatic": False}


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE(2, **SMALL).fit(ROWS)


@pytest.fixture(scope="module")
def saved(vae: VAE, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, beside its data."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "rows.npy", ROWS)
    vae.save(folder / "model")
    return folder / "model"


_FEW = {"num_temperatures": 5, "num_chains": 2, "num_examples": 4}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("importance", {"num_samples": 20}),
        ("ais", {**_FEW, "start": "posterior"}),
        ("bdmc", _FEW),
        ("gap", {"num_samples": 20, "num_examples": 4}),
        ("posterior-density", {"num_samples": 10, "num_examples": 4}),
    ],
)
def test_the_record_is_that_of_the_command_line(vae: VAE, saved: Path, method: str, arguments: dict[str, Any]) -> None:
    found = vae.evaluate(ROWS, **arguments, method=method, random_state=3).to_json()
    options = [word for name, value in arguments.items() for word in (f"--{name.removeprefix('num_')}", value)]
    words = ["--method", method, *options, "--seed", 3, "--json"]
    printed = json.loads(good("evaluate", saved, saved.parent / "rows.npy", *words).stdout)
    found.pop("split", None)
    printed.pop("split", None)
    assert _near(printed, found)


def _near(one: Any, other: Any) -> bool:
    """Whether two records agree: their numbers to what saving and loading may round, all else exactly."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_near(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_near, one, other))
    return one == (pytest.approx(other, rel=1e-4) if isinstance(other, float) else other)


def test_random_weights_have_an_evidence_of_all_examples_together() -> None:
    random = VAE(2, model="bayesian-decoder", config={"model": {"initial_std": 0.01}}, **SMALL).fit(ROWS)
    found: Any = random.evaluate(ROWS, 30, method="joint", num_weights=20)
    assert (found.num_examples, found.num_weights, found.num_samples) == (40, 20, 30)
    plain = random.evaluate(ROWS, 30)
    # The same bound from other draws.
    error = np.hypot(found.elbo_standard_error, plain.elbo_standard_error)
    assert found.elbo_nats == pytest.approx(plain.elbo_nats, abs=5.5 * error + 0.2)
    assert found.elbo_nats < found.single_draw_nats < found.log_evidence_nats
    assert "not enough" in found.verdict


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({"method": "aiss"}, ["--method", "aiss"]),
        ({"method": "gap", "num_chains": 3}, ["--method", "gap", "--chains", 3]),
        ({"num_examples": 3}, ["--examples", 3]),
        ({"method": "ais", "num_temperatures": 0}, ["--method", "ais", "--temperatures", 0]),
        ({"method": "ais", "start": "priors"}, ["--method", "ais", "--start", "priors"]),
        ({"method": "ais", "num_samples": 50}, ["--method", "ais", "--samples", 50]),
        ({"num_weights": 5}, ["--weights", 5]),
        ({"method": "joint"}, ["--method", "joint"]),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_in_the_same_words(
    vae: VAE, saved: Path, arguments: dict[str, Any], options: list[object]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        vae.evaluate(ROWS, **arguments)
    said = command("evaluate", saved, saved.parent / "rows.npy", *options).error
    # An option is an argument with two dashes, and a number of something without "num_".
    one, other = (re.sub(r"--|num_", "", text) for text in (said.removeprefix("error: ").strip(), str(refused.value)))
    assert one == other


def test_what_only_importance_sampling_reads_and_weights_of_examples_that_are_made_up_are_refused(vae: VAE) -> None:
    from lowerbound.evaluation import Refined

    with pytest.raises(ConfigurationError, match=r"^proposal is read with method importance alone; got method gap.$"):
        vae.evaluate(ROWS, method="gap", proposal=Refined())
    with pytest.raises(ConfigurationError, match=r"sample_weight is of the rows of X, and method bdmc looks at examples that"):
        vae.evaluate(ROWS, method="bdmc", sample_weight=np.ones(40))
