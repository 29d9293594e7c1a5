"""Rubin's rules, against figures by hand and by whether intervals hold where the exact imputations are known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from support.chance import STANDARD_ERRORS

from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import pool_estimates

NUM_TABLES, NUM_ROWS, NUM_KNOWN, NUM_COPIES = 4000, 30, 15, 10


def copies_of_tables(*, proper: bool) -> tuple[np.ndarray, np.ndarray]:
    """Means and squared errors of the copies, (copies, tables): y ~ N(0, 1), half of the values missing completely at random.

    Proper copies draw (mu, sigma) from the posterior under the flat prior, p(mu, sigma) = 1 / sigma, and then the missing values.
    The others take both from the known values as they are.
    """
    rng = np.random.default_rng(5)
    known = rng.normal(size=(NUM_TABLES, NUM_KNOWN))
    mean, variance = known.mean(axis=1), known.var(axis=1, ddof=1)
    shape = (NUM_COPIES, NUM_TABLES)
    if proper:
        variance = variance * (NUM_KNOWN - 1) / rng.chisquare(NUM_KNOWN - 1, shape)
        mean = mean + rng.normal(size=shape) * np.sqrt(variance / NUM_KNOWN)
    drawn = rng.normal(size=(*shape, NUM_ROWS - NUM_KNOWN))
    drawn = np.broadcast_to(mean, shape)[..., None] + np.sqrt(np.broadcast_to(variance, shape))[..., None] * drawn
    filled = np.concatenate([np.broadcast_to(known, (*shape, NUM_KNOWN)), drawn], axis=-1)
    return filled.mean(axis=-1), filled.var(axis=-1, ddof=1) / NUM_ROWS


def coverage(*, proper: bool) -> float:
    means, variances = copies_of_tables(proper=proper)
    found = pool_estimates(means, variances, complete_degrees_of_freedom=NUM_ROWS - 1)
    return float(np.mean((found.low <= 0) & (found.high >= 0)))


def test_the_rules_agree_with_figures_by_hand() -> None:
    found = pool_estimates([1.0, 1.2, 0.8], [0.03, 0.05, 0.04], complete_degrees_of_freedom=97)
    # U = .04, B = .04, T = .04 + 4 / 3 * .04, lambda = 4 / 7.
    assert found.estimate == pytest.approx(1.0)
    assert found.standard_error**2 == pytest.approx(0.04 * 7 / 3)
    assert found.share_of_holes == pytest.approx(4 / 7)
    of_copies, of_rows = 2 / (4 / 7) ** 2, (3 / 7) * 97 * 98 / 100
    freedom = of_copies * of_rows / (of_copies + of_rows)
    assert found.degrees_of_freedom == pytest.approx(freedom)
    assert found.high - 1 == pytest.approx(scipy.stats.t(freedom).ppf(0.975) * np.sqrt(0.04 * 7 / 3))
    assert 1 - found.low == pytest.approx(found.high - 1)
    # Rubin's own degrees of freedom, where the analysis has many.
    assert pool_estimates([1.0, 1.2, 0.8], [0.04] * 3).degrees_of_freedom == pytest.approx(of_copies)


def test_copies_that_agree_are_one_table() -> None:
    found = pool_estimates(np.ones((5, 2)), np.full((5, 2), 0.04), interval=0.9)
    assert np.allclose(found.share_of_holes, 0)
    assert np.allclose(found.high, 1 + scipy.stats.norm.ppf(0.95) * 0.2)


def test_several_estimates_are_pooled_each_by_itself() -> None:
    rng = np.random.default_rng(0)
    estimates, variances = rng.normal(size=(6, 3)), rng.uniform(1, 2, (6, 3))
    together = pool_estimates(estimates, variances, complete_degrees_of_freedom=20)
    for number in range(3):
        alone = pool_estimates(estimates[:, number], variances[:, number], complete_degrees_of_freedom=20)
        assert together.low[number] == alone.low
        assert together.degrees_of_freedom[number] == alone.degrees_of_freedom


def test_intervals_hold_with_proper_copies_and_not_with_copies_of_one_model() -> None:
    # Of 95 % in 4,000 tables the error is .34 %; that the law of the pooled mean is only nearly Student's costs less than 1 %.
    error = np.sqrt(0.95 * 0.05 / NUM_TABLES)
    assert abs(coverage(proper=True) - 0.95) < STANDARD_ERRORS * error + 0.01
    # The control: the variance of the mean is 1 / 15, and such copies know nothing of a quarter of it.
    assert coverage(proper=False) < 0.95 - 2 * STANDARD_ERRORS * error


@pytest.mark.parametrize(
    ("estimates", "variances", "options", "message"),
    [
        ([1.0], [1.0], {}, r"estimates has shape \(1,\); expected \(m, k\), k estimates of each of m filled copies, with 2"),
        (np.ones((2, 1, 1)), np.ones((2, 1, 1)), {}, r"estimates has shape \(2, 1, 1\); expected \(m, k\)"),
        ([1.0, 2.0], [1.0], {}, r"variances has shape \(1,\); expected that of estimates, \(2,\)"),
        ([1.0, np.nan], [1.0, 1.0], {}, "values that are not finite"),
        ([1.0, 2.0], [1.0, 0.0], {}, "variances that are not above 0; expected the estimates of each copy and their squared"),
        ([1.0, 2.0], [1.0, 1.0], {"interval": 1.0}, "interval is 1.0"),
        ([1.0, 2.0], [1.0, 1.0], {"complete_degrees_of_freedom": 0}, "complete_degrees_of_freedom is 0"),
    ],
)
def test_what_cannot_be_pooled_is_refused(estimates, variances, options, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pool_estimates(estimates, variances, **options)
