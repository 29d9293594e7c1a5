"""The same seed gives the same numbers bit for bit, however a run is cut into chunks or stopped and resumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import DATA, model_of

from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.devices.mesh import mesh, place
from lowerbound.evaluation import estimate_evidence, posterior_means
from lowerbound.objectives import ELBO
from lowerbound.runs.checkpoints import latest_checkpoint, load_checkpoint_into, save_checkpoint
from lowerbound.training import Progress, Record, Trainer
from lowerbound.training.program import CPU_OPTIONS, train_chunk

# Everything that draws random numbers or remembers is on: dropout, warm-up, running average, best weights.
MODEL = "table-gaussian-dropout"
OBJECTIVE = ELBO(warmup_steps=20)
OPTIONS = TrainingConfig(
    epochs=6,
    batch_size=7,
    learning_rate=0.01,
    learning_rate_warmup_epochs=1,
    ema_decay=0.9,
    early_stopping_patience=100,
    validate_every=1,
)
TRAIN, VALIDATION = DATA["table"][:40], DATA["table"][40:]


@pytest.fixture(scope="module", autouse=True)
def as_users_compile() -> Iterator[None]:
    """Which bits come out is the compiler's: here it generates code as it does for users, not as fast as for the other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CPU_OPTIONS, "xla_cpu_use_fusion_emitters", True)
        train_chunk.cache_clear()
        yield
    train_chunk.cache_clear()


def _trainer(options: TrainingConfig = OPTIONS, weights_seed: int = 0) -> Trainer:
    return Trainer(model_of(MODEL, jax.random.key(weights_seed)), TRAIN, VALIDATION, OBJECTIVE, options)


def _run(trainer: Trainer, progress: Progress, **hooks: Any) -> tuple[Progress, list[Record]]:
    records: list[Record] = []
    progress = trainer.run(progress, on_record=lambda record, progress: records.append(record), **hooks)
    return progress, records


def _numbers(records: list[Record]) -> list[dict[str, Any]]:
    """The records without the times."""
    return [{name: value for name, value in dataclasses.asdict(record).items() if "second" not in name} for record in records]


def _assert_same_progress(one: Progress, other: Progress) -> None:
    assert eqx.tree_equal(one.state, other.state)
    assert eqx.tree_equal(one.best_params, other.best_params)
    assert (one.best_epoch, one.best_bound) == (other.best_epoch, other.best_bound)


@pytest.fixture(scope="module")
def never_stopped() -> tuple[Progress, list[Record]]:
    trainer = _trainer()
    return _run(trainer, trainer.start())


def test_same_seed_same_numbers(never_stopped: tuple[Progress, list[Record]]) -> None:
    trainer = _trainer()
    progress, records = _run(trainer, trainer.start())
    _assert_same_progress(progress, never_stopped[0])
    assert _numbers(records) == _numbers(never_stopped[1])


@pytest.mark.parametrize(("run_seed", "weights_seed"), [(1, 0), (0, 1)])
def test_another_seed_gives_other_numbers(run_seed: int, weights_seed: int, never_stopped: tuple[Progress, list[Record]]) -> None:
    """The negative control."""
    trainer = _trainer(dataclasses.replace(OPTIONS, seed=run_seed), weights_seed)
    progress, records = _run(trainer, trainer.start())
    assert not eqx.tree_equal(progress.state.params, never_stopped[0].state.params)
    assert records[-1].validation_elbo_nats != never_stopped[1][-1].validation_elbo_nats


