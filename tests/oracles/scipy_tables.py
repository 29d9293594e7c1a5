"""The likelihoods of a table's columns in double precision, by SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.special
import scipy.stats

from lowerbound.likelihoods import (
    CategoriesLikelihood,
    GaussianMixture,
    InflatedGaussianMixture,
    InflatedLogNormalMixture,
    LogNormalMixture,
    Mixed,
    ZeroInflatedLogNormal,
)
from lowerbound.likelihoods.log_normal import LARGEST_LOG_SIGMA
from lowerbound.likelihoods.normal_mixtures import AbstractNormalMixture


def _components(part: AbstractNormalMixture, params: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The log-density of the mixture at u, element by element."""
    logits, loc, raw = params[: 3 * part.num_components].reshape(3, part.num_components, *part.event_shape)
    scale = np.maximum(np.exp(np.minimum(raw, LARGEST_LOG_SIGMA) if part.is_log else raw), part.scale_floor)
    log_weights = scipy.special.log_softmax(logits, axis=0)
    return np.asarray(scipy.special.logsumexp(log_weights + scipy.stats.norm.logpdf(u, loc, scale), axis=0))


def _of_logs(part: AbstractNormalMixture, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    logs = np.log(np.where(x > 0, x, 1.0))
    return _components(part, params, logs) - logs


def _inflated(part: AbstractNormalMixture, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    assert part.atoms is not None
    logits = np.where(np.isinf(part.atoms), -np.inf, params[3 * part.num_components :])
    log_masses = scipy.special.log_softmax(np.concatenate([logits, np.zeros_like(logits[:1])]), axis=0)
    found = (_of_logs if part.is_log else _components)(part, params, x) + log_masses[-1]
    for atom, log_mass in zip(part.atoms, log_masses[:-1], strict=True):
        found = np.where(x == atom, log_mass, found)
    return found


def _categories(part: CategoriesLikelihood, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    count, unseen = np.asarray(part.num_categories), np.asarray(part.unseen, np.float64)
    logits = np.where(np.arange(len(params)).reshape(-1, *[1] * x.ndim) < count, params, -np.inf)
    known = scipy.special.log_softmax(logits, axis=0) + np.log1p(-unseen)
    codes = np.minimum(x, len(params) - 1).astype(int)
    return np.where(x == count, np.log(unseen), np.take_along_axis(known, codes[None], axis=0)[0])


def _mixed(part: Mixed, params: np.ndarray, x: np.ndarray) -> np.ndarray:
    found, start = np.zeros(x.shape), 0
    for block, place in zip(part.blocks, part.places, strict=True):
        size = math.prod(block.param_shape)
        own = params[start : start + size].reshape(block.param_shape)
        found[list(place)] = SCIPY_TABLES[type(block)](block, own, x[list(place)])
        start += size
    return found


SCIPY_TABLES: dict[type, Callable[..., np.ndarray]] = {
    GaussianMixture: _components,
    LogNormalMixture: _of_logs,
    InflatedGaussianMixture: _inflated,
    InflatedLogNormalMixture: _inflated,
    ZeroInflatedLogNormal: _inflated,
    CategoriesLikelihood: _categories,
    Mixed: _mixed,
}
