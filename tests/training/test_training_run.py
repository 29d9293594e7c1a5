"""Whole runs of the real loop: what they reach, what they keep, and how they stop."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from checks import count_compilations
from registry import DATA, model_of
from support.built import build_model

from lowerbound.config import RunConfig
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.data.faces import generate_faces
from lowerbound.errors import ConfigurationError, NonFiniteLossError
from lowerbound.evaluation import active_units, posterior_means
from lowerbound.models import AbstractLatentVariableModel, split_trained
from lowerbound.objectives import ELBO
from lowerbound.training import ALL_EPOCHS, STOPPED_EARLY, Progress, Record, Trainer, program
from lowerbound.training.numbers import Numbers
from lowerbound.training.optimizer import make_optimizer

SMALL = "8-bit-gaussian-sigmoid"
# Several tests share these, and with them one compiled program.
FEW_EPOCHS = TrainingConfig(epochs=9, batch_size=10, learning_rate=0.01, validate_every=1)


def _train(
    model: AbstractLatentVariableModel, train: np.ndarray, validation: np.ndarray, objective: ELBO, options: TrainingConfig
) -> tuple[Trainer, Progress, list[Record]]:
    records: list[Record] = []
    trainer = Trainer(model, train, validation, objective, options)
    progress = trainer.run(trainer.start(), on_record=lambda record, progress: records.append(record))
    return trainer, progress, records


# What training reaches -----------------------------------------------------------------------------------------------------


@functools.cache
def _faces() -> tuple[np.ndarray, np.ndarray]:
    faces = generate_faces(600).images
    return faces[:500], faces[500:]


@functools.cache
def _trained_on_faces(beta: float) -> tuple[AbstractLatentVariableModel, list[Record]]:
    train, validation = _faces()
    config = RunConfig.from_dict({"model": {"latent_dim": 8}, "network": {"hidden_widths": [64]}})
    model = build_model(config, describe(train), jax.random.key(0))
    options = TrainingConfig(epochs=40, batch_size=50, learning_rate=3e-3, validate_every=10)
    trainer, progress, records = _train(model, train, validation, ELBO(beta=beta), options)
    return trainer.model_of(progress), records


def test_faces_in_seconds_the_validation_bound_rises_and_the_code_stays_alive() -> None:
    model, records = _trained_on_faces(1.0)
    _, validation = _faces()
    bounds = [record.validation_elbo_nats for record in records]
    assert len(bounds) == 4
    assert bounds == sorted(bounds)
    assert bounds[-1] > bounds[0] + 50
    assert records[-1].validation_kl_nats > 5
    assert active_units(posterior_means(model, validation)).sum() >= 4
    # Each figure is what it says it is.
    for record in records:
        assert record.validation_elbo_nats == pytest.approx(
            record.validation_reconstruction_nats - record.validation_kl_nats, abs=0.01
        )
        assert record.train_elbo_nats == pytest.approx(record.train_reconstruction_nats - record.train_kl_nats, abs=0.01)
        assert record.loss == pytest.approx(-record.train_elbo_nats, abs=0.01)
        assert 0 <= record.monitors["fraction_at_floor"] <= 1
        assert 0 < record.validation_standard_error_nats < 100
    assert [(record.epoch, record.step) for record in records] == [(epoch, 10 * epoch) for epoch in range(10, 41, 10)]


def test_faces_with_a_kl_that_costs_ten_thousand_times_too_much_collapse() -> None:
    """The negative control: the figures that show a code alive above show it dead here."""
    model, records = _trained_on_faces(1e4)
    _, validation = _faces()
    assert records[-1].validation_kl_nats < 0.1
    assert active_units(posterior_means(model, validation)).sum() == 0
    assert records[-1].validation_elbo_nats < _trained_on_faces(1.0)[1][-1].validation_elbo_nats - 50


# What training keeps -------------------------------------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_weights() -> None:
    """Few examples and much freedom: the validation bound rises, then falls."""
    train, validation = DATA["8-bit"][:20], DATA["8-bit"][20:]
    options = TrainingConfig(epochs=400, batch_size=20, learning_rate=0.03, validate_every=5, early_stopping_patience=20)
    trainer, progress, records = _train(model_of(SMALL, jax.random.key(0)), train, validation, ELBO(), options)
    bounds = [record.validation_bound_nats for record in records]
    best = int(np.argmax(bounds))
    assert progress.stop_reason == STOPPED_EARLY
    assert progress.best_bound == bounds[best]
    assert progress.best_epoch == records[best].epoch
    assert records[-1].epoch == records[best].epoch + 20
    assert bounds[-1] < bounds[best] - 0.1

    def bound_of(model: AbstractLatentVariableModel) -> float:
        params, _ = split_trained(model)
        return float(program.validate(trainer.fixed, params, Example(jnp.asarray(validation))).bound)

    assert bound_of(trainer.model_of(progress)) == bounds[best]
    assert bound_of(trainer.current_model(progress)) == bounds[-1]


def test_without_early_stopping_the_newest_weights_are_kept() -> None:
    data = DATA["8-bit"]
    trainer, progress, _ = _train(model_of(SMALL, jax.random.key(0)), data, data[:10], ELBO(), FEW_EPOCHS)
    assert progress.stop_reason == ALL_EPOCHS
    progress.best_params = jax.tree.map(jnp.zeros_like, progress.best_params)
    assert eqx.tree_equal(split_trained(trainer.model_of(progress))[0], progress.state.params)


def test_early_stopping_without_validation_data_is_refused() -> None:
    data = DATA["8-bit"]
    with pytest.raises(
        ConfigurationError, match=r"early_stopping_patience is 5, but there are no validation data.*data\.validation"
    ):
        Trainer(model_of(SMALL, jax.random.key(0)), data, data[:0], ELBO(), TrainingConfig(early_stopping_patience=5))


def test_a_model_taken_out_is_not_disturbed_by_going_on() -> None:
    """The compiled program takes the memory of the state that it is given; a model taken before must not lose its own."""
    data = DATA["8-bit"]
    trainer = Trainer(model_of(SMALL, jax.random.key(0)), data, data[:10], ELBO(), FEW_EPOCHS)
    taken: list[Any] = []
    progress = trainer.run(trainer.start(), on_chunk=lambda p: taken.extend([trainer.current_model(p), trainer.model_of(p)]))
    assert progress.stop_reason == ALL_EPOCHS
    weights = [np.asarray(model.decoder.layers[-1].weight) for model in taken]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[-1] - weights[0]).max() > 0


def test_running_average_of_the_weights() -> None:
    """average += (1 - min(decay, (1 + t) / (10 + t))) (weights - average) after step t, from the start's weights.

    The minimum is the second for t < 8, then the first.
    """
    data, decay = DATA["8-bit"], 0.5
    model = model_of(SMALL, jax.random.key(0))
    options = TrainingConfig(epochs=30, batch_size=len(data), learning_rate=0.01, validate_every=1, ema_decay=decay)
    trainer = Trainer(model, data, data[:10], ELBO(), options)
    weights: list[np.ndarray] = []
    progress = trainer.run(
        trainer.start(), on_chunk=lambda p: weights.append(np.asarray(p.state.params.encoder.layers[0].weight))
    )
    assert len(weights) == 30
    average = np.asarray(model.encoder.layers[0].weight, np.float64)  # pyright: ignore[reportAttributeAccessIssue]
    for step, newest in enumerate(weights):
        average = average + (1 - min(decay, (1 + step) / (10 + step))) * (newest - average)
    kept = trainer.model_of(progress)
    np.testing.assert_allclose(kept.encoder.layers[0].weight, average, rtol=1e-4, atol=1e-6)  # pyright: ignore[reportAttributeAccessIssue]
    assert np.abs(average - weights[-1]).max() > 1e-4


# What the optimiser does ---------------------------------------------------------------------------------------------------


def test_records_carry_the_rates_and_weights_of_their_step() -> None:
    data = DATA["8-bit"]
    options = TrainingConfig(epochs=8, batch_size=10, learning_rate=0.01, learning_rate_warmup_epochs=2, validate_every=1)
    objective = ELBO(beta=2.0, warmup_steps=20)
    _, _, records = _train(model_of(SMALL, jax.random.key(0)), data, data[:0], objective, options)
    steps = np.array([record.step for record in records])
    np.testing.assert_array_equal(steps, 5 * np.arange(1, 9))
    np.testing.assert_allclose([record.learning_rate for record in records], 0.01 * np.minimum((steps - 1) / 10, 1), rtol=1e-5)
    np.testing.assert_allclose([record.kl_weight for record in records], 2.0 * np.minimum(steps / 20, 1), rtol=1e-5)
    # Without validation data there are no validation figures, but the monitors are still looked at.
    assert np.isnan([record.validation_elbo_nats for record in records]).all()
    assert np.isfinite([record.monitors["fraction_at_floor"] for record in records]).all()


def test_adamw_decays_matrices_alone() -> None:
    options = TrainingConfig(optimizer="adamw", learning_rate=0.1, weight_decay=0.5)
    trainer = Trainer(model_of(SMALL, jax.random.key(0)), DATA["8-bit"], DATA["8-bit"], ELBO(), options)
    params = {"weight": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    optimizer = make_optimizer(trainer.fixed.numbers)
    with jax.numpy_dtype_promotion("standard"):
        updates: Any = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)[0]
    np.testing.assert_allclose(updates["weight"], -0.05, rtol=1e-6)
    np.testing.assert_array_equal(updates["bias"], 0.0)


def test_a_prior_over_the_weights_goes_through_adagrad_and_the_decay_of_adamw_does_not() -> None:
    """By hand: Adagrad on the gradient of loss + a |w|^2 / (2 N), biases too, with N the sum of the examples' weights."""
    train = Example(DATA["8-bit"][:20], weight=np.full(20, 2.0, np.float32))
    options = TrainingConfig(optimizer="adagrad", learning_rate=0.1, weight_prior=3.0, adagrad_start=0.0)
    trainer = Trainer(model_of(SMALL, jax.random.key(0)), train, DATA["8-bit"], ELBO(), options)
    optimizer = make_optimizer(trainer.fixed.numbers)
    params: Any = {"weight": jnp.array([[1.0, -2.0]]), "bias": jnp.array([0.5])}
    state = optimizer.init(params)
    expected = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}
    sums = {name: np.zeros_like(leaf) for name, leaf in expected.items()}
    for gradient in ({"weight": [[0.3, 0.1]], "bias": [-0.2]}, {"weight": [[-0.1, 0.05]], "bias": [0.4]}):
        given = {name: jnp.array(leaf) for name, leaf in gradient.items()}
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(given, state, params)
        params = optax.apply_updates(params, updates)
        for name, leaf in gradient.items():
            whole = np.array(leaf) + 3.0 / 40 * expected[name]
            sums[name] += whole**2
            expected[name] = expected[name] - 0.1 * whole / np.sqrt(sums[name] + 1e-7)
    jax.tree.map(lambda found, truth: np.testing.assert_allclose(found, truth, rtol=1e-5), params, expected)
    # The negative control: without the prior the first step alone would have been -0.1 times the gradient's sign.
    assert abs(float(params["bias"][0]) - (0.5 + 0.1 - 0.1 * 0.4 / np.hypot(0.2, 0.4))) > 1e-3


