"""Proposals, weights and bounds against models whose evidence is known: exactly, or by quadrature over two latents."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from support.chance import agrees, not_above

from lowerbound.data.examples import Example
from lowerbound.data.transforms import Affine
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import (
    AbstractProposal,
    Amortised,
    BoundCurve,
    Defensive,
    EvidenceEstimate,
    Refined,
    Widened,
    estimate_evidence,
)
from lowerbound.evaluation.estimates import mean_and_error, monte_carlo_error
from lowerbound.evaluation.proposals import log_weight
from lowerbound.evaluation.running_weights import CHUNK, RunningWeights, bound_sizes
from lowerbound.likelihoods import Bernoulli
from lowerbound.models import SingleLayer
from lowerbound.networks import MLP
from lowerbound.posteriors import DiagonalGaussian, VonMisesFisher
from lowerbound.priors import HypersphericalUniform, StandardNormal
from lowerbound.verification.linear_gaussian import LinearGaussian

TRUTH = LinearGaussian.random(6, 2, orthogonal=True)
# A posterior that is off by 0.3 in every mean, and wider than the truth.
MODEL = TRUTH.model(mean_shift=0.3, variance_factor=1.5)
X = TRUTH.draw(1, seed=3)[0]
EXACT = float(TRUTH.log_evidence(X))
FEW_STEPS = Refined(num_steps=30, rate=0.05)
PROPOSALS = {
    "amortised": Amortised(),
    "widened": Widened(1.4),
    "refined": FEW_STEPS,
    "refined, widened": Widened(1.2, FEW_STEPS),
    "defensive": Defensive(0.2),
}
COPIES, DRAWS = 256, 64


@eqx.filter_jit
def _log_weights(proposal: AbstractProposal) -> tuple[jax.Array, jax.Array]:
    """log w and log r - log p(z), (COPIES, DRAWS), of copies of one example."""

    def one_copy(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        proposal_key, draws_key = jax.random.split(key)
        x = jnp.asarray(X)
        density = proposal.density(MODEL, Example(x), proposal_key)
        draws = jax.vmap(lambda key: log_weight(MODEL, density, Example(x), key))(jax.random.split(draws_key, DRAWS))
        return draws[0], draws[2]

    return jax.vmap(one_copy)(jax.random.split(jax.random.key(5), COPIES))


@functools.cache
def _numbers(name: str) -> tuple[np.ndarray, np.ndarray]:
    log_weights, surplus = _log_weights(PROPOSALS[name])
    return np.asarray(log_weights, np.float64), np.asarray(surplus, np.float64)


def _is_the_evidence(log_means: np.ndarray) -> bool:
    """Whether E[exp(log mean w)] is p(x), with standard errors of 1 percent at most (and the rounding of float32)."""
    ratio, error = mean_and_error(np.exp(log_means - EXACT))
    return error < 0.01 and agrees(ratio, 1.0, error, slack=1e-5)


def _log_mean_exp(log_weights: np.ndarray) -> np.ndarray:
    return scipy.special.logsumexp(log_weights, axis=1) - np.log(log_weights.shape[1])


@pytest.mark.parametrize("name", PROPOSALS)
def test_the_mean_weight_of_each_proposal_is_the_evidence_and_broken_ones_are_caught(name: str) -> None:
    log_weights, surplus = _numbers(name)
    assert _is_the_evidence(_log_mean_exp(log_weights))
    # The negative controls.
    log_likelihood = log_weights + surplus
    assert not _is_the_evidence(_log_mean_exp(log_likelihood)), "dropped KL"
    assert not _is_the_evidence(_log_mean_exp(log_likelihood + surplus)), "wrong sign of the KL"
    assert not _is_the_evidence(-_log_mean_exp(log_weights)), "wrong sign"
    assert not _is_the_evidence(log_weights.mean(axis=1)), "mean of the logs"
    if "widened" in name:
        factor = 1.4 if "1.4" in PROPOSALS[name].description else 1.2
        assert not _is_the_evidence(_log_mean_exp(log_weights - 2 * np.log(factor))), "no log-determinant"


def test_a_proposal_narrower_than_the_posterior_is_caught() -> None:
    """A third as wide as p(z|x): the weights' variance is infinite, and the sample does not show the tail."""
    model, copies = TRUTH.model(), np.tile(X, (COPIES, 1))
    right = estimate_evidence(model, copies, DRAWS)
    assert _is_the_evidence(np.asarray(right.log_evidence, np.float64))
    np.testing.assert_allclose(right.effective_sample_size, DRAWS, rtol=1e-4)
    narrow = estimate_evidence(model, copies, DRAWS, proposal=Widened(0.3))
    assert not _is_the_evidence(np.asarray(narrow.log_evidence, np.float64))
    assert np.median(narrow.effective_sample_size) < 0.4 * DRAWS


