"""Hamiltonian transitions, annealed importance sampling in both directions, and inference gaps, against exact evidence."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.built import build_model
from support.chance import agrees, differs, not_above

from lowerbound.config import RunConfig
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import (
    AnnealedEstimate,
    Annealing,
    Refined,
    anneal,
    anneal_back,
    estimate_evidence,
    inference_gap,
    sandwich,
)
from lowerbound.evaluation.bidirectional import simulate
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.evaluation.inference_gap import judge_gaps
from lowerbound.models import AbstractLatentVariableModel
from lowerbound.objectives import ELBO
from lowerbound.sampling.hamiltonian import leapfrog, place_at, transition
from lowerbound.training import Trainer
from lowerbound.verification.bounds import annealed_weights
from lowerbound.verification.figure import STANDARD_ERRORS
from lowerbound.verification.linear_gaussian import TRUTH, poor_model

SCALES = jnp.array([0.5, 2.0])


def _log_normal(z: jax.Array) -> jax.Array:
    return -0.5 * jnp.sum(jnp.square(z / SCALES))


def _log_cube_root(z: jax.Array) -> jax.Array:
    return _log_normal(z) / 3


# The same law as a product of powers of two densities.
DENSITIES, POWERS = (_log_normal, _log_cube_root), jnp.array([0.5, 1.5])


def _chains(move: Any, step_size: float) -> np.ndarray:
    """Where 4,000 chains are after 20 moves from exact draws."""

    @jax.jit
    @jax.vmap
    def run(key: jax.Array) -> jax.Array:
        start = place_at(DENSITIES, SCALES * jax.random.normal(jax.random.fold_in(key, 1000), (2,)))
        keys = jax.random.split(key, 20)
        return jax.lax.scan(lambda place, key: (move(place, jnp.float32(step_size), key), None), start, keys)[0].z

    return np.asarray(run(jax.random.split(jax.random.key(0), 4000)), np.float64)


def _variance_errors(z: np.ndarray) -> np.ndarray:
    """How far above the truth each variance is, in its standard errors."""
    truth = np.asarray(SCALES, np.float64) ** 2
    return (np.mean(z**2, axis=0) / truth - 1) / np.sqrt(2 / len(z))


def _kept(place: Any, size: jax.Array, key: jax.Array) -> Any:
    return transition(DENSITIES, POWERS, place, size, 3, key)[0]


def _always(place: Any, size: jax.Array, key: jax.Array) -> Any:
    return leapfrog(DENSITIES, POWERS, place, jax.random.normal(key, place.z.shape), size, 3)[0]


def test_a_transition_keeps_the_density_and_without_its_refusals_it_does_not() -> None:
    kept = _chains(_kept, 0.7)
    assert agrees(_variance_errors(kept), 0.0, 1.0)
    assert agrees(kept.mean(axis=0) / np.asarray(SCALES), 0.0, 1 / np.sqrt(len(kept)))
    # The negative control: every move is taken.
    assert differs(_variance_errors(_chains(_always, 0.7))[0], 0.0, 1.0)


def test_leapfrog_comes_back_and_keeps_volume() -> None:
    z, momentum, size = jnp.array([0.3, -1.0]), jnp.array([0.7, 0.2]), jnp.float32(0.2)
    moved, end = leapfrog(DENSITIES, POWERS, place_at(DENSITIES, z), momentum, size, 5)
    back, start = leapfrog(DENSITIES, POWERS, moved, -end, size, 5)
    np.testing.assert_allclose(back.z, z, atol=1e-5)
    np.testing.assert_allclose(-start, momentum, atol=1e-5)
    assert np.abs(np.asarray(moved.z - z)).max() > 0.1
    # What is remembered of the densities is what they say at the place.
    np.testing.assert_allclose(moved.logs, [_log_normal(moved.z), _log_cube_root(moved.z)], rtol=1e-6)

    def both(state: jax.Array) -> jax.Array:
        place, end = leapfrog(DENSITIES, POWERS, place_at(DENSITIES, state[:2]), state[2:], size, 5)
        return jnp.concatenate([place.z, end])

    jacobian = jax.jacfwd(both)(jnp.concatenate([z, momentum]))
    assert float(jnp.linalg.det(jacobian)) == pytest.approx(1.0, abs=1e-4)


FINE = Annealing(num_temperatures=400, num_chains=8, num_leapfrog=5)


@pytest.mark.parametrize("start", ["prior", "posterior"])
def test_annealing_is_within_a_twentieth_of_a_nat_of_the_exact_evidence(start: Any) -> None:
    x = TRUTH.draw(64, seed=9)
    estimate = anneal(poor_model(), x, dataclasses.replace(FINE, start=start))
    error, of_it = mean_and_error(estimate.log_mean_weight - TRUTH.log_evidence(x))
    assert abs(error) < 0.05
    # In expectation a lower bound.
    assert not_above(error, 0.0, of_it, num_draws=len(x))
    assert _has_the_right_mean(estimate, x)
    assert 0.4 < float(np.mean(estimate.acceptance)) < 0.95
    assert np.all(estimate.effective_sample_size > 1)


def _has_the_right_mean(estimate: AnnealedEstimate, x: np.ndarray) -> bool:
    """E[w] = p(x), for all examples together and each with its own truth."""
    ratios = np.exp(np.asarray(estimate.log_weights, np.float64) - TRUTH.log_evidence(x)[:, None])
    ratio, error = mean_and_error(ratios.mean(axis=1))
    return agrees(ratio, 1.0, error, num_draws=len(x)) and estimate.not_finite == 0


@pytest.mark.parametrize("num_temperatures", [1, 2, 20])
@pytest.mark.parametrize("start", ["prior", "posterior"])
def test_the_mean_weight_is_the_evidence_however_few_temperatures(start: Any, num_temperatures: int) -> None:
    """At many temperatures every order of weight and move is about right, at few only the right one.

    Within 5.5 standard errors, beyond which one right program in 26 million would be by chance.
    """
    (figure,) = annealed_weights(num_temperatures, start)
    assert figure.is_right, figure
    # Too early a move gives 1.35 at 20 temperatures, and more at fewer.
    assert figure.tolerance < 0.2


def test_a_move_before_its_weight_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative control: each step's weight sees where its move went, the backward order; that is 17 errors away."""

    def early(path: Any, places: Any, beta: Any, size: Any, num_leapfrog: int, number: Any, keys: Any) -> Any:
        powers = jnp.asarray(path.first) + jnp.minimum(beta + 1 / 6, 1.0) * jnp.asarray(path.slope)
        move = jax.vmap(
            lambda place, key: transition(path.densities, powers, place, size, num_leapfrog, jax.random.fold_in(key, number))
        )
        return move(places, keys)

    monkeypatch.setattr("lowerbound.evaluation.annealing._Path.move", early)
    # No other test has as many temperatures, so that this is compiled anew.
    (figure,) = annealed_weights(6, "posterior")
    assert differs(figure.value, figure.truth, figure.tolerance / STANDARD_ERRORS)


