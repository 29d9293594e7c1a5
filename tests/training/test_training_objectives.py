"""Objectives in the loop: a state of their own that goes on, and the score by which early stopping keeps weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import count_compilations
from jaxtyping import Array
from registry import DATA, model_of

from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.models import Draws
from lowerbound.objectives import (
    CIWAE,
    DIPVAEI,
    ELBO,
    IWAE,
    AbstractObjective,
    Autoencoder,
    BetaTCVAE,
    InfoVAE,
    LossRecord,
    MonteCarloEM,
    RenyiBound,
    WakeSleep,
    WassersteinAutoencoder,
)
from lowerbound.objectives.base import batch_terms, kl_of, record_of
from lowerbound.runs.checkpoints import latest_checkpoint, load_checkpoint_into, save_checkpoint
from lowerbound.training import Progress, Record, Trainer

MODEL = "table-gaussian-dropout"
TRAIN, VALIDATION = DATA["table"][:40], DATA["table"][40:]
CONFIG = TrainingConfig(epochs=4, batch_size=8, learning_rate=0.01, validate_every=1, early_stopping_patience=50)


class HeldToItsAverage(AbstractObjective):
    """The ELBO, and the distance of each batch's KL from its moving average."""

    num_samples: int = eqx.field(static=True, default=1)
    is_bound: ClassVar[bool] = False

    @classmethod
    def build(cls, config: Any, context: Any) -> "HeldToItsAverage":
        return cls()

    def initial_state(self, model: Any, num_examples: int, key: Any) -> dict[str, Array]:
        return {"average": jnp.float32(0), "examples": jnp.float32(num_examples)}

    def __call__(self, model: Any, batch: Any, key: Any, step: Any, state: Any = None, *, training: bool = False) -> LossRecord:
        terms = batch_terms(model, batch, key, Draws(1, training))
        kl = kl_of(terms).mean()
        average = 0.9 * state["average"] + 0.1 * jax.lax.stop_gradient(kl)
        record = record_of(model, batch, terms, kl - terms.log_likelihood.mean() + jnp.abs(kl - average))
        return eqx.tree_at(lambda r: r.state, record, {**state, "average": average}, is_leaf=lambda leaf: leaf is None)


def _trainer(objective: AbstractObjective, weights_seed: int = 0) -> Trainer:
    return Trainer(model_of(MODEL, jax.random.key(weights_seed)), TRAIN, VALIDATION, objective, CONFIG)


def _run(trainer: Trainer, progress: Progress, **hooks: Any) -> tuple[Progress, list[Record]]:
    records: list[Record] = []
    return trainer.run(progress, on_record=lambda record, progress: records.append(record), **hooks), records


@pytest.mark.parametrize("objective", [HeldToItsAverage(), MonteCarloEM(num_leapfrog=2)], ids=["average", "chains"])
def test_an_objective_with_a_state_resumes_to_the_bit(objective: AbstractObjective, tmp_path: Path) -> None:
    whole = _trainer(objective)
    with count_compilations() as count:
        never_stopped, _ = _run(whole, whole.start())
    assert count["chunk_of_steps"] == 1
    state: Any = never_stopped.state.objective
    if isinstance(objective, MonteCarloEM):
        assert (state.z.shape, int(never_stopped.state.step)) == ((40, 2), 4 * 5 * 5)
        assert bool((state.z != whole.start().state.objective.z).all())
    else:
        assert float(state["average"]) > 1e-3
        assert float(state["examples"]) == 40

    first = _trainer(objective)
    answers = iter([None, "stopped"])
    stopped, _ = _run(first, first.start(), should_stop=lambda: next(answers))
    arrays = first.model_of(stopped), (stopped.state, stopped.best_params)
    save_checkpoint(tmp_path, int(stopped.state.step), {}, describe(TRAIN), *arrays, stopped.counters)
    checkpoint = latest_checkpoint(tmp_path)
    assert checkpoint is not None

    second = _trainer(objective, weights_seed=9)
    blank = second.start()
    like = second.current_model(blank), (blank.state, blank.best_params)
    _, (state, best) = load_checkpoint_into(checkpoint.path, *like)
    finished, _ = _run(second, Progress.restore(state, best, {**checkpoint.counters, "stop_reason": ""}))
    assert eqx.tree_equal(finished.state, never_stopped.state)


@pytest.mark.parametrize(
    ("objective", "is_bound"),
    [
        (ELBO(), True),
        (ELBO(warmup_steps=10), True),
        (ELBO(beta=2.0), False),
        (ELBO(free_nats=0.1), False),
        (ELBO(capacity_nats=2.0), False),
        (IWAE(), True),
        (CIWAE(), True),
        (RenyiBound(), True),
        (RenyiBound(alpha=-1.0), False),
        (BetaTCVAE(100, 1, 1.0, 1.0, 1.0), True),
        (BetaTCVAE(100, 1, 1.0, 6.0), False),
        (DIPVAEI(), False),
        (InfoVAE(alpha=0.0, mmd_weight=1.0), True),
        (InfoVAE(), False),
        (WassersteinAutoencoder(), False),
        (WakeSleep(), False),
        (MonteCarloEM(), False),
        (Autoencoder(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whether_the_loss_is_minus_a_bound(objective: AbstractObjective, is_bound: bool) -> None:
    assert objective.is_bound is is_bound


def test_weights_are_kept_by_the_loss_where_it_is_not_minus_a_bound() -> None:
    """Much KL weight, little data: the loss falls on while the ELBO is best at first."""
    trainer = _trainer(ELBO(beta=0.01, warmup_steps=1000))
    progress, records = _run(trainer, trainer.start())
    losses = [record.validation_loss for record in records]
    assert trainer.kept_by == progress.kept_by == "validation loss"
    assert progress.best_bound == -min(losses)
    assert progress.best_epoch == records[int(np.argmin(losses))].epoch
    # At the end of the warm-up, although the run ends long before it.
    last = records[-1]
    expected = 0.01 * last.validation_kl_nats - last.validation_reconstruction_nats
    assert last.validation_loss == pytest.approx(expected, rel=1e-5)


def test_weights_are_kept_by_the_bound_where_the_loss_is_minus_one_at_the_end_of_its_schedule() -> None:
    trainer = _trainer(ELBO(warmup_steps=1000))
    progress, records = _run(trainer, trainer.start())
    assert trainer.kept_by == "validation ELBO"
    assert progress.best_bound == max(record.validation_bound_nats for record in records)
    for record in records:
        assert record.validation_loss == pytest.approx(-record.validation_elbo_nats, rel=1e-5)


def test_a_best_score_of_another_kind_is_not_compared_with() -> None:
    """What release 0.1.0 wrote was a bound whatever the objective, and did not say so."""
    for objective, forgets in ((ELBO(), False), (ELBO(beta=0.5), True)):
        trainer = _trainer(objective)
        progress = trainer.start()
        counters = {name: value for name, value in progress.counters.items() if name != "kept_by"}
        restored = Progress.restore(progress.state, progress.best_params, {**counters, "best_bound": 1e6, "best_epoch": 3.0})
        finished, _ = _run(trainer, restored)
        assert (finished.best_bound == 1e6) is not forgets
