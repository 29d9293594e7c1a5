"""One configuration gives one curve on any number of devices, also where they cannot share a batch equally."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import DATA, model_of

from lowerbound.config.sections import TrainingConfig
from lowerbound.data.examples import Example
from lowerbound.devices.mesh import filled
from lowerbound.objectives import ELBO
from lowerbound.training import Trainer, program

# Batches of 20, which 8 devices share as 24 rows with 4 of weight 0, and 50 examples for validation, as 56. What is printed of
# each: the curves, and the largest difference of the weights in shares of the largest weight of their array.
_PROGRAM = """
import json, sys, jax, jax.numpy as jnp, numpy as np
from lowerbound.assembly.build import build_model, resolve
from lowerbound.config import RunConfig
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.devices.mesh import mesh
from lowerbound.objectives import ELBO, BetaTCVAE, DIPVAEII, InfoVAE, MonteCarloEM
from lowerbound.training import Trainer
assert len(jax.devices()) == 8
x = np.random.default_rng(0).normal(size=(150, 5)).astype(np.float32)
sections = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [8], "dropout": 0.1}, "likelihood": {"name": "gaussian"}}
config = RunConfig.from_dict(sections)
named = {
    "elbo": ELBO(),
    "total correlation": BetaTCVAE(num_examples=100),
    "dip": DIPVAEII(),
    "mmd": InfoVAE(),
    "chains": MonteCarloEM(num_leapfrog=3),
}
other = {"epochs": 5, "batch_size": 20, "learning_rate": 0.01, "validate_every": 1, "ema_decay": 0.9}
def trained(objective, count, **changes):
    model = build_model(resolve(config, describe(x)), describe(x), jax.random.key(0))
    trainer = Trainer(model, x[:100], x[100:], objective, TrainingConfig(**{**other, **changes}), mesh=mesh(count))
    records = []
    progress = trainer.run(trainer.start(), on_record=lambda record, progress: records.append(record))
    assert len(progress.state.params.encoder.layers[0].weight.sharding.device_set) == count
    weights = [np.asarray(leaf) for leaf in jax.tree.leaves(progress.state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return [[row.loss, row.validation_bound_nats, row.validation_loss] for row in records], weights
for name in sys.argv[1:]:
    one, many = (trained(named[name], count) for count in (1, 8))
    apart = max(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30) for a, b in zip(one[1], many[1]))
    print(json.dumps({"one": one[0], "many": many[0], "apart": float(apart)}))
print(json.dumps(trained(named[sys.argv[1]], 8, batch_size=24)[0]))
"""

_EVIDENCE = """
import json, jax, numpy as np
from lowerbound.assembly.build import build_model, resolve
from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.devices.mesh import mesh
from lowerbound.evaluation import estimate_evidence
x = np.random.default_rng(0).normal(size=(70, 5)).astype(np.float32)
sections = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [8]}, "likelihood": {"name": "gaussian"}}
model = build_model(resolve(RunConfig.from_dict(sections), describe(x)), describe(x), jax.random.key(0))
for seed, each in ((0, None), (0, mesh(2)), (0, mesh(8)), (1, mesh(8))):
    told = []
    found = estimate_evidence(model, x, 200, seed=seed, mesh=each, on_progress=told.append)
    print(json.dumps([told, *(np.asarray(column, np.float64).tolist() for column in found)]))
"""


def _on_eight_devices(program: str, *names: str) -> list:
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", program, *names]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=500)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    "names", [("elbo", "total correlation"), pytest.param(("dip", "mmd", "chains"), marks=pytest.mark.long)], ids=str
)
def test_eight_devices_give_the_curve_of_one(names: tuple[str, ...]) -> None:
    *found, control = _on_eight_devices(_PROGRAM, *names)
    for each in found:
        assert np.shape(each["one"]) == (5, 3)
        assert len(np.unique(each["one"])) >= 10
        np.testing.assert_allclose(each["many"], each["one"], rtol=1e-5)
        assert each["apart"] < 1e-4
    # The negative control: were the rows that fill up a batch counted, it would be one of 24.
    assert np.abs(np.array(control) / found[0]["one"] - 1).max() > 1e-3


def test_the_scores_of_examples_are_those_of_one_device() -> None:
    one, two, eight, control = _on_eight_devices(_EVIDENCE)
    # More devices have more examples in flight at once, and end on the same number.
    assert len(one[0]) > len(two[0]) > len(eight[0])
    assert one[0][-1] == two[0][-1] == eight[0][-1] == 70
    for many in (two, eight):
        for alone, shared in zip(one[1:], many[1:], strict=True):
            np.testing.assert_allclose(shared, alone, rtol=1e-6, atol=1e-6)
    # The negative control: other draws, other numbers.
    assert np.abs(np.subtract(control[1], one[1])).min() > 1e-6


def test_what_fills_a_batch_is_no_row() -> None:
    """No weight, no label, no place among the training data; and a batch that the devices can share is left as it is."""
    four, three = (jax.sharding.AbstractMesh((count,), ("data",)) for count in (4, 3))
    rows = jnp.arange(12, dtype=jnp.float32).reshape(6, 2) + 1
    batch = Example(rows, condition=jnp.eye(6), observed=rows > 2, index=jnp.arange(6, dtype=jnp.int32))
    assert filled(batch, three) is batch
    found = filled(batch, four)
    assert len(found) == 8
    for name in ("x", "condition", "observed", "index"):
        np.testing.assert_array_equal(getattr(found, name)[:6], getattr(batch, name))
    np.testing.assert_array_equal(found.weight, [1, 1, 1, 1, 1, 1, 0, 0])
    assert found.condition is not None
    np.testing.assert_array_equal(found.condition[6:], 0)
    # Nothing is written where such a row would be remembered.
    np.testing.assert_array_equal(jnp.zeros(6).at[found.index].set(1.0), np.ones(6))
    weighted = filled(Example(rows, weight=jnp.full(6, 2.0)), four)
    np.testing.assert_array_equal(weighted.weight, [2, 2, 2, 2, 2, 2, 0, 0])
    assert float(weighted.mean(weighted.x[:, 0])) == pytest.approx(float(rows[:, 0].mean()))


def test_the_step_lowers_for_devices_that_are_not_here() -> None:
    """64 of them: a batch of 20 is filled up to 64 rows, of which each has one, and gradients are summed over all."""
    spread = jax.sharding.AbstractMesh((64,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    data = DATA["table"][:40]
    model = model_of("table-gaussian-standard", jax.random.key(0))
    trainer = Trainer(model, data, DATA["table"][40:], ELBO(), TrainingConfig(epochs=2, batch_size=20))
    state = trainer.start().state
    texts = {}
    for name, mesh in (("here", trainer.mesh), ("there", spread)):
        fixed = dataclasses.replace(trainer.fixed, mesh=mesh)
        arrays, rest = eqx.partition((fixed, trainer.feed, state), eqx.is_array)
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        shapes = jax.tree.map(lambda leaf, where=everywhere: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), arrays)

        def step(arrays: Any, rest: Any = rest) -> Any:
            fixed, feed, state = eqx.combine(arrays, rest)
            return eqx.filter(program.chunk_of_steps((fixed, feed), state), eqx.is_array)

        texts[name] = jax.jit(step).trace(shapes).lower(lowering_platforms=("cpu",)).as_text()
    assert "num_partitions = 64" in texts["there"]
    rows = f"tensor<64x{data.shape[1]}xf32>"
    assert rows in texts["there"]
    assert rows not in texts["here"]