def test_refinement_finds_the_exact_posterior_and_leaves_the_elbo_of_the_encoder_alone() -> None:
    copies = np.tile(X, (COPIES, 1))
    encoder = estimate_evidence(MODEL, copies, DRAWS)
    refined = estimate_evidence(MODEL, copies, DRAWS, proposal=Refined(num_steps=200, rate=0.05))
    assert np.median(encoder.effective_sample_size) < 0.6 * DRAWS
    assert np.median(refined.effective_sample_size) > 0.95 * DRAWS
    assert np.std(refined.log_evidence) < 0.2 * np.std(encoder.log_evidence)
    exact_elbo = TRUTH.elbo(X, MODEL)
    for estimate in (encoder, refined):
        elbo, error = mean_and_error(np.asarray(estimate.elbo))
        assert error < 0.02
        assert agrees(elbo, exact_elbo, error)
        np.testing.assert_allclose(estimate.kl, encoder.kl, rtol=1e-5)


# A nonlinear model of two latents -------------------------------------------------------------------------------------------

PIXELS = 12


def _curved_model() -> SingleLayer:
    """Random networks whose decoder bends: its posteriors are no Gaussians, and its encoder knows nothing of them."""
    unchanged = Affine(shift=np.float32(0), scale=np.float32(1))
    encoder = MLP((PIXELS,), (2, 2), hidden_widths=(), key=jax.random.key(1))
    decoder = MLP((2,), (PIXELS,), hidden_widths=(16,), key=jax.random.key(2))
    decoder = jax.tree.map(lambda leaf: 5.0 * leaf if eqx.is_inexact_array(leaf) else leaf, decoder)
    return SingleLayer(unchanged, unchanged, encoder, DiagonalGaussian(2), StandardNormal(2), decoder, Bernoulli((PIXELS,)))


@eqx.filter_jit
def _log_joint(model: SingleLayer, x: jax.Array, grid: jax.Array) -> jax.Array:
    def at(z: jax.Array) -> jax.Array:
        return jax.vmap(lambda x: model.log_likelihood(Example(x), z))(x) + model.log_prior(z)

    return jax.lax.map(at, grid, batch_size=4096)


def _quadrature(model: SingleLayer, x: np.ndarray) -> np.ndarray:
    """log of the integral of p(x|z) p(z) over a grid of z: the trapezoidal rule, whose error here is below 1e-6."""
    line, step = np.linspace(-7, 7, 281, retstep=True)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)
    values = np.asarray(_log_joint(model, jnp.asarray(x), jnp.asarray(grid)), np.float64)
    return scipy.special.logsumexp(values, axis=0) + 2 * np.log(step)


@pytest.fixture(scope="module")
def curved() -> tuple[SingleLayer, np.ndarray, np.ndarray, EvidenceEstimate]:
    """The model, examples, their exact evidence, and the estimate of it."""
    model = _curved_model()
    x = np.random.default_rng(0).integers(0, 2, (32, PIXELS)).astype(np.float32)
    return model, x, _quadrature(model, x), estimate_evidence(model, x, 4096, proposal=Defensive(0.2))


def test_the_evidence_agrees_with_quadrature(curved: tuple[SingleLayer, np.ndarray, np.ndarray, EvidenceEstimate]) -> None:
    model, x, exact, defensive = curved
    assert np.ptp(exact) > 1
    np.testing.assert_allclose(defensive.log_evidence, exact, atol=0.3)
    refined = estimate_evidence(model, x, 4096, proposal=Defensive(0.1, FEW_STEPS))
    for estimate in (defensive, refined):
        error = monte_carlo_error(np.asarray(estimate.effective_sample_size, np.float64), 4096)
        # The logarithm of a mean is too low by half its variance.
        assert agrees(np.mean(estimate.log_evidence), exact.mean(), error, slack=0.001)
    assert np.median(refined.effective_sample_size) > np.median(defensive.effective_sample_size)
    # The negative control: the same weights in a mean of logs.
    assert np.mean(defensive.bounds[:, 0]) < exact.mean() - 0.5


def test_the_bound_rises_with_the_number_of_samples(
    curved: tuple[SingleLayer, np.ndarray, np.ndarray, EvidenceEstimate],
) -> None:
    _, _, exact, estimate = curved
    curve = BoundCurve.of(estimate, 4096)
    assert curve.num_samples == bound_sizes(4096)
    rises = np.diff(np.asarray(estimate.bounds, np.float64), axis=1)
    for place, rise in enumerate(rises.T):
        mean, error = mean_and_error(rise)
        assert not_above(-mean, 0.0, error), curve.num_samples[place]
    assert all(rise > 0.05 for rise in rises.mean(axis=0)[:3])
    np.testing.assert_allclose(estimate.bounds[:, -1], estimate.log_evidence, atol=1e-4)
    assert curve.nats[-1] < exact.mean() + 0.01
    assert 0 < curve.rises[-1] + 4 * curve.rise_errors[-1] < 0.02


