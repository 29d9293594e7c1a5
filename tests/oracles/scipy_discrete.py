"""The discrete likelihoods by SciPy or by hand, in double precision: part, params, x to log p."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import scipy.stats

from lowerbound.likelihoods import (
    Categorical,
    DiscretizedLogisticMixture,
    Multinomial,
    NegativeBinomial,
    Ordinal,
    Poisson,
    ZeroInflatedNegativeBinomial,
)


def masses_of_logistic(loc: Any, scale: Any, low: float, high: float, num_levels: int) -> np.ndarray:
    """The masses of all levels, along the last axis, as differences of logistic distribution functions with whole tails."""
    edges = low + (high - low) / (num_levels - 1) * (np.arange(num_levels + 1) - 0.5)
    edges[0], edges[-1] = -np.inf, np.inf
    standardised = (edges - np.asarray(loc, np.float64)[..., None]) / np.asarray(scale, np.float64)[..., None]
    is_above = standardised[..., :-1] > 0
    below, above = scipy.special.expit(standardised), scipy.special.expit(-standardised)
    return np.where(is_above, above[..., :-1] - above[..., 1:], below[..., 1:] - below[..., :-1])


def mixture_heads(part: DiscretizedLogisticMixture, params: np.ndarray) -> tuple[np.ndarray, ...]:
    """(weights, loc, scale), and the coefficients in colour; components first."""
    count = part.num_components
    step = (part.high - part.low) / (part.num_levels - 1)
    logits, rest = params[: part.num_logit_arrays], params[part.num_logit_arrays :]
    if part.colour:
        # The K numbers of one pixel at a time: array 0 in its three colours, then array 1, ...
        by_pixel = logits.transpose(1, 2, 0, 3).reshape(*part.event_shape[:2], -1)
        logits = by_pixel[..., :count].transpose(2, 0, 1)
    scale = np.maximum(np.exp(rest[count : 2 * count]), 0.1 * step)
    return scipy.special.softmax(logits, axis=0), part.unit * rest[:count], scale, np.tanh(rest[2 * count :])


def _mixture(part: DiscretizedLogisticMixture, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    weights, loc, scale, coefficients = mixture_heads(part, params)
    levels = (part.low, part.high, part.num_levels)
    number = np.rint((x - part.low) / (part.high - part.low) * (part.num_levels - 1)).astype(int)
    if part.colour:
        red, green = (x[..., colour] - 0.5 * (part.low + part.high) for colour in (0, 1))
        loc = loc.copy()
        loc[..., 1] += coefficients[..., 0] * red
        loc[..., 2] += coefficients[..., 1] * red + coefficients[..., 2] * green
    masses = masses_of_logistic(loc, scale, *levels)
    each = np.take_along_axis(masses, np.broadcast_to(number, loc.shape)[..., None], axis=-1)[..., 0]
    return np.log(np.sum(weights * (each.prod(axis=-1) if part.colour else each), axis=0))


def _categorical(part: Categorical, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.take_along_axis(scipy.special.log_softmax(params, axis=0), x.astype(int)[None], axis=0)[0]


def _ordinal(part: Ordinal, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    raw = np.asarray(part.raw_cutpoints, np.float64)
    cutpoints = np.cumsum(np.concatenate([raw[:1], np.log1p(np.exp(raw[1:]))]), axis=0)
    below = scipy.special.expit(np.concatenate([0 * raw[:1] - np.inf, cutpoints, 0 * raw[:1] + np.inf]) - params)
    return np.log(np.take_along_axis(np.diff(below, axis=0), x.astype(int)[None], axis=0)[0])


def count_mean(part: Any, raw: np.ndarray) -> np.ndarray:
    """mu of a likelihood of counts, for an example of the typical total."""
    return part.typical_total * scipy.special.softmax(raw) if part.library_size else np.exp(raw)


def _poisson(part: Poisson, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return scipy.stats.poisson.logpmf(x, count_mean(part, params))


def _negative_binomial(part: Any, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    mean = count_mean(part, params[0])
    theta = np.exp(params[1] if part.dispersion == "from-z" else np.asarray(part.log_inverse_dispersion, np.float64))
    return scipy.stats.nbinom.logpmf(x, theta, theta / (theta + mean))


def _zero_inflated(part: ZeroInflatedNegativeBinomial, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    zero = scipy.special.expit(params[-1])
    return np.log(zero * (x == 0) + (1 - zero) * np.exp(_negative_binomial(part, params, x)))


def _multinomial(part: Multinomial, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.asarray(scipy.stats.multinomial.logpmf(x.ravel(), x.sum(), scipy.special.softmax(params).ravel()))


SCIPY_DISCRETE: dict[type, Callable[..., np.ndarray]] = {
    Categorical: _categorical,
    DiscretizedLogisticMixture: _mixture,
    Multinomial: _multinomial,
    NegativeBinomial: _negative_binomial,
    Ordinal: _ordinal,
    Poisson: _poisson,
    ZeroInflatedNegativeBinomial: _zero_inflated,
}
