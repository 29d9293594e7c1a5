"""`latents`: figures of each latent, of all together, and why there are no scores where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL_ALONE, good
from support.chance import agrees

from lowerbound import evaluation
from lowerbound.cli import latents
from lowerbound.evaluation.disentanglement import fixed_factor
from lowerbound.summaries import collect


def test_the_figures_of_each_latent_and_of_all(images_run: Path) -> None:
    found = json.loads(good("latents", images_run, "--split", "train", "--json").stdout)
    scores = json.loads(good("evaluate", images_run, "--split", "train", "--samples", 2, "--json").stdout)
    assert sum(found["kl_by_latent_nats"]) == pytest.approx(scores["kl_nats"], rel=1e-3)
    assert sum(found["is_active"]) == scores["active_units"]
    # Their sum is the mean KL, up to the noise of one draw an example.
    both = found["mutual_information_nats"] + found["aggregate_kl_nats"]
    error = np.hypot(found["mutual_information_standard_error"], found["aggregate_kl_standard_error"])
    assert agrees(both, scores["kl_nats"], error, num_draws=96)
    parts = found["total_correlation_nats"] + found["dimension_wise_kl_nats"]
    assert parts == pytest.approx(found["aggregate_kl_nats"], abs=1e-5)
    assert found["scores"] is None
    text = good("latents", images_run).stdout
    assert "No scores against factors: the data have no known factors." in text
    assert "I(x; z)" in text
    assert "their total correlation, and " in text


def test_all_faces_call_the_same_latents_active(images_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor and the report show few points of a large split, but judge its latents by all of it."""
    scales = json.loads(good("latents", images_run, "--json").stdout)["variance_of_means"]
    monkeypatch.setattr(collect, "NUM_LATENT_POINTS", 2)
    # Just below the variance over all 12 examples of the larger latent; over two of them it is another.
    monkeypatch.setattr(evaluation.latents, "ACTIVE_VARIANCE", 0.999 * max(scales))
    active = json.loads(good("latents", images_run, "--json").stdout)["is_active"]
    assert sum(active) == 1
    assert json.loads(good("evaluate", images_run, "--samples", 2, "--json").stdout)["active_units"] == 1
    figures = json.loads(good("doctor", images_run, "--json").stdout)["figures"]
    assert figures["active_latents"] == np.flatnonzero(active).tolist()


def test_scores_against_the_factors_of_the_built_in_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Few of them: drawing the thousands of a real run takes half a minute.
    monkeypatch.setattr(latents, "GENERATED", 300)
    monkeypatch.setattr(fixed_factor, "GENERATED_VOTES", 30)
    monkeypatch.setattr(fixed_factor, "GENERATED_GROUP", 10)
    good("train", "faces", *SMALL_ALONE, "--epochs", 1, "--out", tmp_path / "run")
    result = good("latents", tmp_path / "run", "--json")
    assert "drawing 600 new examples of faces for the scores" in result.stderr
    # More than the 200 examples of the test split.
    scores = json.loads(result.stdout)["scores"]
    assert (scores["num_examples"], scores["groups_from"]) == (300, "generator")
    assert scores["factor_names"][:4] == ["turn", "tilt", "nod", "smile"]
    for name in ("mig", "sap", "dci_disentanglement", "dci_completeness", "factor_vae", "beta_vae"):
        assert 0 <= scores[name] <= 1, name
    text = good("latents", tmp_path / "run").stdout
    assert "FactorVAE score: majority vote" in text
    assert "groups that share a factor from the generator" in text