def test_adagrads_sums_start_from_a_tenth_as_before_unless_told() -> None:
    data = DATA["8-bit"]
    for options, start in ((TrainingConfig(optimizer="adagrad"), 0.1), (TrainingConfig(optimizer="adagrad", adagrad_start=0), 0)):
        trainer = Trainer(model_of(SMALL, jax.random.key(0)), data, data, ELBO(), options)
        state = trainer.start().state.optimizer_state
        np.testing.assert_array_equal(jax.tree.leaves(state)[0], np.float32(start))


def test_gradient_clip_bounds_what_adam_sees() -> None:
    """Adam forgets a constant factor, so a clip shows where a large gradient follows a small one."""
    data = DATA["8-bit"]
    schedule = Trainer(model_of(SMALL, jax.random.key(0)), data, data, ELBO(), TrainingConfig()).schedule
    small, large = {"w": jnp.full(4, 0.25)}, {"w": jnp.full(4, 500.0)}
    second_moments = {}
    for clip in (0.0, 1.0):
        optimizer = make_optimizer(Numbers.of(TrainingConfig(gradient_clip=clip), schedule, 50))
        with jax.numpy_dtype_promotion("standard"):
            state = optimizer.init(small)
            for gradient in (small, large):
                _, state = optimizer.update(gradient, state, small)
        leaves = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state) if ".nu" in jax.tree_util.keystr(path)]
        second_moments[clip] = float(leaves[0][0])
    # nu = 0.999 * 0.001 * g_1^2 + 0.001 * g_2^2, and a global norm of 1000 becomes 1, half of it in each element.
    assert second_moments[0.0] == pytest.approx(0.000999 * 0.25**2 + 0.001 * 500.0**2, rel=1e-4)
    assert second_moments[1.0] == pytest.approx(0.000999 * 0.25**2 + 0.001 * 0.5**2, rel=1e-4)


