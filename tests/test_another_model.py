"""A model of another class, registered like an outsider's part, goes wherever the package's own model goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from support.chain import Chain
from support.chance import agrees

from lowerbound import VAE
from lowerbound.config.catalogue import CATALOGUE
from lowerbound.config.entry import Entry
from lowerbound.config.keys import Key
from lowerbound.config.rules import Integer
from lowerbound.data.examples import Example
from lowerbound.evaluation import Refined, estimate_evidence, kl_by_latent
from lowerbound.evaluation.annealing import Annealing, anneal
from lowerbound.models import Draws
from lowerbound.summaries.examination import examine

_RNG = np.random.default_rng(0)
DATA = (_RNG.normal(size=(60, 1)) * [1.0, -2.0, 0.5] + 0.5 * _RNG.normal(size=(60, 3))).astype(np.float32)


@pytest.fixture(scope="module")
def vae() -> Iterator[VAE]:
    CATALOGUE["model"]["chain"] = Entry(f"{Chain.__module__}:Chain", {"latent_dim": Key(2, Integer(2), "two")})
    yield VAE(2, model="chain", epochs=40, batch_size=10, learning_rate=0.03, automatic=False, random_state=0).fit(DATA)
    del CATALOGUE["model"]["chain"]


def test_it_trains_and_its_evidence_is_the_exact_one(vae: VAE) -> None:
    model = vae.model_
    assert isinstance(model, Chain)
    assert vae.history_["train_elbo_nats"][-1] > vae.history_["train_elbo_nats"][0] + 1
    exact = model.exact_log_evidence(DATA[:8])
    # Of a refined proposal the ELBO is the mean over 64 draws of q, and of q itself over all 2000.
    for proposal, noise in ((None, 0.05), (Refined(num_steps=5), 0.5)):
        found = estimate_evidence(model, DATA[:8], 2000, proposal=proposal)
        # The posterior's family holds the exact one, so that weights vary little; seeded.
        np.testing.assert_allclose(found.log_evidence, exact, atol=0.1)
        assert (np.asarray(found.elbo) <= exact + noise).all()
    assert np.isfinite(anneal(model, DATA[:2], Annealing(5, 2, 1)).log_mean_weight).all()


def test_its_kl_comes_block_by_block(vae: VAE) -> None:
    terms = vae.model_.log_terms(Example(DATA[0]), jax.random.key(0), Draws(20_000))
    assert [block.shape for block in terms.kl_by_block if block is not None] == [(1,), (1,)]
    assert not terms.has_exact_kl
    surplus = np.asarray(terms.log_posterior - terms.log_prior)
    assert agrees(surplus.mean(), float(terms.kl), surplus.std() / len(surplus) ** 0.5)
    by_latent = kl_by_latent(vae.model_, DATA)
    assert by_latent is not None
    assert by_latent.shape == (2,)


def test_it_is_saved_loaded_and_examined(vae: VAE, tmp_path: Path) -> None:
    vae.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(DATA), vae.transform(DATA))
    found = examine(vae.model_, vae.spec_, Example(DATA[:20]), Example(DATA[:20]), split="train")
    assert found.aggregate is not None
    assert found.aggregate.total_correlation_nats is None
