"""One estimate from several filled copies of a table: Rubin's rules."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

from ..config.rules import Real
from ..errors import ConfigurationError

_INTERVAL = Real(0.0, below=1.0, strictly_above=True)
_FREEDOM = Real(0.0, strictly_above=True)


@dataclasses.dataclass(frozen=True)
class PooledEstimates:
    """Estimates from all copies together; every field has the shape of one copy's estimates.

    - `estimate`: the mean over the copies. `standard_error`: of it, with what is not known of the holes.
    - `low`, `high`: the interval of Student's law with `degrees_of_freedom`.
    - `share_of_holes`: of the squared standard error, what is due to the holes (Rubin's lambda).
    """

    estimate: np.ndarray
    standard_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    degrees_of_freedom: np.ndarray
    share_of_holes: np.ndarray


def pool_estimates(
    estimates: ArrayLike,
    variances: ArrayLike,
    *,
    complete_degrees_of_freedom: int | float | None = None,
    interval: float = 0.95,
) -> PooledEstimates:
    r"""Estimates of m filled copies of a table as one estimate (Rubin 1987, section 3.1).

        Q = mean of Q_i,   U = mean of U_i,   B = \sum_i (Q_i - Q)^2 / (m - 1),   T = U + (1 + 1/m) B
        \lambda = (1 + 1/m) B / T,   \nu_m = (m - 1) / \lambda^2,   \nu_o = (1 - \lambda) \nu_c (\nu_c + 1) / (\nu_c + 3)

    and Q +- t T^(1/2), t the quantile of Student's law with \nu = 1 / (1 / \nu_m + 1 / \nu_o) degrees of freedom (Barnard and
    Rubin 1999, Biometrika 86). The interval holds where the copies are proper: they must differ in the model too, as those of
    `lowerbound.multiple_imputations` do. With draws of one model it is too short.

    - `estimates`: (m, k), or (m,) for one number; m copies, at least 2. `variances`: of the same shape, their squared standard
      errors, each as if its copy had been observed.
    - `complete_degrees_of_freedom`: \nu_c, those of the analysis of a table without holes, n - k of a regression; None for many.

    >>> found = pool_estimates([1.0, 1.2, 0.8], [0.04, 0.04, 0.04], complete_degrees_of_freedom=97)
    >>> float(found.estimate.round(3)), float(found.standard_error.round(3)), float(found.degrees_of_freedom.round(2))
    (1.0, 0.306, 5.32)
    """
    q, u = np.asarray(estimates, np.float64), np.asarray(variances, np.float64)
    if q.ndim not in (1, 2) or len(q) < 2:
        raise ConfigurationError(
            f"estimates has shape {q.shape}; expected (m, k), k estimates of each of m filled copies, with 2 copies or more."
        )
    if u.shape != q.shape:
        raise ConfigurationError(f"variances has shape {u.shape}; expected that of estimates, {q.shape}.")
    if not (np.isfinite(q).all() and np.isfinite(u).all() and (u > 0).all()):
        raise ConfigurationError(
            "estimates or variances hold values that are not finite, or variances that are not above 0; expected the estimates "
            "of each copy and their squared standard errors."
        )
    level = (1 + _INTERVAL.convert("interval", interval)) / 2
    m = len(q)
    added = (1 + 1 / m) * q.var(axis=0, ddof=1)
    total = u.mean(axis=0) + added
    share = added / total
    unseen = share**2 / (m - 1)
    if complete_degrees_of_freedom is not None:
        complete = _FREEDOM.convert("complete_degrees_of_freedom", complete_degrees_of_freedom)
        unseen += (complete + 3) / ((1 - share) * complete * (complete + 1))
    # Copies that all say the same leave Student's law at its limit, the normal law.
    with np.errstate(divide="ignore"):
        freedom = 1 / np.asarray(unseen)
    estimate, error = np.asarray(q.mean(axis=0)), np.asarray(np.sqrt(total))
    half = scipy.stats.t.ppf(level, freedom) * error
    return PooledEstimates(estimate, error, estimate - half, estimate + half, freedom, np.asarray(share))