# How training stops --------------------------------------------------------------------------------------------------------


def test_an_infinite_pixel_names_the_term_and_the_step() -> None:
    data = DATA["table"].copy()
    data[7, 2] = np.inf
    model = model_of("table-gaussian-standard", jax.random.key(0))
    trainer = Trainer(model, data, data[:0], ELBO(), TrainingConfig(epochs=2, batch_size=50))
    with pytest.raises(NonFiniteLossError, match=r"the reconstruction term .* at step 1 \(epoch 1\)\. Training has stopped"):
        trainer.run(trainer.start())


def test_a_learning_rate_that_explodes_names_the_term_and_a_later_step() -> None:
    data = DATA["8-bit"]
    options = TrainingConfig(epochs=40, batch_size=10, validate_every=4)
    # No person may ask for so much, and a model as small as this one stands all that they may.
    object.__setattr__(options, "learning_rate", 1e30)
    trainer = Trainer(model_of(SMALL, jax.random.key(0)), data, data[:10], ELBO(), options)
    progress, chunks = trainer.start(), []
    with pytest.raises(NonFiniteLossError, match=r"became (nan|inf|-inf) at step \d+ .*training\.learning_rate") as caught:
        trainer.run(progress, on_chunk=lambda p: chunks.append(int(p.state.step)))
    step = int(str(caught.value).partition("at step ")[2].split()[0])
    assert step >= 2
    # No chunk that went wrong is offered for a checkpoint.
    assert all(done < step for done in chunks)


