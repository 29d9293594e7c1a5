"""Log-weights, bounds and training against probabilistic PCA, where log p(x) is known exactly."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from support.chance import agrees, differs, not_above

from lowerbound.config.sections import TrainingConfig
from lowerbound.data.examples import Example
from lowerbound.data.transforms import Affine
from lowerbound.evaluation import estimate_evidence
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.likelihoods import Gaussian
from lowerbound.models import Draws, LogTerms, SingleLayer
from lowerbound.networks import MLP
from lowerbound.objectives import ELBO
from lowerbound.posteriors import DiagonalGaussian
from lowerbound.priors import StandardNormal
from lowerbound.training import Trainer
from lowerbound.verification.linear_gaussian import LinearGaussian, LinearNetwork

TRUTH = LinearGaussian.random(6, 2, orthogonal=True)
# A posterior that is off by 0.3 in every mean, and wider than the truth so that the weights have a variance.
WRONG = {"mean_shift": 0.3, "variance_factor": 1.5}


def maximum_likelihood_log_evidence(data: np.ndarray, latent_dim: int) -> float:
    """The largest mean log p(x) that any probabilistic PCA gives the data (Tipping and Bishop 1999, eqs. 3.7 and 3.8).

    With l_1 >= ... >= l_D the eigenvalues of the data's covariance, s^2 is the mean of the D - J smallest, and

        mean log p(x) = -(D log(2 pi) + sum_{j <= J} log l_j + (D - J) log s^2 + D) / 2
    """
    data = np.asarray(data, np.float64)
    eigenvalues = np.linalg.eigvalsh(np.cov(data.T, bias=True))[::-1]
    dimensions = len(eigenvalues)
    noise = eigenvalues[latent_dim:].mean()
    log_determinant = np.log(eigenvalues[:latent_dim]).sum() + (dimensions - latent_dim) * np.log(noise)
    return float(-0.5 * (dimensions * np.log(2 * np.pi) + log_determinant + dimensions))


def of_decoder(decoder: LinearNetwork) -> LinearGaussian:
    """The truth that a (trained) decoder stands for."""
    weight, bias, log_scale = (np.asarray(jax.device_get(leaf), np.float64) for leaf in jax.tree.leaves(decoder))
    return LinearGaussian(weight, bias, float(np.exp(log_scale)))


@pytest.fixture
def double_precision() -> Iterator[None]:
    """float64 in this test alone. The package makes its constants and scaled data float32, so the two meet: x is chosen
    to be exact in float32, and strict promotion is off."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


@eqx.filter_jit
def _log_terms(model: SingleLayer, x: jax.Array, num_samples: int) -> LogTerms:
    return model.log_terms(Example(x), jax.random.key(0), Draws(num_samples))


def _log_weights(model: SingleLayer, x: np.ndarray, num_samples: int) -> np.ndarray:
    return np.asarray(_log_terms(model, jnp.asarray(x), num_samples).log_weight)


@pytest.mark.usefixtures("double_precision")
def test_with_the_exact_posterior_every_log_weight_is_the_log_evidence() -> None:
    model = TRUTH.model()
    for x in TRUTH.draw(20, seed=1):
        log_weights = _log_weights(model, x, 50)
        assert log_weights.dtype == np.float64
        np.testing.assert_allclose(log_weights, TRUTH.log_evidence(x), rtol=0, atol=1e-12)
    # The negative control: a posterior with means off by a thousandth is seen.
    wrong = _log_weights(TRUTH.model(mean_shift=1e-3), x, 50)
    assert np.abs(wrong - TRUTH.log_evidence(x)).max() > 1e-4


@pytest.mark.usefixtures("double_precision")
def test_with_a_wrong_posterior_the_mean_weight_is_the_evidence() -> None:
    for x in TRUTH.draw(3, seed=2):
        ratio, error = mean_and_error(np.exp(_log_weights(TRUTH.model(**WRONG), x, 400_000) - TRUTH.log_evidence(x)))
        assert error < 0.01
        assert agrees(ratio, 1.0, error)
        # The negative control: a likelihood whose sigma is 3 percent off gives another evidence.
        ratio, error = mean_and_error(
            np.exp(_log_weights(TRUTH.model(**WRONG, log_scale_error=0.03), x, 400_000) - TRUTH.log_evidence(x))
        )
        assert differs(ratio, 1.0, error)


