"""What a fitted estimator says of itself: its latents, and what is the matter with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lowerbound import VAE
from lowerbound.estimator.advice import in_python
from lowerbound.evaluation import kl_by_latent

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2)) @ RNG.normal(size=(2, 4)) + 0.1 * RNG.normal(size=(80, 4))
SMALL: dict[str, Any] = {"latent_dim": 3, "hidden_widths": (8,), "batch_size": 20, "random_state": 0, "automatic": False}


@pytest.fixture(scope="module")
def collapsed() -> VAE:
    """A fault that was planted: a KL term of thirty times its weight."""
    config = {"objective": {"warmup_epochs": 1}}
    return VAE(**SMALL, epochs=30, learning_rate=0.01, beta=30.0, config=config).fit(X)


def test_latents_are_a_table_and_numbers(collapsed: VAE) -> None:
    table = collapsed.latents(X)
    np.testing.assert_allclose(table.means, collapsed.transform(X), atol=1e-6)
    expected = np.asarray(kl_by_latent(collapsed.model_, X.astype(np.float32)))
    np.testing.assert_allclose(np.asarray(table.kl_by_latent_nats), expected, rtol=1e-4, atol=1e-6)
    assert not table.is_active.any()
    assert table.to_json()["num_examples"] == 80
    head, *lines = str(table).splitlines()
    assert head.split() == ["latent", "KL", "[nats]", "variance", "of", "E[z|x]", "active"]
    assert [line.split()[0] for line in lines[:3]] == [f"z{j}" for j in np.argsort(-np.asarray(table.kl_by_latent_nats))]
    assert lines[3].startswith("The code tells 0.00 ± ")


def test_the_doctor_finds_a_planted_fault_and_advises_in_python(collapsed: VAE) -> None:
    found = collapsed.doctor(X)
    assert found.most_serious is not None
    assert found.most_serious.sentence.startswith("Posterior collapse")
    assert found.most_serious.command == "vae.set_params(beta=1).fit(X)"
    text = str(found)
    assert text.startswith(found.verdict)
    assert "lowerbound train" not in text


def test_advice_adds_to_the_keys_that_are_set() -> None:
    command = "lowerbound train --recipe 'x y/config.toml' --set prior.name=vamp --set prior.num_components=100"
    further = {"training": {"gradient_clip": 5.0}}
    assert in_python(command, further) == (
        "vae.set_params(prior='vamp', config={'training': {'gradient_clip': 5.0}, 'prior': {'num_components': 100}}).fit(X)"
    )
    assert in_python("lowerbound train --resume VAE --epochs 60", None) == "vae.set_params(epochs=60).fit(X)"
    assert in_python("", further) == ""
