"""Estimates as records: what they say of themselves, and when they say that it is enough."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from support.chance import agrees

from lowerbound.evaluation import BoundCurve, EvidenceEstimate
from lowerbound.evaluation.estimates import importance_estimate, judge, monte_carlo_error
from lowerbound.evaluation.running_weights import bound_sizes
from lowerbound.verification.linear_gaussian import TRUTH


def _estimate(log_weights: np.ndarray) -> EvidenceEstimate:
    """Of (examples, K) log-weights, in NumPy."""
    number = log_weights.shape[1]

    def log_mean(part: np.ndarray) -> np.ndarray:
        return np.log(np.exp(part).mean(axis=-1))

    weights = np.exp(log_weights)
    bounds = [
        log_mean(log_weights[:, : number // size * size].reshape(len(log_weights), -1, size)).mean(axis=1)
        for size in bound_sizes(number)
    ]
    return EvidenceEstimate(
        log_evidence=log_mean(log_weights),
        elbo=log_weights.mean(axis=1),
        kl=np.zeros(len(log_weights)),
        effective_sample_size=weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1),
        not_finite=np.zeros(len(log_weights), int),
        half_bound=(log_mean(log_weights[:, ::2]) + log_mean(log_weights[:, -1::-2])) / 2,
        bounds=np.stack(bounds, axis=1),
    )


def test_the_monte_carlo_error_is_the_scatter_of_repetitions() -> None:
    rng, spread, number = np.random.default_rng(0), 0.8, 200
    means, errors = [], []
    for _ in range(400):
        estimate = _estimate(rng.normal(0, spread, (20, number)))
        means.append(np.mean(estimate.log_evidence))
        errors.append(monte_carlo_error(np.asarray(estimate.effective_sample_size), number))
    # A scatter from 400 repetitions is known to 3.5 percent; the formula is right to the first order in 1/K.
    assert agrees(np.mean(errors) / np.std(means), 1.0, 0.035, slack=0.01)
    assert monte_carlo_error(np.ones(20), 1) is None
    assert monte_carlo_error(np.full(20, 50.0), 50) == 0


def test_a_curve_holds_every_doubling_and_k_itself() -> None:
    log_weights = np.random.default_rng(1).normal(0, 1, (300, 100))
    curve = BoundCurve.of(_estimate(log_weights), 100)
    assert curve.num_samples == (1, 2, 4, 8, 16, 32, 64, 100)
    assert math.isnan(curve.rises[0])
    assert all(rise > 0 for rise in curve.rises[1:])
    assert curve.rises[3] == pytest.approx(curve.nats[3] - curve.nats[2])
    # The gap is Var(w) / (2 K E[w]^2) = (e - 1) / 200, and so is what the last doubling added, to the first order in 1/K.
    assert agrees(curve.rises[-1], (math.e - 1) / 200, curve.rise_errors[-1], slack=0.001, num_draws=300)
    assert curve.rise_errors[-1] < 0.002 < curve.standard_errors[-1]
    only = BoundCurve.of(_estimate(log_weights[:, :1]), 1)
    assert (only.num_samples, len(only.nats)) == ((1,), 1)
    assert only.to_json()["rises"] == [None]


def test_a_record_is_plain_json_and_says_what_it_is() -> None:
    estimate = _estimate(np.random.default_rng(2).normal(0, 1, (50, 100)))
    record = importance_estimate(estimate, BoundCurve.of(estimate, 100), TRUTH.model(), "the posterior")
    assert record.method == "importance sampling from the posterior"
    assert record.value == pytest.approx(np.mean(estimate.log_evidence))
    assert record.effective_sample_size == pytest.approx(np.median(estimate.effective_sample_size))
    assert record.smallest_effective_sample_size == np.min(estimate.effective_sample_size)
    assert record.is_enough
    assert (record.measure, record.given) == ("lebesgue", None)
    assert json.loads(json.dumps(record.to_json()))["unit"] == "nats per example"


@pytest.mark.parametrize(
    ("numbers", "is_enough", "verdict"),
    [
        (
            (1000, 2.1, 0.4, 0.01, 0, 9),
            False,
            "K = 1,000 is not enough: effective sample size 2.1 (median); the bound still rises 0.4 nats per doubling. "
            "Take more samples, or a refined proposal.",
        ),
        (
            (1000, 312.0, 0.002, 0.0001, 0, 9),
            True,
            "K = 1,000 is enough: effective sample size 312 (median); the bound rises 0.002 nats per doubling.",
        ),
        (
            (100, 60.0, 0.001, 0.002, 0, 9),
            True,
            "K = 100 is enough: effective sample size 60 (median); the bound no longer rises by more than its noise, "
            "0.004 nats per doubling.",
        ),
        (
            (100, 60.0, 0.001, 0.05, 0, 9),
            False,
            "K = 100 is not enough: effective sample size 60 (median); the bound no longer rises by more than its noise, "
            "0.1 nats per doubling. Take more samples, or a refined proposal.",
        ),
        (
            (100, 60.0, 0.002, 0.0001, 3, 9),
            False,
            "K = 100 is not enough: effective sample size 60 (median); the bound still rises 0.002 nats per doubling. 3 of 900 "
            "weights were not finite: they count as 0, which lowers the bound.",
        ),
        (
            (1, 1.0, math.nan, math.nan, 0, 9),
            False,
            "K = 1 is not enough: one draw is the ELBO, and shows nothing of its own error. Take 1,000 or more.",
        ),
    ],
)
def test_the_verdict_is_in_words_with_its_figures(
    numbers: tuple[int, float, float, float, int, int], is_enough: bool, verdict: str
) -> None:
    assert judge(*numbers) == (is_enough, verdict)