def test_how_often_the_host_looks_changes_no_weight(never_stopped: tuple[Progress, list[Record]]) -> None:
    """Chunks of 1 epoch; chunks of 4 and a shorter last one."""
    trainer = _trainer(dataclasses.replace(OPTIONS, validate_every=4))
    progress, records = _run(trainer, trainer.start())
    assert len(records) == 2
    assert eqx.tree_equal(progress.state, never_stopped[0].state)
    by_step = {record["step"]: record for record in _numbers(never_stopped[1])}
    for record in _numbers(records):
        names = [name for name in record if name.startswith("validation")]
        assert [record[name] for name in names] == [by_step[record["step"]][name] for name in names]


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_stop_and_resume_is_never_stopping(stop_after: int, never_stopped: tuple[Progress, list[Record]], tmp_path: Path) -> None:
    """Through a checkpoint on disk, into a trainer that knows nothing of the first."""
    trainer = _trainer()
    answers = iter([None] * (stop_after - 1) + ["stopped by the test"])
    stopped, first_records = _run(trainer, trainer.start(), should_stop=lambda: next(answers))
    step, spec = int(stopped.state.step), describe(TRAIN)
    assert step == stop_after * trainer.schedule.steps_per_epoch
    counters = stopped.counters
    save_checkpoint(tmp_path, step, {}, spec, trainer.model_of(stopped), (stopped.state, stopped.best_params), counters)

    checkpoint = latest_checkpoint(tmp_path)
    assert checkpoint is not None
    # Other weights to begin with, so that whatever were not restored would show.
    resumed_trainer = _trainer(weights_seed=9)
    blank = resumed_trainer.start()
    like = resumed_trainer.current_model(blank), (blank.state, blank.best_params)
    _, (state, best) = load_checkpoint_into(checkpoint.path, *like)
    resumed = Progress.restore(state, best, {**checkpoint.counters, "stop_reason": ""})
    finished, last_records = _run(resumed_trainer, resumed)
    _assert_same_progress(finished, never_stopped[0])
    assert _numbers(first_records + last_records) == _numbers(never_stopped[1])


def test_resumed_with_more_epochs_is_the_longer_run(never_stopped: tuple[Progress, list[Record]]) -> None:
    short = _trainer(dataclasses.replace(OPTIONS, epochs=2))
    progress, _ = _run(short, short.start())
    longer = _trainer()
    finished, _ = _run(longer, Progress.restore(progress.state, progress.best_params, {**progress.counters, "stop_reason": ""}))
    _assert_same_progress(finished, never_stopped[0])


def test_encoding_is_deterministic_and_scores_follow_their_seed() -> None:
    model = model_of(MODEL, jax.random.key(0))
    np.testing.assert_array_equal(posterior_means(model, TRAIN), posterior_means(model, TRAIN))
    x = jnp.asarray(TRAIN[0])
    assert eqx.tree_equal(model.encode(Example(x)), model.encode(Example(x)))
    first = estimate_evidence(model, TRAIN, 3, seed=0)
    np.testing.assert_array_equal(first.log_evidence, estimate_evidence(model, TRAIN, 3, seed=0).log_evidence)
    assert (np.asarray(first.log_evidence) != np.asarray(estimate_evidence(model, TRAIN, 3, seed=1).log_evidence)).all()
    # An example's draws come from its place alone, so the first few alone score as they do among all.
    np.testing.assert_allclose(estimate_evidence(model, TRAIN[:5], 3, seed=0).log_evidence, first.log_evidence[:5], rtol=1e-5)


def test_a_model_s_weak_types_do_not_compile_a_second_program() -> None:
    """JAX calls a number weak that took its type from Python; what a program gives back is not."""
    model = model_of(MODEL, jax.random.key(0))
    weak = eqx.tree_at(
        lambda model: model.encoder.layers[0].bias, model, replace_fn=lambda bias: jnp.full(bias.shape, jnp.log(1.0))
    )
    progress = Trainer(weak, TRAIN, VALIDATION, OBJECTIVE, OPTIONS).start()
    assert any(getattr(leaf, "weak_type", False) for leaf in jax.tree.leaves(progress.state))
    placed = place(progress.state, mesh())
    assert not any(getattr(leaf, "weak_type", False) for leaf in jax.tree.leaves(placed))
