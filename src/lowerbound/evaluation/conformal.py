r"""Scores as p-values, and flags with a guarantee, from calibration rows that nothing else has seen.

With n calibration scores and the score s of a new row, high for odd,

    p = (1 + #{i : s_i >= s}) / (n + 1)

Where the new row is a row like the calibration rows (exchangeable with them), p <= a happens with probability a at most,
whatever the score and its law (Vovk et al. 2005; Bates et al. 2023, arXiv 2104.08279, section 2). Ties count against us: they
make p larger.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float

from ..config.rules import Real
from ..errors import ConfigurationError, DataError

RATE = Real(0.0, below=1.0, strictly_above=True)


def p_values(calibration: Float[np.ndarray, " n"], scores: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """The conformal p-value of each score, high for odd, on the lattice 1/(n+1), 2/(n+1), ..., 1; see the module.

    - `calibration`: the scores of the calibration rows. `scores`: those of the rows to judge.

    Raises `DataError` when there is no calibration score, or a score is not a number; infinite ones are the oddest.

    >>> p_values(np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0, 9.0]))
    array([0.8, 0.2])
    """
    for name, values in (("calibration", calibration), ("scores", scores)):
        if wrong := np.flatnonzero(np.isnan(values)).tolist():
            raise DataError(f"{name} is not a number in row {wrong[0]}; expected a score for each row.")
    if len(calibration) == 0:
        raise DataError("calibration holds no scores; expected those of rows that were not trained on.")
    below = np.searchsorted(np.sort(calibration), scores, side="left")
    return (1 + len(calibration) - below) / (len(calibration) + 1)


def rows_needed(rate: float) -> int:
    """How many calibration rows a rate takes: with fewer than 1/rate - 1, even the smallest p-value is above it.

    >>> rows_needed(0.01), rows_needed(0.3)
    (99, 3)
    """
    # In the digits that the rate is written in: 1 / 0.07 is no whole number, and 1 / 0.01 must be 100.
    return math.ceil(1 / Fraction(repr(float(rate)))) - 1


def check_calibration(name: str, rate: float, num_calibration: int, rows: str = "calibration rows") -> float:
    """The rate, when so many calibration rows allow it.

    - `name`: of the rate, as the caller knows it. `rows`: what the calibration rows are.

    Raises `ConfigurationError` when it is no rate, or takes more calibration rows.
    """
    rate = RATE.convert(name, rate)
    if num_calibration < rows_needed(rate):
        raise ConfigurationError(
            f"{name} is {rate:g}, but there are {num_calibration:,} {rows}, and {rows_needed(rate):,} are needed: the smallest "
            f"p-value that {num_calibration:,} can give is 1/{num_calibration + 1:,}. Hold out more rows, or take a rate of "
            f"{_rounded_up(1 / (num_calibration + 1)):g} or more."
        )
    return rate


def _rounded_up(rate: float) -> float:
    """To two digits, and never below."""
    digits = 1 - math.floor(math.log10(rate))
    return math.ceil(rate * 10**digits) / 10**digits


def flags_at_false_alarm_rate(p: Float[np.ndarray, " m"], rate: float) -> Bool[np.ndarray, " m"]:
    """Which rows to flag so that a row like the calibration rows is flagged with probability `rate` at most: p <= rate."""
    return p <= rate


def flags_at_false_discovery_rate(p: Float[np.ndarray, " m"], rate: float) -> Bool[np.ndarray, " m"]:
    """Which rows to flag so that of the flagged ones a share of `rate` at most, in expectation, are rows like the others.

    Benjamini and Hochberg (1995): with the p-values in order, those up to the last p_(k) <= k rate / m. All p-values share one
    calibration, and so depend on each other; the rate is held all the same (Bates et al. 2023, arXiv 2104.08279, theorem 2),
    where the rows that are judged are independent of each other.
    """
    if len(p) == 0:
        return np.zeros(0, bool)
    # scikit-learn and SciPy are slow to import.
    from scipy.stats import false_discovery_control

    return false_discovery_control(p, method="bh") <= rate


def flags_allowed(num_calibration: int, rate: float) -> int:
    """k = floor(rate (n + 1)): what is flagged has a p-value of k / (n + 1) at most."""
    return math.floor(Fraction(repr(float(rate))) * (num_calibration + 1))


def false_alarm_limits(num_calibration: int, rate: float, confidence: float = 0.99) -> tuple[float, float]:
    """Between which limits the false-alarm rate of one calibration lies, with probability `confidence`.

    The rate is one in the mean over calibrations. With k = floor(rate (n + 1)) that of one calibration is Beta(k, n + 1 - k) for
    scores without ties (Vovk 2012, arXiv 1209.2673), and lower with ties.

    >>> low, high = false_alarm_limits(99, 0.05)
    >>> round(low, 3), round(high, 3)
    (0.011, 0.122)
    """
    from scipy.stats import beta

    allowed, tail = flags_allowed(num_calibration, rate), (1 - confidence) / 2
    law = beta(allowed, num_calibration + 1 - allowed)
    return float(law.ppf(tail)), float(law.ppf(1 - tail))