def test_should_stop_is_asked_after_every_chunk_and_gives_the_reason() -> None:
    data = DATA["8-bit"]
    trainer = Trainer(model_of(SMALL, jax.random.key(0)), data, data[:10], ELBO(), FEW_EPOCHS)
    answers = iter([None, None, "a signal"])
    progress = trainer.run(trainer.start(), should_stop=lambda: next(answers))
    assert progress.stop_reason == "a signal"
    assert int(progress.state.step) == 3 * trainer.schedule.steps_per_epoch


# What training costs -------------------------------------------------------------------------------------------------------


def test_the_chunk_is_compiled_once_and_once_more_for_a_shorter_last_one() -> None:
    """Chunks of 4, 4 and 2 epochs."""
    data = DATA["8-bit"]
    # Sizes of its own, because a program that another test compiled would not be compiled again.
    data = data[:44]
    options = TrainingConfig(epochs=10, batch_size=11, validate_every=4)
    trainer = Trainer(model_of(SMALL, jax.random.key(0)), data, data[:10], ELBO(), options)
    chunks: list[int] = []
    with count_compilations() as count:
        trainer.run(trainer.start(), on_chunk=lambda p: chunks.append(int(p.state.step)))
    assert chunks == [16, 32, 40]
    assert count["chunk_of_steps"] == 2
    assert count["validation"] == 1
    # Another run of the same form, on other weights, compiles nothing.
    again = Trainer(model_of(SMALL, jax.random.key(1)), data, data[:10], ELBO(), dataclasses.replace(options))
    with count_compilations() as count:
        again.run(again.start())
    assert count["chunk_of_steps"] == 0
    assert count["validation"] == 0
