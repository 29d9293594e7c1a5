"""Elements that a step hides at random, and encoders that are told what is observed."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from registry import DATA, model_of
from support.chance import is_likely

from lowerbound import VAE
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.objectives import ELBO
from lowerbound.training import Trainer
from lowerbound.training.feed import Hiding, Resident

CONFIG = TrainingConfig(epochs=2, batch_size=8, validate_every=1, hide_elements=0.6)


def batch_of(data: Example, step: int, largest: float = 0.6) -> Example:
    feed = Hiding(data.on_device(), Resident(data.on_device()), jnp.float32(largest))
    return feed.batch(jnp.arange(len(data)), jax.random.key(0), jnp.int32(step))


def test_half_of_the_examples_stay_whole_and_the_others_lose_a_share_that_is_uniform() -> None:
    """Three tests with fixed seeds, each of which fails by chance as `is_likely` says."""
    count, size = 4000, 50
    observed = np.asarray(batch_of(Example(np.zeros((count, size), np.float32)), 0).observed)
    hidden = (~observed).mean(axis=1)
    whole = int((hidden == 0).sum())
    # A share below 1/50 of 50 elements often hides none: E[(1 - u)^50] over u in (0, 0.6) is 1 / (51 * 0.6).
    assert is_likely(float(scipy.stats.binomtest(whole, count, 0.5 + 0.5 / (51 * 0.6)).pvalue))
    mean = hidden.mean()
    error = hidden.std() / np.sqrt(count)
    assert is_likely(float(2 * scipy.stats.norm.sf(abs(mean - 0.15) / error)))
    # Each element alike.
    by_element = (~observed).sum(axis=0)
    assert is_likely(float(scipy.stats.chisquare(by_element).pvalue))
    # The negative control: a larger share.
    other = (~np.asarray(batch_of(Example(np.zeros((count, size), np.float32)), 0, 0.9).observed)).mean()
    assert abs(other - 0.15) > 10 * error


def test_each_step_hides_others_and_holes_stay_holes() -> None:
    x = np.arange(40.0, dtype=np.float32).reshape(8, 5)
    known = np.ones(x.shape, bool)
    known[2, 3] = False
    first, again, second = (batch_of(Example(x, observed=known), step) for step in (0, 0, 1))
    assert first.observed is not None
    assert second.observed is not None
    np.testing.assert_array_equal(np.asarray(first.observed), np.asarray(again.observed))
    assert (np.asarray(first.observed) != np.asarray(second.observed)).any()
    assert not np.asarray(first.observed)[2, 3]
    assert not np.asarray(second.observed)[2, 3]


def test_training_goes_on_to_the_same_bits_with_elements_hidden() -> None:
    def trained(config: TrainingConfig) -> Trainer:
        return Trainer(
            model_of("table-gaussian-standard", jax.random.key(0)), DATA["table"][:40], DATA["table"][40:], ELBO(), config
        )

    trainer = trained(CONFIG)
    ends = [trainer.run(trainer.start()).best_bound for _ in range(2)]
    assert ends[0] == ends[1]
    plain = trained(dataclasses.replace(CONFIG, hide_elements=0.0))
    assert plain.run(plain.start()).best_bound != ends[0]


def test_a_law_of_all_elements_together_hides_none() -> None:
    counts = np.random.default_rng(0).poisson(3.0, (40, 4))
    settings = {"latent_dim": 2, "hidden_widths": (8,), "epochs": 1, "automatic": False}
    with pytest.raises(ConfigurationError, match=r"observed is False for some elements, but Multinomial gives no"):
        VAE(likelihood="multinomial", config={"training": {"hide_elements": 0.5}}, **settings).fit(counts)


def test_an_encoder_tells_a_hole_from_a_value_that_is_the_mean() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4))
    x[random.random(x.shape) < 0.2] = np.nan
    vae = VAE(latent_dim=2, hidden_widths=(8,), epochs=2, automatic=False, random_state=0).fit(x)
    row, whole = np.array([[np.nan, 0.3, -0.2, 1.0]]), np.array([[vae.spec_.mean[0], 0.3, -0.2, 1.0]])
    assert np.abs(vae.transform(row) - vae.transform(whole)).max() > 1e-4
    # What stands at a hole is never looked at: a score is about the rest.
    data = vae.examples_of(row)
    other = dataclasses.replace(data, x=np.where(np.isnan(data.x), np.float32(9e9), data.x))
    means = [np.asarray(vae.model_.encode(jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), each)).mean) for each in (data, other)]
    np.testing.assert_array_equal(means[0], means[1])
