"""Where examples come from, and on how many devices they are, changes nothing of what is learned."""

from __future__ import annotations

import os
import subprocess
import sys
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


_TWO_DEVICES = """
import jax, numpy as np
from lowerbound.assembly.build import build_model, resolve
from lowerbound.config import RunConfig
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError
from lowerbound.objectives import ELBO
from lowerbound.training import Trainer
from lowerbound.training.devices import mesh
assert len(jax.devices()) == 2
x = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
sections = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [8]}, "likelihood": {"name": "gaussian"}}
config = RunConfig.from_dict(sections)
for count in (1, 2):
    model = build_model(resolve(config, describe(x)), describe(x), jax.random.key(0))
    options = TrainingConfig(epochs=4, batch_size=8, learning_rate=0.01, validate_every=1)
    trainer = Trainer(model, x[:64], x[64:], ELBO(), options, mesh=mesh(count))
    records = []
    progress = trainer.run(trainer.start(), on_record=lambda record, progress: records.append(record))
    assert len(progress.state.params.encoder.layers[0].weight.sharding.device_set) == count
    print(*(record.loss for record in records), *(record.validation_elbo_nats for record in records))
try:
    Trainer(model, x[:64], x[64:], ELBO(), TrainingConfig(batch_size=7), mesh=mesh(2))
except ConfigurationError as error:
    print(error)
"""


def test_two_devices_give_the_curve_of_one() -> None:
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    result = subprocess.run([sys.executable, "-c", _TWO_DEVICES], capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    *curves, refusal = result.stdout.splitlines()
    one, two = (np.array(line.split(), np.float64) for line in curves)
    assert len(one) == 8
    np.testing.assert_allclose(two, one, rtol=1e-5)
    assert len(set(one)) == 8
    assert "training.batch_size is 7, which 2 devices cannot share equally; set it to a multiple of 2" in refusal


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