def test_annealing_without_refusals_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative control: its chains run off, so far that no weight is a number. Nine chains are compiled anew."""

    def never_refuse(densities: Any, powers: Any, place: Any, size: Any, num_steps: int, key: Any) -> Any:
        moved, _ = leapfrog(densities, powers, place, jax.random.normal(key, place.z.shape), size, num_steps)
        return moved, transition(densities, powers, place, size, num_steps, key)[1]

    monkeypatch.setattr("lowerbound.evaluation.annealing.transition", never_refuse)
    x = TRUTH.draw(64, seed=9)
    assert not _has_the_right_mean(anneal(poor_model(), x, Annealing(400, 9, 5)), x)


def test_bidirectional_bounds_hold_the_exact_evidence_between_them() -> None:
    model = poor_model()
    found = sandwich(model, 64, FINE)
    z, examples = simulate(model, 64)
    exact = float(np.mean(TRUTH.log_evidence(np.asarray(examples.x))))
    assert found.lower_nats == pytest.approx(exact, abs=0.05)
    assert found.upper_nats == pytest.approx(exact, abs=0.05)
    assert not_above(-found.gap_nats, 0.0, found.gap_standard_error, num_draws=64)
    assert found.is_enough
    assert "are enough" in found.verdict
    # Annealed too fast the bounds are apart, on the right sides, and the verdict says so.
    coarse = sandwich(model, 64, Annealing(2, 1, 1))
    assert coarse.lower_nats < exact - 0.5 < exact + 0.1 < coarse.upper_nats
    assert not coarse.is_enough
    assert "are not enough" in coarse.verdict
    assert "--temperatures 8" in coarse.verdict
    # The negative control: backward from draws that belong to other examples, the upper bound is none.
    others = anneal_back(model, examples, np.roll(z, 1, axis=0), np.full((64, 2), 0.1), Annealing(2, 1, 1))
    assert np.mean(-others.log_mean_weight) < exact - 0.1


@functools.cache
def _trained() -> tuple[AbstractLatentVariableModel, np.ndarray]:
    """A small nonlinear model of points about a circle."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 600)
    data = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle)], axis=1) + 0.1 * rng.standard_normal((600, 3))
    data = data.astype(np.float32)
    config = RunConfig.from_dict({"model": {"latent_dim": 2}, "network": {"hidden_widths": [32]}})
    options = TrainingConfig(epochs=60, batch_size=50, learning_rate=0.005)
    trainer = Trainer(build_model(config, describe(data), jax.random.key(0)), data[:500], data[500:], ELBO(), options)
    return trainer.model_of(trainer.run(trainer.start())), data[500:550]