# Weights as they stream by ---------------------------------------------------------------------------------------------------


@eqx.filter_jit
def _add(weights: RunningWeights, more: jax.Array, chunk: jax.Array) -> RunningWeights:
    return weights.add(more, chunk)


def _streamed(log_weights: np.ndarray) -> RunningWeights:
    weights = RunningWeights.empty(len(log_weights))
    for chunk in range(-(-len(log_weights) // CHUNK)):
        weights = _add(weights, jnp.asarray(log_weights[chunk * CHUNK : (chunk + 1) * CHUNK]), jnp.asarray(chunk))
    return weights


@pytest.mark.parametrize("number", [1, 20, 64, 1001])
def test_streamed_weights_give_what_all_of_them_at_once_do(number: int) -> None:
    log_weights = np.random.default_rng(number).normal(-300, 4, number).astype(np.float32)
    streamed, whole = _streamed(log_weights), log_weights.astype(np.float64)
    for size, bound in zip(bound_sizes(number), np.asarray(streamed.bounds(number)), strict=True):
        blocks = whole[: number // size * size].reshape(-1, size)
        assert bound == pytest.approx(np.mean(_log_mean_exp(blocks)), abs=2e-4), size
    assert float(streamed.log_evidence(number)) == pytest.approx(_log_mean_exp(whole[None])[0], abs=2e-4)
    if number > 1:
        halves = [_log_mean_exp(half[None])[0] for half in (whole[::2], whole[1::2])]
        assert float(streamed.half_bound(number)) == pytest.approx(np.mean(halves), abs=2e-4)
    else:
        assert np.isnan(streamed.half_bound(1))
    relative = np.exp(whole - whole.max())
    expected = relative.sum() ** 2 / (relative**2).sum()
    assert float(streamed.effective_sample_size()) == pytest.approx(expected, rel=1e-3)
    assert int(streamed.not_finite) == 0


def test_a_weight_that_is_not_finite_is_counted_and_lowers_the_bound() -> None:
    log_weights = np.zeros(1000, np.float32)
    log_weights[[3, 500]] = np.nan
    log_weights[999] = np.inf
    # A weight of 0 is a finite weight.
    log_weights[77] = -np.inf
    streamed = _streamed(log_weights)
    assert int(streamed.not_finite) == 3
    assert float(streamed.log_evidence(1000)) == pytest.approx(np.log(0.996), abs=1e-6)
    assert float(streamed.effective_sample_size()) == pytest.approx(996, rel=1e-5)
    nothing = _streamed(np.full(20, np.nan, np.float32))
    assert (int(nothing.not_finite), float(nothing.effective_sample_size())) == (20, 0.0)
    assert float(nothing.log_evidence(20)) == -np.inf


# What cannot be --------------------------------------------------------------------------------------------------------------


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Widened: factor is 0\.0 \(a number\); expected a number > 0\."):
        Widened(0.0)
    with pytest.raises(ConfigurationError, match=r"Refined: num_steps is 0 \(an integer\); expected an integer >= 1\."):
        Refined(num_steps=0)
    with pytest.raises(ConfigurationError, match=r"Refined: rate is -1\.0 \(a number\); expected a number > 0\."):
        Refined(rate=-1.0)
    with pytest.raises(ConfigurationError, match=r"Refined: bound is 'best', which does not exist.* Available: elbo, iwae"):
        Refined(bound="best")
    with pytest.raises(ConfigurationError, match=r"Defensive: prior_share is 1\.0 \(a number\); expected a number > 0 and < 1"):
        Defensive(1.0)


def test_nothing_widens_on_a_sphere_and_the_message_says_what_works() -> None:
    model = _curved_model()
    decoder = MLP((3,), (PIXELS,), hidden_widths=(), key=jax.random.key(2))
    encoder = MLP((PIXELS,), (4,), hidden_widths=(), key=jax.random.key(1))
    sphere = SingleLayer(
        model.transform,
        model.input_transform,
        encoder,
        VonMisesFisher(3),
        HypersphericalUniform(3),
        decoder,
        model.likelihood,
    )
    x = np.zeros((4, PIXELS), np.float32)
    with pytest.raises(ConfigurationError, match=r"leads off the unit sphere .* Use Refined\(\) \(--proposal refined\)"):
        estimate_evidence(sphere, x, 20, proposal=Defensive(0.1, Widened(1.2)))
