"""The continuous likelihoods (and the quantised Gaussian) by SciPy or by hand, in double precision: part, params, x to log p."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import scipy.stats

from lowerbound.likelihoods import (
    Beta,
    ContinuousBernoulli,
    GaussianFixedScale,
    GaussianLearnedScale,
    GaussianOptimalScale,
    Laplace,
    LogNormal,
    LowRankGaussian,
    NumPyroLikelihood,
    QuantizedGaussian,
    StudentT,
)


def _location(part: Any, raw: np.ndarray) -> np.ndarray:
    if part.mean_range is None:
        return raw
    low, high = np.asarray(part.mean_range, np.float64)
    return low + (high - low) * scipy.special.expit(raw)


def _scale(part: Any, raw: Any) -> np.ndarray:
    return np.maximum(np.exp(np.asarray(raw, np.float64)), part.scale_floor)


def _learned(part: GaussianLearnedScale, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.norm.logpdf(x, _location(part, params), _scale(part, part.log_scale))


def _fixed(part: GaussianFixedScale, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.norm.logpdf(x, _location(part, params), np.maximum(part.scale, part.scale_floor))


def _optimal(part: GaussianOptimalScale, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.norm.logpdf(x, _location(part, params), _scale(part, 0.5 * np.asarray(part.tracked_log_variance.value)))


def _low_rank(part: LowRankGaussian, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    factor = params[2:].reshape(part.rank, -1)
    covariance = factor.T @ factor + np.diag(_scale(part, params[1]).ravel() ** 2)
    return scipy.stats.multivariate_normal.logpdf(x.ravel(), params[0].ravel(), covariance)  # pyright: ignore[reportArgumentType]


def _laplace(part: Laplace, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.laplace.logpdf(x, _location(part, params[0]), _scale(part, params[1]))


def _student_t(part: StudentT, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.t.logpdf(x, 2 + np.exp(params[2]), _location(part, params[0]), _scale(part, params[1]))


def _log_normal(part: LogNormal, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.lognorm.logpdf(x, s=np.minimum(_scale(part, params[1]), np.exp(1.6)), scale=np.exp(params[0]))


def _continuous_bernoulli(part: ContinuousBernoulli, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The published form in lambda, not the package's in the logit."""
    rate = scipy.special.expit(params)
    constant = 2 * np.arctanh(1 - 2 * rate) / (1 - 2 * rate)
    return np.log(constant) + x * np.log(rate) + (1 - x) * np.log1p(-rate)


def _beta(part: Beta, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    mean, concentration = 1e-3 + 0.998 * scipy.special.expit(params[0]), np.exp(params[1])
    return scipy.stats.beta.logpdf(x, mean * concentration, (1 - mean) * concentration)


def quantized_masses(loc: float, scale: float, low: float, high: float, num_levels: int) -> np.ndarray:
    """The masses of all levels, each difference taken in the tail where it loses no digits."""
    step = (high - low) / (num_levels - 1)
    edges = np.concatenate([[-np.inf], low + step * (np.arange(1, num_levels) - 0.5), [np.inf]])
    below, above = np.diff(scipy.stats.norm.cdf(edges, loc, scale)), -np.diff(scipy.stats.norm.sf(edges, loc, scale))
    return np.where(edges[1:] < loc, below, above)


def _quantized_gaussian(part: QuantizedGaussian, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    loc = part.low + (part.high - part.low) * scipy.special.expit(params[0]) if part.bounded_mean else params[0]
    step = (part.high - part.low) / (part.num_levels - 1)
    scale = np.maximum(np.exp(params[1]), 0.1 * step)
    levels = np.rint((x - part.low) / step).astype(int)
    rows = zip(loc.ravel(), scale.ravel(), levels.ravel(), strict=True)
    masses = [quantized_masses(m, s, part.low, part.high, part.num_levels)[level] for m, s, level in rows]
    return np.log(np.reshape(masses, x.shape))


def _gamma(part: NumPyroLikelihood, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.gamma.logpdf(x, np.exp(params[0]), scale=np.exp(-params[1]))


SCIPY_CONTINUOUS: dict[type, Callable[..., np.ndarray]] = {
    GaussianLearnedScale: _learned,
    GaussianFixedScale: _fixed,
    GaussianOptimalScale: _optimal,
    LowRankGaussian: _low_rank,
    Laplace: _laplace,
    StudentT: _student_t,
    LogNormal: _log_normal,
    ContinuousBernoulli: _continuous_bernoulli,
    Beta: _beta,
    QuantizedGaussian: _quantized_gaussian,
    NumPyroLikelihood: _gamma,
}
