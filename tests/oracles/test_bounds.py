"""Every importance-weighted bound against probabilistic PCA: order, rate, axes, limits, and figures of another program."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from support.chance import agrees, differs

from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.models import Draws, SingleLayer
from lowerbound.objectives import CIWAE, ELBO, IWAE, MIWAE, PIWAE, AbstractObjective, LossRecord, RenyiBound
from lowerbound.objectives.base import batch_terms, log_weight_of
from lowerbound.objectives.renyi import log_power_mean
from lowerbound.verification.bounds import PROTOTYPE
from lowerbound.verification.linear_gaussian import LOG_EVIDENCE, TRUTH, example, poor_model

NUM_COPIES = 20_000


@eqx.filter_jit
def _record(objective: AbstractObjective, model: SingleLayer, batch: jax.Array, key: jax.Array) -> LossRecord:
    return objective(model, Example(batch), key, jnp.int32(0))


@functools.cache
def record(objective: AbstractObjective, num_copies: int = NUM_COPIES) -> LossRecord:
    """The record of many copies of the one example: as many independent draws of its bound."""
    copies = jnp.asarray(np.tile(example(), (num_copies, 1)))
    return _record(objective, poor_model(), copies, jax.random.key(1))


def bounds(objective: AbstractObjective) -> np.ndarray:
    bound = record(objective).bound
    assert bound is not None
    return np.asarray(bound, np.float64)


@functools.cache
def log_weights(num_samples: int) -> np.ndarray:
    """The log-weights of the same draws, (copies, draws), in float64."""

    @eqx.filter_jit
    def compiled(model: SingleLayer, batch: jax.Array, key: jax.Array) -> jax.Array:
        return log_weight_of(batch_terms(model, Example(batch), key, Draws(num_samples)))

    copies = jnp.asarray(np.tile(example(), (NUM_COPIES, 1)))
    return np.asarray(compiled(poor_model(), copies, jax.random.key(1)), np.float64)


def test_iwae_rises_to_the_evidence_at_the_rate_and_by_the_figures_of_the_prototype() -> None:
    assert TRUTH.log_evidence(example()) == pytest.approx(LOG_EVIDENCE, abs=1e-4)
    elbo = TRUTH.elbo(example(), poor_model())
    gaps: dict[int, tuple[float, float]] = {}
    for num_samples, figure, error in PROTOTYPE:
        values = bounds(IWAE(num_samples))
        mean, own_error = mean_and_error(values)
        assert agrees(mean, figure, np.hypot(error, own_error))
        assert record(IWAE(num_samples)).loss == pytest.approx(-mean, abs=1e-4)
        # E[mean w / p(x)] = 1 exactly, so subtracting it changes no expectation and takes much of the noise away.
        gaps[num_samples] = mean_and_error(LOG_EVIDENCE - values + np.expm1(values - LOG_EVIDENCE))
    mean, error = mean_and_error(bounds(IWAE(1)))
    assert agrees(mean, elbo, error)
    for (_, smaller), (_, larger) in itertools.pairwise(gaps.items()):
        assert differs(smaller[0], larger[0], np.hypot(smaller[1], larger[1]))
        assert smaller[0] > larger[0]
        assert differs(larger[0], 0.0, larger[1])
    # 1/K: the gap at 64 is a quarter of that at 16, up to terms of 1/K^2.
    assert gaps[16][0] / gaps[64][0] == pytest.approx(4.0, abs=0.6)
    # The ELBO's own objective, with its KL in closed form, has the same expectation and less noise.
    closed, closed_error = mean_and_error(bounds(ELBO()))
    assert agrees(closed, elbo, closed_error)


def test_miwae_is_the_mean_over_groups_of_logarithms_of_means_in_a_group() -> None:
    """With M = 2 and K = 8; the same numbers with the axes swapped are the control."""
    objective = MIWAE(num_samples=8, num_groups=2)
    log_weight = log_weights(16)
    groups = [logsumexp(log_weight[:, first : first + 8], axis=1) - np.log(8) for first in (0, 8)]
    np.testing.assert_allclose(bounds(objective), (groups[0] + groups[1]) / 2, atol=1e-4)
    swapped = np.mean([logsumexp(log_weight[:, [i, i + 8]], axis=1) - np.log(2) for i in range(8)], axis=0)
    assert np.abs(bounds(objective) - swapped).mean() > 0.1

    mean, error = mean_and_error(bounds(objective))
    iwae = {size: mean_and_error(bounds(IWAE(size))) for size in (2, 8, 16)}
    assert agrees(mean, iwae[8][0], np.hypot(error, iwae[8][1]))
    for other in (2, 16):
        assert differs(mean, iwae[other][0], np.hypot(error, iwae[other][1]))
    # Two groups halve the variance.
    assert (error / iwae[8][1]) ** 2 == pytest.approx(0.5, abs=0.06)
    assert objective.bound_name == "MIWAE bound, 2 x 8 samples"


def test_ciwae_mixes_the_elbo_and_iwae_and_reports_the_tighter() -> None:
    objective = CIWAE(num_samples=4, elbo_weight=0.3)
    np.testing.assert_allclose(bounds(objective), bounds(IWAE(4)), atol=1e-4)
    assert objective.bound_name == "IWAE bound, 4 samples"
    log_weight = log_weights(4)
    iwae = (logsumexp(log_weight, axis=1) - np.log(4)).mean()
    value = -float(record(objective).loss)
    assert value == pytest.approx(0.3 * log_weight.mean() + 0.7 * iwae, abs=1e-3)
    # The weight taken the wrong way round.
    assert abs(value - (0.7 * log_weight.mean() + 0.3 * iwae)) > 0.3


def test_piwae_gives_each_half_its_own_bound_of_the_same_draws() -> None:
    model, key = poor_model(), jax.random.key(2)
    batch = jnp.asarray(TRUTH.draw(8, seed=3))

    @eqx.filter_jit
    def gradient(objective: AbstractObjective) -> tuple[Any, Any]:
        def loss(model: SingleLayer) -> Any:
            record = objective(model, Example(batch), key, jnp.int32(0))
            return record.loss, record

        return eqx.filter_value_and_grad(loss, has_aux=True)(model)

    (loss, record), both = gradient(PIWAE(num_samples=3, num_groups=4))
    (_, all_draws), of_iwae = gradient(IWAE(12))
    (_, _), of_miwae = gradient(MIWAE(3, 4))
    np.testing.assert_allclose(record.bound, all_draws.bound, rtol=1e-5)
    assert float(loss) == pytest.approx(-float(record.bound.mean()), rel=1e-6)
    assert_near(both.encoder, of_miwae.encoder)
    assert_near(both.decoder, of_iwae.decoder)
    assert not is_near(both.encoder, of_iwae.encoder)
    assert not is_near(both.decoder, of_miwae.decoder)
    assert PIWAE(3, 4).bound_name == "IWAE bound, 12 samples"


def is_near(tree: Any, other: Any) -> bool:
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in pairs)


def assert_near(tree: Any, other: Any) -> None:
    assert is_near(tree, other)


def exact_renyi_bound(alpha: float) -> float:
    """log p(x) + log int q^a p(z|x)^(1 - a) dz / (1 - a), by quadrature in each latent: q and p(z|x) are both products here."""
    params = np.asarray(poor_model().encoder(jnp.asarray(example())), np.float64)
    mean, covariance = TRUTH.posterior(example())
    total = 0.0
    for q_mean, q_std, p_mean, p_std in zip(params[0], np.exp(0.5 * params[1]), mean, np.sqrt(np.diag(covariance)), strict=True):
        z = np.linspace(q_mean - 30 * q_std, q_mean + 30 * q_std, 40_001)
        log_q = -0.5 * ((z - q_mean) / q_std) ** 2 - np.log(q_std * np.sqrt(2 * np.pi))
        log_p = -0.5 * ((z - p_mean) / p_std) ** 2 - np.log(p_std * np.sqrt(2 * np.pi))
        total += logsumexp(alpha * log_q + (1 - alpha) * log_p) + np.log(z[1] - z[0])
    return float(TRUTH.log_evidence(example()) + total / (1 - alpha))


def test_renyi_estimates_its_bound_and_has_its_limits() -> None:
    few = jnp.asarray(log_weights(4), jnp.float32)
    many = few.reshape(-1)
    for alpha in (0.0, 0.5, 0.9):
        # One estimate of 80,000 draws, so without bias to speak of.
        power, error = mean_and_error(np.exp((1 - alpha) * (np.asarray(many, np.float64) - LOG_EVIDENCE)))
        assert agrees(log_power_mean(many, 1 - alpha), exact_renyi_bound(alpha), error / power / (1 - alpha))
    assert float(log_power_mean(many, 0.5)) != pytest.approx(exact_renyi_bound(0.9), abs=0.1)

    orders = (-3.0, 0.0, 0.5, 0.999, 2.0)
    losses = [float(log_power_mean(few, 1 - alpha).mean()) for alpha in orders]
    assert sorted(losses, reverse=True) == losses
    assert losses[1] == pytest.approx(float(bounds(IWAE(4)).mean()), abs=1e-4)
    # Near 1 it is the mean of the log-weights, which has the ELBO's expectation.
    assert losses[3] == pytest.approx(float(few.mean()), abs=0.01)
    for alpha, value in ((-3.0, losses[0]), (0.5, losses[2])):
        assert -float(record(RenyiBound(4, alpha)).loss) == pytest.approx(value, abs=1e-4)
    at_one = record(RenyiBound(4, 1.0))
    assert at_one.kl is not None
    elbo, error = mean_and_error(np.asarray(at_one.log_likelihood - at_one.kl))
    assert -float(at_one.loss) == pytest.approx(elbo, abs=1e-4)
    assert agrees(elbo, TRUTH.elbo(example(), poor_model()), error)


def test_renyi_reports_a_bound_at_every_order() -> None:
    """At a < 0 the number itself rises above the evidence, where nothing that calls itself a bound may be."""
    for alpha in (-3.0, 0.5, 1.0):
        np.testing.assert_allclose(bounds(RenyiBound(4, alpha)), bounds(IWAE(4)), atol=1e-4)
    assert RenyiBound(4, -3.0).bound_name == "IWAE bound, 4 samples"
    many = jnp.asarray(log_weights(16), jnp.float32)
    assert float(log_power_mean(many, 4.0).mean()) > LOG_EVIDENCE + 0.1
    assert float(log_power_mean(many, 1.0).mean()) < LOG_EVIDENCE
    # Draw for draw, no order of 1 or less is above the IWAE bound.
    for order in (0.5, -1.0):
        assert np.all(log_power_mean(many, order) <= log_power_mean(many, 1.0) + 1e-5)


def test_power_mean_keeps_its_digits_near_order_zero() -> None:
    log_weight = np.random.default_rng(0).normal(-1000.0, 3.0, size=5).astype(np.float32)
    exact = log_weight.astype(np.float64).mean()
    assert float(log_power_mean(jnp.asarray(log_weight), 1e-7)) == pytest.approx(exact, abs=2e-3)
    assert float(log_power_mean(jnp.asarray(log_weight), -1e-7)) == pytest.approx(exact, abs=2e-3)
    # The formula as it is written, for comparison.
    naive = (jax.nn.logsumexp(1e-7 * jnp.asarray(log_weight)) - jnp.log(5.0)) / 1e-7
    assert abs(float(naive) - exact) > 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IWAE(0), r"objective.num_samples is 0 \(an integer\); expected an integer >= 1."),
        (lambda: MIWAE(2, 0), r"objective.num_groups is 0 \(an integer\); expected an integer >= 1."),
        (lambda: CIWAE(2, 1.5), r"objective.elbo_weight is 1.5 \(a number\); expected a number >= 0 and <= 1."),
    ],
)
def test_bad_settings_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
