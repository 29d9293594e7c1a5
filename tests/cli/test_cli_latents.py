"""`latents`: figures of each latent, of all together, and why there are no scores where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import good


def test_the_figures_of_each_latent_and_of_all(images_run: Path) -> None:
    found = json.loads(good("latents", images_run, "--split", "train", "--json").stdout)
    scores = json.loads(good("evaluate", images_run, "--split", "train", "--samples", 2, "--json").stdout)
    assert sum(found["kl_by_latent_nats"]) == pytest.approx(scores["kl_nats"], rel=1e-3)
    assert sum(found["is_active"]) == scores["active_units"]
    # Their sum is the mean KL, up to the noise of one draw an example.
    both = found["mutual_information_nats"] + found["aggregate_kl_nats"]
    error = np.hypot(found["mutual_information_standard_error"], found["aggregate_kl_standard_error"])
    assert both == pytest.approx(scores["kl_nats"], abs=5 * error)
    parts = found["total_correlation_nats"] + found["dimension_wise_kl_nats"]
    assert parts == pytest.approx(found["aggregate_kl_nats"], abs=1e-5)
    assert found["scores"] is None
    text = good("latents", images_run).stdout
    assert "No scores against factors: the data have no known factors." in text
    assert "I(x; z)" in text
    assert "their total correlation, and " in text
