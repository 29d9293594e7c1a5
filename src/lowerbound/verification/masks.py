"""Values of linear-Gaussian data that are missing because of what they are: log p(x_observed, mask) by quadrature."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.special
import scipy.stats

from ..data.examples import Example
from ..evaluation import estimate_evidence, impute
from ..masks import SelfMasking
from ..models import SingleLayer
from .figure import STANDARD_ERRORS, Figure
from .linear_gaussian import TRUTH

SUBJECT = "linear-Gaussian data with values missing because of what they are"
NUM_SAMPLES, NUM_DRAWS = 2000, 1000
# The mask's law of the first five elements; the sixth is missing at random.
INTERCEPTS, SLOPES = np.array([0.5, -0.3, 1.0, 0.0, 0.2, 9.0]), np.array([-2.0, 1.5, -1.0, 0.7, -3.0, 9.0])
PLACES = (0, 1, 2, 3, 4)
# Of four examples: one element missing, two, two of which one at random, none.
MISSING = ((3,), (0, 4), (2, 5), ())


def model_with_mask(slopes: np.ndarray = SLOPES, **errors: float) -> SingleLayer:
    """`TRUTH` with a law of the mask; `errors` as for `LinearGaussian.model`."""
    return dataclasses.replace(TRUTH.model(**errors), mask=SelfMasking(INTERCEPTS, slopes, PLACES))


def examples() -> tuple[np.ndarray, Example]:
    """Whole examples, and the same with values missing."""
    x = TRUTH.draw(len(MISSING), seed=5)
    observed = np.ones(x.shape, bool)
    for row, elements in enumerate(MISSING):
        observed[row, list(elements)] = False
    return x, Example(np.where(observed, x, np.nan).astype(np.float32), observed=observed)


def truth(x: np.ndarray, observed: np.ndarray) -> tuple[float, np.ndarray]:
    """log p(x_observed, mask), and E[x_missing|x_observed, mask], in double precision on a grid of 401 values of each."""
    x, missing = np.asarray(x, np.float64), np.flatnonzero(~observed)
    law: Any = scipy.stats.multivariate_normal  # SciPy's stubs take the covariance for a number
    total = float(law.logpdf(x[observed], TRUTH.bias[observed], TRUTH.covariance[np.ix_(observed, observed)]))
    for place in (place for place in PLACES if observed[place]):
        total += float(scipy.special.log_expit(INTERCEPTS[place] + SLOPES[place] * x[place]))
    if not len(missing):
        return total, np.empty(0)
    mean, covariance = TRUTH.hidden(x, observed)
    grid = np.linspace(-9, 9, 401)
    noise = np.stack(np.meshgrid(*[grid] * len(missing), indexing="ij"), axis=-1).reshape(-1, len(missing))
    values = mean + noise @ np.linalg.cholesky(covariance).T
    masses = np.exp(-0.5 * np.square(noise).sum(axis=1))
    masses /= masses.sum()
    for number, place in enumerate(missing):
        if place in PLACES:
            masses = masses * scipy.special.expit(-(INTERCEPTS[place] + SLOPES[place] * values[:, number]))
    return total + float(np.log(masses.sum())), masses @ values / masses.sum()


def masks(model: SingleLayer | None = None) -> Iterator[Figure]:
    """The evidence of values and mask together, and what fills the holes; `model`: one that is wrong, for a control."""
    model = model or model_with_mask()
    x, data = examples()
    evidence = estimate_evidence(model, data, NUM_SAMPLES)
    found = impute(model, data, num_samples=NUM_SAMPLES, num_draws=NUM_DRAWS)
    for row, elements in enumerate(MISSING):
        what = f"{len(elements)} of {x.shape[1]} missing" + (", one of them at random" if 5 in elements else "")
        log_joint, mean = truth(x[row], np.asarray(data.observed)[row])
        effective = float(evidence.effective_sample_size[row])
        error = STANDARD_ERRORS * np.sqrt(max(1 / effective - 1 / NUM_SAMPLES, 0.0)) + 2e-4
        yield Figure(SUBJECT, f"log p(x, mask), {what}", float(evidence.log_evidence[row]), log_joint, error, "nats")
        for place, true_mean in zip(elements, mean, strict=True):
            error = STANDARD_ERRORS * float(found.mean_error[row, place]) + 2e-4
            yield Figure(SUBJECT, f"E[x_{place}|x, mask], {what}", float(found.mean[row, place]), float(true_mean), error)
            drawn = found.draws[:, row, place].astype(np.float64)
            # Of draws that share effective z's: at most the error of so many independent ones, and of the draws themselves.
            own = drawn.std() * np.sqrt(1 / NUM_DRAWS + 1 / float(found.effective_sample_size[row]))
            yield Figure(
                SUBJECT, f"mean of draws of x_{place}, {what}", float(drawn.mean()), float(true_mean), STANDARD_ERRORS * own
            )
