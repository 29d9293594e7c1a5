"""Where examples come from changes nothing of what is learned."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from registry import DATA, model_of

from lowerbound.config.sections import TrainingConfig
from lowerbound.data.examples import Example
from lowerbound.objectives import ELBO
from lowerbound.training import Progress, Streamed, Trainer
from lowerbound.training.feed import Redrawn

CONFIG = TrainingConfig(epochs=4, batch_size=7, learning_rate=0.01, validate_every=2)


def _trained(train: Any) -> Progress:
    trainer = Trainer(model_of("table-gaussian-standard", jax.random.key(0)), train, DATA["table"][40:], ELBO(), CONFIG)
    return trainer.run(trainer.start())


def test_a_streamed_feed_gives_the_resident_ones_bits() -> None:
    """Without dropout: with it, under the flags that tests have and users have not, XLA compiles the two to other last bits."""
    data, asked = DATA["table"][:40], []

    def read(rows: np.ndarray) -> Example:
        asked.append(len(rows))
        return Example(data[rows])

    streamed, resident = _trained(Streamed(read, len(data))), _trained(data)
    assert eqx.tree_equal(streamed.state, resident.state)
    assert streamed.best_bound == resident.best_bound
    # A chunk at a time: two epochs of five steps of seven.
    assert asked == [70, 70]
    # The negative control: other rows, other weights.
    other = _trained(Streamed(lambda rows: Example(data[::-1][rows]), len(data)))
    assert not eqx.tree_equal(other.state.params, resident.state.params)


def test_redrawn_zeros_and_ones_derive_from_the_seed_and_the_step_alone() -> None:
    """Each step sees another draw of the same rows, whatever the chunks; its mean is the probability (6 errors, 2e-9)."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (300, 40)).astype(np.uint8)
    fixed = (rng.random(values.shape) < values / 255).astype(np.uint8)
    feed = Redrawn(Example(fixed).on_device(), jnp.asarray(values), 255.0)
    key, rows = jax.random.key(1), jnp.arange(300)
    draws = [np.asarray(feed.batch(rows, key, jnp.int32(step)).x) for step in range(80)]
    assert draws[0].dtype == np.uint8
    assert (draws[0] != draws[1]).any()
    np.testing.assert_array_equal(draws[5], feed.batch(rows, key, jnp.int32(5)).x)
    assert (draws[0] != np.asarray(feed.batch(rows, jax.random.key(2), jnp.int32(0)).x)).any()
    z = (np.mean(draws) - np.mean(values / 255)) / np.sqrt(np.mean(values / 255 * (1 - values / 255)) / (80 * values.size))
    assert abs(z) < 6
    np.testing.assert_array_equal(feed.first(5).x, fixed[:5])