@pytest.mark.usefixtures("double_precision")
def test_bounds_rise_with_the_number_of_samples_and_their_gap_falls_as_one_over_it() -> None:
    """ELBO <= IWAE_K <= IWAE_2K <= log p(x), and K (log p(x) - IWAE_K) tends to Var(w / p(x)) / 2 (Burda et al. 2016;
    Domke and Sheldon 2018, theorem 3)."""
    x = TRUTH.draw(1, seed=3)[0]
    log_ratios = _log_weights(TRUTH.model(**WRONG), x, 2**20) - TRUTH.log_evidence(x)
    gaps = {}
    for num_samples in (1, 2, 4, 8, 16, 32, 64):
        groups = log_ratios.reshape(-1, num_samples)
        log_means = scipy.special.logsumexp(groups, axis=1) - np.log(num_samples)
        # E[mean w / p(x)] = 1 exactly, so subtracting it changes no expectation and takes nearly all the noise away.
        gaps[num_samples] = mean_and_error(-(log_means - (np.exp(log_means) - 1)))
    elbo_gap = TRUTH.log_evidence(x) - TRUTH.elbo(x, TRUTH.model(**WRONG))
    assert agrees(gaps[1][0], elbo_gap, gaps[1][1])
    sizes = list(gaps)
    for smaller, larger in itertools.pairwise(sizes):
        assert gaps[smaller][0] > gaps[larger][0] > 0
        assert differs(gaps[smaller][0], gaps[larger][0], np.hypot(gaps[smaller][1], gaps[larger][1]))
        assert differs(gaps[larger][0], 0.0, gaps[larger][1])
    half_variance = 0.5 * np.exp(log_ratios).var()
    assert 64 * gaps[64][0] == pytest.approx(half_variance, rel=0.09)
    slope = np.polyfit(np.log(sizes[3:]), np.log([gaps[size][0] for size in sizes[3:]]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.08)


def test_evidence_of_the_package_is_between_the_elbo_and_the_truth_and_rises() -> None:
    """The same through `estimate_evidence`, in the single precision of every day."""
    model = TRUTH.model(**WRONG)
    x = TRUTH.draw(1, seed=3)[0]
    exact, exact_elbo = float(TRUTH.log_evidence(x)), TRUTH.elbo(x, model)
    copies = np.tile(x, (6000, 1))
    previous, previous_error = -np.inf, 0.0
    for num_samples in (1, 8, 100):
        estimate = estimate_evidence(model, copies, num_samples)
        elbo, elbo_error = mean_and_error(np.asarray(estimate.elbo))
        assert agrees(elbo, exact_elbo, elbo_error)
        bound, error = mean_and_error(np.asarray(estimate.log_evidence))
        assert bound > previous
        assert differs(bound, previous, np.hypot(error, previous_error))
        assert not_above(bound, exact, error)
        previous, previous_error = bound, error
    assert previous == pytest.approx(exact, abs=0.02)
    # A shuffled copy of the weights' axes would not know the difference between examples.
    several = TRUTH.draw(50, seed=4)
    exact_of_each = TRUTH.log_evidence(several)
    np.testing.assert_allclose(estimate_evidence(TRUTH.model(), several, 7).log_evidence, exact_of_each, atol=1e-4)
    assert np.ptp(exact_of_each) > 1


def test_trained_by_elbo_the_evidence_reaches_the_maximum_likelihood_optimum() -> None:
    """Linear VAE with a diagonal posterior: its best ELBO is the best evidence of probabilistic PCA (Lucas et al. 2019)."""
    data_dim, latent_dim = 6, 2
    data = LinearGaussian.random(data_dim, latent_dim, orthogonal=False, seed=5).draw(1000, seed=6)
    rng = np.random.default_rng(7)
    decoder = LinearNetwork(
        weight=jnp.asarray(0.1 * rng.normal(size=(data_dim, latent_dim)), jnp.float32),
        bias=jnp.zeros(data_dim),
        log_spread=jnp.float32(0.0),
        in_shape=(latent_dim,),
        out_shape=(2, data_dim),
    )
    encoder = MLP((data_dim,), (2, latent_dim), hidden_widths=(), key=jax.random.key(0))
    unchanged, posterior, prior = (
        Affine(shift=np.float32(0), scale=np.float32(1)),
        DiagonalGaussian(latent_dim),
        StandardNormal(latent_dim),
    )
    start = SingleLayer(unchanged, unchanged, encoder, posterior, prior, decoder, Gaussian((data_dim,), np.float32(1e-3)))
    options = TrainingConfig(epochs=200, batch_size=100, learning_rate=0.02, learning_rate_schedule="cosine", validate_every=100)
    trainer = Trainer(start, data, data[:0], ELBO(num_samples=4), options)
    model = trainer.model_of(trainer.run(trainer.start()))
    assert isinstance(model, SingleLayer)
    assert isinstance(model.decoder, LinearNetwork)

    optimum = maximum_likelihood_log_evidence(data, latent_dim)
    trained = of_decoder(model.decoder)
    evidence = float(trained.log_evidence(data).mean())
    assert optimum - 0.01 < evidence < optimum
    # What the package itself reports for the model, with importance samples and without.
    estimate = estimate_evidence(model, data, 200)
    assert float(np.mean(estimate.log_evidence)) == pytest.approx(evidence, abs=0.005)
    # Its 200,000 draws of log p(x|z) leave a noise of 0.003.
    assert optimum - 0.02 < float(np.mean(estimate.elbo)) < optimum + 0.01
    # The negative control: weights a tenth too small are seen.
    worse = dataclasses.replace(trained, weight=0.9 * trained.weight)
    assert worse.log_evidence(data).mean() < optimum - 0.01