@pytest.mark.long
def test_on_a_trained_nonlinear_model_the_estimates_agree() -> None:
    model, x = _trained()
    found = sandwich(model, 50, FINE)
    assert not_above(-found.gap_nats, 0.0, found.gap_standard_error, num_draws=50)
    assert found.gap_nats < 0.5
    annealed = anneal(model, x, FINE).log_mean_weight
    sampled = np.asarray(estimate_evidence(model, x, 5000).log_evidence)
    assert float(np.mean(annealed)) == pytest.approx(float(np.mean(sampled)), abs=0.5)


def test_the_gap_is_what_the_encoder_loses_and_closes_where_the_family_holds_the_exact_posterior() -> None:
    model, x = poor_model(), TRUTH.draw(20, seed=4)
    found = inference_gap(model, x, num_samples=2000, refined=Refined(num_steps=300, rate=0.05))
    lost = float(np.mean([TRUTH.log_evidence(row) - TRUTH.elbo(row, model) for row in x]))
    assert found.amortisation_gap_nats == pytest.approx(lost, abs=0.05)
    assert found.approximation_gap_nats == pytest.approx(0.0, abs=0.02)
    assert found.log_evidence_nats == pytest.approx(float(np.mean(TRUTH.log_evidence(x))), abs=0.01)
    assert found.is_enough
    assert found.verdict.startswith("The encoder costs more than the family of posteriors: ")
    assert "K = 2,000 is enough" in found.verdict
    # The negative control: an encoder that is right has nothing to lose.
    assert inference_gap(TRUTH.model(), x, num_samples=2000).amortisation_gap_nats == pytest.approx(0.0, abs=0.05)


def test_gaps_are_judged_in_words() -> None:
    assert "posterior.name=planar" in judge_gaps((1.4, 0.1), (0.3, 0.1), 300)[1]
    assert (
        "about the same: 0.3 ± 0.1 nats of amortisation, 0.4 ± 0.1 of approximation" in judge_gaps((0.4, 0.1), (0.3, 0.1), 300)[1]
    )
    is_enough, words = judge_gaps((0.4, 0.1), (-0.5, 0.1), 300)
    assert not is_enough
    assert "300 steps made the encoder's posterior worse, by 0.5 nats" in words


def test_what_cannot_be_annealed_is_refused() -> None:
    data = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    sphere = {"posterior": {"name": "von-mises-fisher"}, "prior": {"name": "hyperspherical-uniform"}}
    code = {"posterior": {"name": "deterministic"}, "objective": {"name": "autoencoder"}}
    for sections, message in ((sphere, "live on a sphere.*--method importance"), (code, "deterministic autoencoder.*elbo")):
        config = RunConfig.from_dict({"model": {"latent_dim": 3}, "network": {"hidden_widths": [4]}, **sections})
        model = build_model(config, describe(data), jax.random.key(0))
        with pytest.raises(ConfigurationError, match=message):
            anneal(model, data)
    with pytest.raises(ConfigurationError, match=r"Annealing: num_chains is 0 \(an integer\); expected an integer >= 1"):
        Annealing(num_chains=0)
    with pytest.raises(ConfigurationError, match="start is 'middle'"):
        Annealing(start="middle")
    with pytest.raises(ConfigurationError, match="num_examples is 0"):
        sandwich(poor_model(), 0)


def _untrained(kind: str) -> tuple[AbstractLatentVariableModel, np.ndarray | None]:
    """A model of counts, or of rows with a condition that its prior depends on, with weights large enough to matter."""
    counts = np.random.default_rng(1).poisson(4.0, (30, 5)).astype(np.int32)
    parts: dict[str, Any] = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [8]}}
    if kind == "conditional":
        parts |= {"prior": {"name": "learned-gaussian"}, "likelihood": {"name": "gaussian"}}
        model = build_model(RunConfig.from_dict(parts), describe(counts.astype(np.float32)), jax.random.key(3), condition_dim=3)
        condition = np.eye(3, dtype=np.float32)[np.arange(40) % 3]
    else:
        config = RunConfig.from_dict({**parts, "likelihood": {"name": kind}})
        model, condition = build_model(config, describe(counts), jax.random.key(3), condition_dim=0), None
    louder = jax.tree.map(lambda leaf: 2 * leaf if eqx.is_inexact_array(leaf) and leaf.ndim > 1 else leaf, model)
    return louder, condition


@pytest.mark.parametrize("kind", ["multinomial", "negative-binomial", "conditional"])
def test_both_bounds_meet_for_counts_and_under_a_condition(kind: str) -> None:
    model, condition = _untrained(kind)
    found = sandwich(model, 40, Annealing(80, 4, 3), condition=condition, seed=5)
    assert found.not_finite_weights == 0
    assert not_above(-found.gap_nats, 0.0, found.gap_standard_error, slack=0.005, num_draws=40)
    assert found.gap_nats < 0.2
    # And importance sampling of the same examples lies between.
    _, examples = simulate(model, 40, condition, seed=5)
    sampled = float(np.mean(np.asarray(estimate_evidence(model, examples, 2000).log_evidence)))
    assert found.lower_nats - 0.1 < sampled < found.upper_nats + 0.1
