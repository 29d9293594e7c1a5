"""The evidence by a density fitted to draws of p(z|x), against exact evidence, quadrature and importance sampling."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from support.built import build_model
from support.chance import agrees

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import HarmonicEstimate, PosteriorDensity, estimate_evidence, harmonic_evidence, harmonic_record
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.evaluation.posterior_density import CHAINS, fitted_gaussian
from lowerbound.models import AbstractLatentVariableModel
from lowerbound.sampling.step_size import tuned
from lowerbound.verification.linear_gaussian import LinearGaussian

MANY = PosteriorDensity(num_samples=200)
NUM_EXAMPLES = 51


# Two latents are among the figures of `lowerbound verify`; here their posterior is correlated and the encoder's is not.
@pytest.mark.parametrize("latent_dim", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(4, marks=pytest.mark.long)])
def test_it_is_the_exact_evidence_of_the_linear_model_within_its_stated_error(latent_dim: int) -> None:
    truth = LinearGaussian.random(6, latent_dim, orthogonal=False)
    model, x = truth.model(), truth.draw(NUM_EXAMPLES, seed=9)
    found = harmonic_evidence(model, x, MANY)
    record = harmonic_record(found, MANY, model)
    errors = found.log_evidence - truth.log_evidence(x)
    assert record.monte_carlo_error is not None
    # Minus the log of a mean is half its relative variance too high in the mean, here at most a hundredth of a nat.
    assert agrees(errors.mean(), 0.0, record.monte_carlo_error, slack=0.01)
    # The chains' own spread tells how far off an example is.
    assert 0.4 < mean_and_error(errors)[1] / record.monte_carlo_error < 2.5
    assert 0.8 < float(np.mean(found.acceptance)) < 0.97
    assert record.is_enough
    assert record.not_finite_weights == 0


def _bernoulli(latent_dim: int) -> tuple[AbstractLatentVariableModel, np.ndarray]:
    """A small decoder of zeros and ones with weights so large that p(z|x) is far from p(z) and no Gaussian."""
    binary = (np.random.default_rng(1).random((20, 8)) < 0.5).astype(np.float32)
    config = RunConfig.from_dict({"model": {"latent_dim": latent_dim}, "network": {"hidden_widths": [8]}})
    model = build_model(config, describe(binary), jax.random.key(3))
    return jax.tree.map(lambda leaf: 2 * leaf if isinstance(leaf, jax.Array) and leaf.ndim > 1 else leaf, model), binary


def _quadrature(model: AbstractLatentVariableModel, x: np.ndarray) -> np.ndarray:
    """log p(x) of each row by sums over an even grid of z."""
    side = np.linspace(-7, 7, 141, dtype=np.float32)
    grid = np.stack(np.meshgrid(*[side] * model.latent_dim, indexing="ij"), axis=-1).reshape(-1, model.latent_dim)

    @jax.jit
    def one(x: jax.Array) -> jax.Array:
        log_joint = jax.vmap(lambda z: model.log_likelihood(Example(x), z) + model.log_prior(z))(jnp.asarray(grid))
        return jax.nn.logsumexp(log_joint)

    return np.asarray([float(one(row)) for row in jnp.asarray(x)]) + model.latent_dim * math.log(side[1] - side[0])


@pytest.mark.parametrize("latent_dim", [pytest.param(1, marks=pytest.mark.long), 2])
def test_it_is_what_quadrature_gives_for_a_decoder_of_zeros_and_ones(latent_dim: int) -> None:
    model, x = _bernoulli(latent_dim)
    exact = _quadrature(model, x)
    found = harmonic_evidence(model, x, MANY, seed=4)
    record = harmonic_record(found, MANY, model)
    assert record.monte_carlo_error is not None
    # The bias is half the relative variance of each example's mean: 1/ESS less 1/L.
    bias = float(np.mean(0.5 / found.effective_sample_size))
    assert agrees(record.value, exact.mean(), record.monte_carlo_error, slack=bias)
    sampled = estimate_evidence(model, x, 2000)
    assert agrees(record.value, np.mean(sampled.log_evidence), record.monte_carlo_error, slack=bias + 0.01)
    assert record.measure == "counting"


def test_an_example_gives_the_same_number_however_many_come_with_it() -> None:
    truth = LinearGaussian.random(6, 1, orthogonal=False)
    model, x = truth.model(), truth.draw(NUM_EXAMPLES + 2, seed=9)
    few, all_of_them = (harmonic_evidence(model, rows, MANY) for rows in (x[:3], x))
    np.testing.assert_allclose(few.log_ratios, all_of_them.log_ratios[:3], rtol=1e-5)
    assert not np.allclose(all_of_them.log_ratios[-1], all_of_them.log_ratios[-2])


def test_the_fitted_gaussian_is_the_draws_own_shrunk_to_its_diagonal() -> None:
    z = np.random.default_rng(0).standard_normal((7, 3)) @ [[1.0, 2.0, 0.0], [0.0, 0.5, 1.0], [0.0, 0.0, 0.1]]
    covariance = np.cov(z.T)
    shrunk = (7 * covariance + 4 * np.diag(np.diag(covariance))) / 11
    fit = jax.jit(lambda draws, at: jax.vmap(fitted_gaussian(draws).log_prob)(at))
    above = z + 0.1
    law: Any = scipy.stats.multivariate_normal  # SciPy's stubs take the covariance for a number
    np.testing.assert_allclose(fit(*map(jnp.float32, (z, above))), law.logpdf(above, z.mean(axis=0), shrunk), rtol=1e-4)
    # Fewer draws than latents still give a density.
    assert np.isfinite(fit(*map(jnp.float32, (z[:2], above)))).all()


def test_the_step_grows_where_moves_are_accepted_more_often_than_wanted() -> None:
    grown, shrunk = (float(tuned(jnp.float32(0.5), jnp.float32(each), 2.0)) for each in (1.0, 0.6))
    assert grown == pytest.approx(0.7)
    assert shrunk == pytest.approx(-0.1)
    assert float(tuned(jnp.float32(0.5), jnp.float32(0.65), 2.0, 0.65)) == 0.5


def _record(log_ratios: np.ndarray, weight: np.ndarray | None = None) -> Any:
    ones = np.ones(len(log_ratios))
    found = HarmonicEstimate(log_ratios, ones, ones, weight)
    return harmonic_record(found, PosteriorDensity(num_samples=10), LinearGaussian.random(6, 2, orthogonal=True).model())


def test_the_record_counts_by_weight_and_says_what_is_lost_and_that_it_is_no_bound() -> None:
    alike = np.full((3, CHAINS, 2), 4.0) + np.arange(3)[:, None, None]
    record = _record(alike, np.array([1.0, 0.0, 3.0]))
    assert record.value == pytest.approx(-(4 + 3 * 6) / 4)
    assert record.effective_sample_size == pytest.approx(10)
    assert (record.num_examples, record.num_samples, record.is_enough) == (2, 10, True)
    assert record.verdict.startswith(
        "10 draws of p(z|x) are enough: effective sample size 10 of 10 (median). The number is no bound"
    )
    torn = alike.copy()
    torn[:, 0, 0] = np.nan
    torn[:, 1] += 3
    record = _record(torn)
    assert (record.not_finite_weights, record.is_enough) == (3, False)
    assert "10 draws of p(z|x) are not enough: effective sample size " in record.verdict
    assert "--samples 40, or importance sampling. 3 draws have no finite p(x, z) and are left out." in record.verdict
    # A chain that is lost leaves no error that could be known.
    torn[:, 2] = np.inf
    assert np.isnan(_record(torn).monte_carlo_error)


def test_what_has_no_such_density_is_refused_with_what_works() -> None:
    data = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    sphere = {"posterior": {"name": "von-mises-fisher"}, "prior": {"name": "hyperspherical-uniform"}}
    code = {"posterior": {"name": "deterministic"}, "objective": {"name": "autoencoder"}}
    many = "this model has 5 latents, .* at most 4: .*--method importance.*--method ais"
    for latent_dim, sections, message in ((3, sphere, "live on a sphere"), (3, code, "no p.z.x. to draw from"), (5, {}, many)):
        config = RunConfig.from_dict({"model": {"latent_dim": latent_dim}, "network": {"hidden_widths": [4]}, **sections})
        with pytest.raises(ConfigurationError, match=message):
            harmonic_evidence(build_model(config, describe(data), jax.random.key(0)), data)
    with pytest.raises(ConfigurationError, match=r"PosteriorDensity: num_samples is 0 \(an integer\); expected an integer >= 1"):
        dataclasses.replace(MANY, num_samples=0)
