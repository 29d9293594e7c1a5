"""Monte Carlo EM on probabilistic PCA: its chains draw the exact posterior, and the decoder learns from nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array
from support.built import build_model
from support.chance import agrees, differs
from test_linear_gaussian import maximum_likelihood_log_evidence, of_decoder

from lowerbound.config import RunConfig
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.models import SingleLayer
from lowerbound.objectives import LossRecord, MonteCarloEM, check_needs
from lowerbound.objectives.monte_carlo_em import Chains
from lowerbound.training import Trainer
from lowerbound.training.feed import Streamed, batch_indices
from lowerbound.training.schedule import Schedule
from lowerbound.verification.linear_gaussian import LinearGaussian, poor_model

TRUTH = LinearGaussian.random(6, 2, orthogonal=True)
X = TRUTH.draw(1, seed=3)[0]
NUM_CHAINS, BURN_IN, KEPT = 800, 200, 60
KEY = jax.random.key(2)


@eqx.filter_jit
def _walk(model: SingleLayer) -> tuple[Array, Array]:
    """z of the chains of many copies of one example, and their log step size, at each move."""
    batch = Example(jnp.tile(X, (NUM_CHAINS, 1)), index=jnp.arange(NUM_CHAINS))
    objective = MonteCarloEM()

    def move(state: Chains, number: Array) -> tuple[Chains, Chains]:
        key = jax.random.fold_in(KEY, number)
        after = objective(model, batch, key, objective.steps_per_batch * number, state, training=True).state
        return after, after

    start = objective.initial_state(model, NUM_CHAINS, KEY)
    states = jax.lax.scan(move, start, jnp.arange(BURN_IN + KEPT))[1]
    return states.z[BURN_IN:], states.log_step_size[BURN_IN:]


def test_the_chains_draw_the_exact_posterior_at_the_acceptance_that_was_asked_for() -> None:
    """Whatever the encoder: here its means are off and its variances 2.4 times too large."""
    walk, log_sizes = (np.asarray(each, np.float64) for each in _walk(poor_model()))
    mean, covariance = TRUTH.posterior(X)
    for latent, (at, variance) in enumerate(zip(mean, np.diag(covariance), strict=True)):
        # One number of each chain, as the chains alone are independent.
        found, error = mean_and_error(walk[:, :, latent].mean(axis=0))
        assert agrees(found, at, error, num_draws=NUM_CHAINS)
        assert differs(found, at + 0.5 * np.sqrt(variance), error)
        found, error = mean_and_error(np.square(walk[:, :, latent] - at).mean(axis=0))
        assert agrees(found, variance, error, num_draws=NUM_CHAINS)
        # The negative control: a variance half as large again.
        assert differs(found, 1.5 * variance, error)
    # log step <- log step + 0.1 (acceptance - 0.9): where it stays, the acceptance is 0.9.
    assert (log_sizes[-1] - log_sizes[0]) / 0.1 / (KEPT - 1) == pytest.approx(0.0, abs=0.02)
    assert np.ptp(log_sizes) < 0.1 < np.abs(log_sizes[0] - np.log(0.1))


@eqx.filter_jit
def _step(model: SingleLayer, batch: Example, state: Chains, number: Array) -> tuple[LossRecord, Any]:
    def loss(model: SingleLayer) -> tuple[Array, LossRecord]:
        record = MonteCarloEM()(model, batch, KEY, number, state, training=True)
        return record.loss, record

    (_, record), gradient = eqx.filter_value_and_grad(loss, has_aux=True)(model)
    return record, gradient


def test_a_batch_moves_its_own_chains_once_and_both_gradients_are_those_at_the_chains() -> None:
    rows = jnp.array([4, 1, 3])
    batch, model = Example(jnp.asarray(TRUTH.draw(3, seed=1)), index=rows), poor_model()
    start = MonteCarloEM().initial_state(model, 6, KEY)
    first, found = _step(model, batch, start, jnp.int32(10))
    z = np.asarray(first.state.z, np.float64)
    assert (np.abs(z - start.z).min(axis=1) > 0).tolist() == [row in (1, 3, 4) for row in range(6)]
    assert first.state.log_step_size != start.log_step_size
    # For four more steps all stays.
    later, _ = _step(model, batch, first.state, jnp.int32(14))
    assert eqx.tree_equal(later.state, first.state)
    decoder, encoder = (jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part) for part in (model.decoder, model.encoder))
    x, z = np.asarray(batch.x, np.float64), z[np.asarray(rows)]
    residual, scale = x - z @ decoder.weight.T - decoder.bias, np.exp(decoder.log_spread)
    np.testing.assert_allclose(found.decoder.weight, -(residual.T @ z) / scale**2 / 3, atol=2e-4)
    slope = (x @ encoder.weight.T + encoder.bias - z) / np.exp(encoder.log_spread)
    np.testing.assert_allclose(found.encoder.bias, slope.mean(axis=0), atol=2e-4)
    # Another encoder, and the decoder learns the very same.
    other, of_other = _step(TRUTH.model(), batch, start, jnp.int32(10))
    assert eqx.tree_equal(other.state, first.state)
    np.testing.assert_array_equal(of_other.decoder.weight, found.decoder.weight)


def test_validation_is_minus_the_elbo_and_a_step_without_chains_says_what_it_needs() -> None:
    batch, model, objective = Example(TRUTH.draw(4, seed=1)), poor_model(), MonteCarloEM()
    record = eqx.filter_jit(objective)(model, batch, KEY, None, objective.initial_state(model, 9, KEY))
    assert record.bound is not None
    assert record.state is None
    assert float(record.loss) == pytest.approx(-float(record.bound.mean()), rel=1e-6)
    for state, text in ((None, "state is None"), (objective.initial_state(model, 9, KEY), "batch.index is None")):
        with pytest.raises(ConfigurationError, match=rf"MonteCarloEM: .* {text}; give state=.*, Example\(x, index=rows\)"):
            objective(model, batch, KEY, jnp.int32(0), state, training=True)


def test_every_batch_of_an_epoch_stays_for_five_steps() -> None:
    schedule = Schedule.plan(TrainingConfig(epochs=4, batch_size=3, validate_every=2), 10, 5)
    assert (schedule.steps_per_epoch, schedule.steps_per_chunk, schedule.num_steps) == (15, 30, 60)
    rows = np.asarray(batch_indices(KEY, jnp.int32(30), schedule, 10))
    once = np.asarray(batch_indices(KEY, jnp.int32(6), dataclasses.replace(schedule, steps_per_epoch=3, steps_per_batch=1), 10))
    np.testing.assert_array_equal(rows, np.repeat(once, 5, axis=0))
    # Where an epoch is many chunks, whole batches are left out.
    long = Schedule.plan(TrainingConfig(epochs=1, batch_size=1), 1999, 5)
    assert (long.chunks_per_epoch, long.steps_per_epoch % 5, long.steps_per_epoch % 10) == (10, 0, 0)


def _model(**sections: Any) -> Any:
    config = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [4]}, **sections}
    return build_model(RunConfig.from_dict(config), describe(TRUTH.draw(20, seed=2)), jax.random.key(0))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"posterior": {"name": "von-mises-fisher"}, "prior": {"name": "hyperspherical-uniform"}},
            "moves chains of Hamiltonian steps through R.latent_dim, but the latents of this model live on a sphere.*sleep works",
        ),
        ({"posterior": {"name": "deterministic"}}, "needs a posterior with a density, but Deterministic is a deterministic code"),
        ({"prior": {"name": "vamp", "num_components": 3}}, "the prior of this model is made of the posterior itself"),
    ],
    ids=["sphere", "deterministic", "vamp"],
)
def test_models_without_such_chains_are_refused(sections: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_needs(MonteCarloEM(), _model(**sections))


def test_data_without_such_chains_are_refused() -> None:
    bits = np.zeros((20, 6), np.uint8)
    model, config = _model(), TrainingConfig(epochs=1, batch_size=5)
    feed = Streamed(lambda rows: Example(bits[rows].astype(np.float32)), 20)
    with pytest.raises(ConfigurationError, match="must know which of them a batch has, but a feed brings these and does not say"):
        Trainer(model, feed, bits[:0], MonteCarloEM(), config)
    with pytest.raises(ConfigurationError, match=r"data.binarize is 'dynamic' .* set data.binarize=fixed"):
        Trainer(model, bits, bits[:0], MonteCarloEM(), config, probability=(bits, 255.0))


@pytest.mark.long
def test_trained_by_it_the_decoder_reaches_maximum_likelihood() -> None:
    data = LinearGaussian.random(6, 2, orthogonal=False, seed=5).draw(300, seed=6)
    # An encoder that is wrong, and stays so in its variances until it is trained: the decoder does not look at it.
    start = dataclasses.replace(LinearGaussian.random(6, 2, orthogonal=True, seed=8), scale=2.0).model(variance_factor=3.0)
    options = TrainingConfig(epochs=200, batch_size=100, learning_rate=0.02, learning_rate_schedule="cosine", validate_every=100)
    trainer = Trainer(start, data, data[:0], MonteCarloEM(), options)
    model: Any = trainer.model_of(trainer.run(trainer.start()))
    optimum = maximum_likelihood_log_evidence(data, 2)
    trained = of_decoder(model.decoder)
    # Draws of z leave the weights a noise, which costs some thousandths.
    assert optimum - 0.02 < trained.log_evidence(data).mean() < optimum
    # The negative control: weights a tenth too small are seen.
    assert dataclasses.replace(trained, weight=0.9 * trained.weight).log_evidence(data).mean() < optimum - 0.02
    # And q's mean has become that of what the chains draw.
    means = np.array([trained.posterior(x)[0] for x in data])
    found = np.array(jax.vmap(model.encoder)(jnp.asarray(data)))[:, 0]
    assert np.sqrt(np.mean((found - means) ** 2)) < 0.15 < np.std(means)
