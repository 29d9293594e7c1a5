"""What is minimised, what is reported, and that training and validation say the same of the same batch."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import CONFIGURATIONS, DATA, model_of
from support.chance import agrees

from lowerbound.config.sections import TrainingConfig
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.models import AbstractLatentVariableModel, split_trained
from lowerbound.objectives import ELBO
from lowerbound.training import Trainer, program
from lowerbound.training.feed import batch_indices
from lowerbound.training.program import stream

SMALL = "8-bit-gaussian-sigmoid"


@eqx.filter_jit
def _record(
    objective: ELBO, model: AbstractLatentVariableModel, batch: Any, step: int = 0, seed: int = 0, *, training: bool = False
) -> Any:
    return objective(model, Example(jnp.asarray(batch)), jax.random.key(seed), jnp.int32(step), training=training)


@pytest.mark.parametrize("name", ["8-bit-gaussian-sigmoid", "8-bit-discretized-logistic"])
def test_training_and_validation_are_one_function(name: str) -> None:
    """Bit for bit, where there is no dropout."""
    model, batch = model_of(name, jax.random.key(0)), DATA[CONFIGURATIONS[name][0]][:8]
    objective = ELBO(num_samples=3)
    training = _record(objective, model, batch, training=True)
    assert eqx.tree_equal(training, _record(objective, model, batch, training=False))
    # The negative control: another key gives other numbers.
    assert not eqx.tree_equal(training, _record(objective, model, batch, seed=1, training=True))


def test_dropout_is_on_in_training_alone() -> None:
    model, batch = model_of("table-gaussian-dropout", jax.random.key(0)), DATA["table"][:8]
    training, validation = (_record(ELBO(), model, batch, training=training) for training in (True, False))
    assert (np.asarray(training.bound) != np.asarray(validation.bound)).all()


def test_the_loop_reports_the_objective_of_its_batches_and_of_its_validation_data() -> None:
    """One step of the real loop, and its validation, against the objective called by hand."""
    data = DATA["8-bit"]
    train, validation = data[:30], data[30:]
    model = model_of(SMALL, jax.random.key(0))
    options = TrainingConfig(epochs=1, batch_size=30, seed=4)
    objective = ELBO(beta=3.0)
    trainer = Trainer(model, train, validation, objective, options)
    records: list[Any] = []
    progress = trainer.run(trainer.start(), on_record=lambda record, progress: records.append(record))

    batch = train[np.asarray(batch_indices(stream(jax.random.key(4), 0), jnp.int32(0), trainer.schedule, 30))[0]]
    key = jax.random.fold_in(stream(jax.random.key(4), 1), 0)
    by_hand = eqx.filter_jit(objective)
    expected: Any = by_hand(model, Example(jnp.asarray(batch)), key, jnp.int32(0), training=True)
    assert records[0].loss == pytest.approx(float(expected.loss), rel=1e-5)
    assert records[0].train_elbo_nats == pytest.approx(float(expected.bound.mean()), rel=1e-5)
    assert records[0].train_kl_nats == pytest.approx(float(expected.kl.mean()), rel=1e-4)

    trained = trainer.model_of(progress)
    expected = by_hand(
        trained, Example(jnp.asarray(validation)), jax.random.fold_in(stream(jax.random.key(4), 2), 0), jnp.int32(1)
    )
    assert records[0].validation_elbo_nats == pytest.approx(float(expected.bound.mean()), rel=1e-5)
    assert records[0].validation_kl_nats == pytest.approx(float(expected.kl.mean()), rel=1e-4)
    error = np.asarray(expected.bound).std() / np.sqrt(20)
    assert records[0].validation_standard_error_nats == pytest.approx(error, rel=1e-3)
    assert records[0].monitors["fraction_at_floor"] == pytest.approx(float(expected.monitors["fraction_at_floor"]), abs=1e-6)


def test_validation_of_a_split_that_does_not_fill_its_batches_is_the_mean_over_all_of_it() -> None:
    """47 examples in batches of 20 (ten times the training batch of 2): 20, 20 and 7."""
    data = DATA["8-bit"][:47]
    model = model_of(SMALL, jax.random.key(0))
    trainer = Trainer(model, data, data, ELBO(), TrainingConfig(epochs=1, batch_size=2))
    found = program.validate(trainer.fixed, split_trained(model)[0], Example(jnp.asarray(data)))
    keys = [jax.random.fold_in(stream(jax.random.key(0), 2), number) for number in range(3)]
    by_hand: Any = eqx.filter_jit(ELBO())
    parts = [by_hand(model, Example(jnp.asarray(data[20 * i : 20 * i + 20])), keys[i], jnp.int32(0)) for i in range(3)]
    bounds = np.concatenate([part.bound for part in parts])
    assert len(bounds) == 47
    assert float(found.bound) == pytest.approx(bounds.mean(), rel=1e-5)
    assert float(found.standard_error) == pytest.approx(bounds.std() / np.sqrt(47), rel=1e-4)
    at_floor = np.average([part.monitors["fraction_at_floor"] for part in parts], weights=[20, 20, 7])
    assert float(found.monitors["fraction_at_floor"]) == pytest.approx(at_floor, abs=1e-6)
    weight = np.arange(47).astype(np.float32)
    found = program.validate(trainer.fixed, split_trained(model)[0], Example(data, weight=weight).on_device())
    mean = np.average(bounds, weights=weight)
    assert float(found.bound) == pytest.approx(mean, rel=1e-5)
    assert float(found.loss) == pytest.approx(-mean, rel=1e-5)
    variance = np.average((bounds - mean) ** 2, weights=weight)
    assert float(found.standard_error) == pytest.approx(np.sqrt(variance / weight.sum()), rel=1e-4)


def test_validation_takes_fewer_examples_at_once_where_each_takes_many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten batches of a column of 50,000 categories would be a gigabyte. Never fewer than a batch, which training holds too."""
    data, model = DATA["8-bit"][:11], model_of(SMALL, jax.random.key(0))
    by_hand: Any = eqx.filter_jit(ELBO())
    for most, size in ((4.5 * model.outputs_per_example, 4), (1, 3)):
        monkeypatch.setattr(program, "MOST_VALIDATION_NUMBERS", int(most))
        # A number of epochs of its own for each: what is compiled is kept by the schedule, which the constant is no part of.
        trainer = Trainer(model, data, data, ELBO(), TrainingConfig(epochs=size, batch_size=3))
        found = program.validate(trainer.fixed, split_trained(model)[0], Example(jnp.asarray(data)))
        blocks = np.split(data, range(size, len(data), size))
        keys = [jax.random.fold_in(stream(jax.random.key(0), 2), number) for number in range(len(blocks))]
        records = [
            by_hand(model, Example(jnp.asarray(block)), key, jnp.int32(0)) for block, key in zip(blocks, keys, strict=True)
        ]
        assert float(found.bound) == pytest.approx(np.concatenate([record.bound for record in records]).mean(), rel=1e-5)


