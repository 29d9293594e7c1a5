"""Standard errors, Monte Carlo errors and effective sample sizes: by hand, and as the scatter of what they are about."""

from __future__ import annotations

import numpy as np
from support.chance import agrees

from lowerbound.evaluation import estimate_evidence
from lowerbound.evaluation.estimates import mean_and_error, monte_carlo_error
from lowerbound.verification.errors import errors
from lowerbound.verification.linear_gaussian import TRUTH, example, poor_model


def test_errors_and_effective_sample_sizes_by_hand() -> None:
    assert [figure for figure in errors() if not figure.is_right] == []


def test_a_standard_error_is_the_scatter_of_means() -> None:
    """2,000 means of 25 numbers: their scatter is known to 1.6 percent."""
    values = np.random.default_rng(0).exponential(size=(2000, 25))
    means, found = zip(*map(mean_and_error, values), strict=True)
    assert agrees(np.sqrt(np.mean(np.square(found))) / np.std(means, ddof=1), 1.0, 0.016)


def test_the_monte_carlo_error_of_an_evidence_is_the_scatter_of_its_repetitions() -> None:
    """1,000 repetitions of one example: their scatter is known to 2.2 percent."""
    x = np.tile(example(), (1000, 1))
    found = estimate_evidence(poor_model(), x, 400)
    scatter = float(np.std(np.asarray(found.log_evidence, np.float64), ddof=1))
    errors = [monte_carlo_error(np.array([size]), 400) for size in np.asarray(found.effective_sample_size)]
    # The formula is right to the first order in 1/K.
    assert agrees(np.sqrt(np.mean(np.square(np.array(errors, np.float64)))) / scatter, 1.0, 0.022, slack=0.01)
    # The logarithm of a mean is too low by half its variance.
    mean, error = mean_and_error(np.asarray(found.log_evidence))
    assert agrees(mean, TRUTH.log_evidence(example()), error, slack=scatter**2)
