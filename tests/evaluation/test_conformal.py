"""p-values and flags: on their lattice, with rates inside the exact law of a rate whose calibration rows are random too."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import scipy.stats
from sklearn.neighbors import NearestNeighbors
from support.chance import RATE, agrees, is_likely, not_above

import lowerbound.evaluation.conformal
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation import (
    check_calibration,
    false_alarm_limits,
    flags_allowed,
    flags_at_false_alarm_rate,
    flags_at_false_discovery_rate,
    p_values,
    rows_needed,
)

CALIBRATIONS, FRESH = 400, 300


def scores(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Of a law with ties and a heavy tail."""
    return np.round(rng.standard_t(2, shape), 1)


def test_p_values_are_those_of_the_definition_and_ties_count_against_us() -> None:
    rng = np.random.default_rng(0)
    calibration, new = scores(rng, 30), scores(rng, 50)
    expected = [(1 + sum(other >= each for other in calibration)) / 31 for each in new]
    np.testing.assert_array_equal(p_values(calibration, new), expected)
    assert p_values(calibration, np.array([np.inf, -np.inf])).tolist() == [1 / 31, 1.0]
    assert p_values(np.array([5.0]), np.array([5.0])).tolist() == [1.0]


@pytest.mark.parametrize("num_calibration", [100, 199, 1000])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
def test_the_false_alarm_rate_is_that_of_its_law(num_calibration: int, rate: float) -> None:
    """Numbers of flagged fresh rows over 400 calibrations: beta-binomial, each inside its 99 % band but for 1 %."""
    rng = np.random.default_rng(num_calibration)
    allowed = flags_allowed(num_calibration, rate)
    law = scipy.stats.betabinom(FRESH, allowed, num_calibration + 1 - allowed)
    flagged = np.empty(CALIBRATIONS, int)
    for index in range(CALIBRATIONS):
        p = p_values(rng.standard_normal(num_calibration), rng.standard_normal(FRESH))
        flagged[index] = flags_at_false_alarm_rate(p, rate).sum()
    low, high = law.ppf(0.005), law.ppf(0.995)
    # The band is of whole numbers, and so fewer than 1 % fall outside.
    share = float(law.cdf(low - 1) + law.sf(high))
    outside = int(((flagged < low) | (flagged > high)).sum())
    assert share <= 0.01
    assert is_likely(float(scipy.stats.binom.sf(outside - 1, CALIBRATIONS, share)))
    # In the mean over calibrations the rate is k / (n + 1), which is at most what was asked for.
    assert agrees(flagged.mean(), FRESH * allowed / (num_calibration + 1), law.std() / CALIBRATIONS**0.5, num_draws=CALIBRATIONS)
    assert allowed / (num_calibration + 1) <= rate


def test_scores_of_training_rows_as_calibration_break_it() -> None:
    """The negative control: a score that knows the calibration rows, here the distance to the nearest of them."""
    rng = np.random.default_rng(1)
    flagged = []
    for _ in range(40):
        train, fresh = rng.standard_normal((100, 5)), rng.standard_normal((FRESH, 5))
        # The nearest training row of a training row is the row itself.
        own, new = (NearestNeighbors(n_neighbors=2).fit(train).kneighbors(rows)[0].mean(axis=1) for rows in (train, fresh))
        flagged.append(int(flags_at_false_alarm_rate(p_values(own, new), 0.05).sum()))
    law = scipy.stats.betabinom(FRESH, flags_allowed(100, 0.05), 101 - flags_allowed(100, 0.05))
    # Each of forty is beyond what chance brings.
    assert law.sf(min(flagged) - 1) < RATE


@pytest.mark.parametrize("odd_share", [0.0, 0.1])
def test_the_false_discovery_rate_is_held(odd_share: float) -> None:
    """Mean share of false discoveries over 400 draws, at 20 %: below it, within the error of the mean."""
    rng, rate = np.random.default_rng(2), 0.2
    shares, found = [], []
    for _ in range(CALIBRATIONS):
        odd = rng.random(FRESH) < odd_share
        new = rng.standard_normal(FRESH) + 4 * odd
        flags = flags_at_false_discovery_rate(p_values(rng.standard_normal(500), new), rate)
        shares.append((flags & ~odd).sum() / max(1, flags.sum()))
        found.append((flags & odd).sum() / max(1, odd.sum()))
    assert not_above(np.mean(shares), rate * (1 - odd_share), np.std(shares) / CALIBRATIONS**0.5, num_draws=CALIBRATIONS)
    if odd_share:
        assert np.mean(found) > 0.9
    assert flags_at_false_discovery_rate(np.empty(0), rate).shape == (0,)


def test_the_limits_of_one_calibration_are_those_of_its_rate() -> None:
    """Of 4,000 calibrations 99 % have a false-alarm rate within the limits, known exactly here: scores are uniform."""
    rng = np.random.default_rng(3)
    low, high = false_alarm_limits(150, 0.05)
    # p <= 0.05 = 7/151 at most, where a score is above the seventh largest.
    rates = 1 - np.sort(rng.random((4000, 150)), axis=1)[:, -flags_allowed(150, 0.05)]
    outside = int(((rates < low) | (rates > high)).sum())
    assert is_likely(min(1.0, 2 * float(scipy.stats.binom.sf(outside - 1, 4000, 0.01))))
    assert is_likely(min(1.0, 2 * float(scipy.stats.binom.cdf(outside, 4000, 0.01))))


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 99), (0.05, 19), (0.1, 9), (0.07, 14), (0.3, 3), (0.003, 333)])
def test_a_rate_takes_so_many_rows_and_no_fewer(rate: float, needed: int) -> None:
    assert rows_needed(rate) == needed
    assert flags_allowed(needed, rate) == 1
    assert flags_allowed(needed - 1, rate) == 0
    assert p_values(np.zeros(needed), np.ones(1))[0] <= rate
    assert check_calibration("--far", rate, needed) == rate
    with pytest.raises(ConfigurationError, match=rf"--far is {rate:g}, but there are {needed - 1} rows, and {needed} are needed"):
        check_calibration("--far", rate, needed - 1, "rows")


@pytest.mark.parametrize("num_calibration", [1, 4, 8, 18, 100, 3000])
def test_the_rate_that_a_refusal_advises_is_allowed(num_calibration: int) -> None:
    with pytest.raises(ConfigurationError, match="or take a rate of") as refused:
        check_calibration("rate", 1e-5, num_calibration)
    advised = float(str(refused.value).rpartition("rate of ")[2].split()[0])
    assert check_calibration("rate", advised, num_calibration) < 1.2 / num_calibration


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan"), "much", True])
def test_what_is_no_rate_is_refused(rate: object) -> None:
    with pytest.raises(ConfigurationError, match=r"false_alarm_rate is .*expected a number > 0 and < 1"):
        check_calibration("false_alarm_rate", rate, 100)  # pyright: ignore[reportArgumentType]


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(DataError, match=r"calibration is not a number in row 1; expected a score for each row"):
        p_values(np.array([1.0, np.nan]), np.ones(1))
    with pytest.raises(DataError, match="calibration holds no scores"):
        p_values(np.empty(0), np.ones(1))


def test_examples_of_the_docstrings_print_what_they_say() -> None:
    found = doctest.testmod(lowerbound.evaluation.conformal)
    assert found.attempted >= 4
    assert found.failed == 0