def test_beta_weighs_the_loss_and_leaves_the_bound_alone() -> None:
    model, batch = model_of(SMALL, jax.random.key(0)), DATA["8-bit"][:8]
    plain, heavy = _record(ELBO(), model, batch), _record(ELBO(beta=4.0), model, batch)
    np.testing.assert_array_equal(heavy.bound, plain.bound)
    np.testing.assert_array_equal(heavy.kl, plain.kl)
    np.testing.assert_allclose(plain.bound, plain.log_likelihood - plain.kl, rtol=1e-6)
    assert float(plain.kl.mean()) > 1e-3
    assert float(plain.loss) == pytest.approx(-float(plain.bound.mean()), rel=1e-6)
    assert float(heavy.loss) == pytest.approx(float((4 * heavy.kl - heavy.log_likelihood).mean()), rel=1e-6)
    assert float(heavy.loss) != -float(heavy.bound.mean())


@pytest.mark.parametrize(("step", "weight"), [(0, 0.2), (4, 1.0), (9, 2.0), (500, 2.0)])
def test_warm_up_raises_the_weight_in_a_straight_line(step: int, weight: float) -> None:
    objective = ELBO(beta=2.0, warmup_steps=10)
    model, batch = model_of(SMALL, jax.random.key(0)), DATA["8-bit"][:8]
    assert float(objective.kl_weight(jnp.int32(step))) == pytest.approx(weight)
    record = _record(objective, model, batch, step)
    assert float(record.loss) == pytest.approx(float((weight * record.kl - record.log_likelihood).mean()), rel=1e-6)
    np.testing.assert_array_equal(record.bound, _record(ELBO(), model, batch).bound)


def test_more_samples_estimate_the_same_bound_with_less_noise() -> None:
    model, x = model_of(SMALL, jax.random.key(0)), DATA["8-bit"][:1]
    copies = np.repeat(x, 4000, axis=0)
    few, many = (np.asarray(_record(ELBO(num_samples=n), model, copies).bound, np.float64) for n in (1, 16))
    error = np.hypot(few.std(), many.std()) / np.sqrt(4000)
    assert agrees(few.mean(), many.mean(), error)
    # The variance of a mean of 16 is a sixteenth; each variance is known to about 2.5 percent.
    assert agrees(few.var() / many.var() / 16, 1.0, 0.035)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_samples": 0}, r"objective\.num_samples is 0 \(an integer\); expected an integer >= 1"),
        ({"beta": -1.0}, r"objective\.beta is -1\.0 \(a number\); expected a number >= 0"),
        ({"warmup_steps": -3}, r"objective\.warmup_steps is -3 \(an integer\); expected an integer >= 0"),
        ({"gradient": "dreg"}, r"the ELBO takes 'plain' or 'stl'"),
    ],
)
def test_impossible_objectives_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ELBO(**fields)
