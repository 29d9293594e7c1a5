"""Log-weights, bounds and evidence on probabilistic PCA, where log p(x) is known exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..data.examples import Example
from ..evaluation import Annealing, PosteriorDensity, anneal, estimate_evidence, harmonic_evidence, sandwich
from ..evaluation.bidirectional import simulate
from ..evaluation.estimates import mean_and_error
from ..models import Draws, SingleLayer
from .figure import STANDARD_ERRORS, Figure
from .linear_gaussian import LOG_EVIDENCE, TRUTH, example, poor_model

SUBJECT = "linear-Gaussian model"
# (K, mean, standard error) of IWAE bounds, by a prototype written apart from this package, for the poor q of `poor_model`.
PROTOTYPE = ((1, -11.273, 0.045), (4, -9.818, 0.016), (16, -9.526, 0.006), (64, -9.483, 0.003))
# One batch of draws serves all K: so many independent groups of 64.
NUM_GROUPS = 4000


def exact_log_weights(model: SingleLayer | None = None) -> Iterator[Figure]:
    """With the exact posterior every log-weight is log p(x), to the rounding of float64.

    - `model`: another one than the truth, which must not pass.
    """
    # The package makes its constants float32, so the two precisions meet: x is chosen to be exact in float32.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        model = TRUTH.model() if model is None else model
        x = TRUTH.draw(20, seed=1)
        errors = np.asarray(_log_weights(model, jnp.asarray(x), 50)) - TRUTH.log_evidence(x)[:, None]
        assert errors.dtype == np.float64
    yield Figure(SUBJECT, "log-weights with the exact posterior, largest error", float(np.abs(errors).max()), 0.0, 1e-10, "nats")


def bounds_of_a_poor_posterior(model: SingleLayer | None = None) -> Iterator[Figure]:
    """IWAE bounds rise from the ELBO to the evidence by the figures of another program, and the mean weight is p(x)."""
    model = poor_model() if model is None else model
    x, largest = example(), PROTOTYPE[-1][0]
    copies = jnp.asarray(np.tile(x, (NUM_GROUPS, 1)))
    log_ratios = np.asarray(_log_weights(model, copies, largest), np.float64) - LOG_EVIDENCE
    ratio, error = mean_and_error(np.exp(log_ratios).mean(axis=1))
    yield Figure(SUBJECT, "mean importance weight / p(x)", ratio, 1.0, STANDARD_ERRORS * error)
    mean, error = mean_and_error(log_ratios.mean(axis=1))
    yield Figure(SUBJECT, "ELBO", mean + LOG_EVIDENCE, TRUTH.elbo(x, poor_model()), STANDARD_ERRORS * error, "nats")
    for num_samples, truth, error_of_truth in PROTOTYPE:
        groups = log_ratios.reshape(-1, num_samples)
        top = groups.max(axis=1)
        values = top + np.log(np.mean(np.exp(groups - top[:, None]), axis=1))
        mean, error = mean_and_error(values)
        tolerance = STANDARD_ERRORS * math.hypot(error, error_of_truth)
        yield Figure(SUBJECT, f"IWAE bound, K = {num_samples}", mean + LOG_EVIDENCE, truth, tolerance, "nats")


def evidence_of_the_evaluator(model: SingleLayer | None = None) -> Iterator[Figure]:
    """What `lowerbound evaluate` computes, in the single precision of every day."""
    model = poor_model() if model is None else model
    x = TRUTH.draw(200, seed=4)
    found = np.asarray(estimate_evidence(model, x, 1000).log_evidence, np.float64)
    difference, error = mean_and_error(found - TRUTH.log_evidence(x))
    # The bound of 1000 samples is a thousandth of a nat below log p(x).
    tolerance = STANDARD_ERRORS * error + 0.003
    yield Figure(SUBJECT, "evidence by 1000 importance samples, less log p(x)", difference, 0.0, tolerance, "nats")


def annealing(model: SingleLayer | None = None) -> Iterator[Figure]:
    """Annealed importance sampling, and both bounds of bidirectional Monte Carlo, within 0.05 nats of log p(x)."""
    model = poor_model() if model is None else model
    settings = Annealing(num_temperatures=400, num_chains=8, num_leapfrog=5)
    x = TRUTH.draw(64, seed=9)
    error = float(np.mean(anneal(model, x, settings).log_mean_weight - TRUTH.log_evidence(x)))
    yield Figure(SUBJECT, "evidence by annealing, less log p(x)", error, 0.0, 0.05, "nats")
    _, examples = simulate(model, 64)
    exact = float(np.mean(TRUTH.log_evidence(np.asarray(examples.x))))
    found = sandwich(model, 64, settings)
    yield Figure(SUBJECT, "lower bound by annealing", found.lower_nats, exact, 0.05, "nats")
    yield Figure(SUBJECT, "upper bound by annealing backward", found.upper_nats, exact, 0.05, "nats")


def annealed_weights(
    num_temperatures: int, start: Literal["prior", "posterior"], model: SingleLayer | None = None
) -> Iterator[Figure]:
    """E[w] = p(x) holds for any number of temperatures, and where they are few nothing but the right order of steps gives it."""
    x = TRUTH.draw(256, seed=9)
    settings = Annealing(num_temperatures, num_chains=62, num_leapfrog=3, start=start)
    log_weights = anneal(poor_model() if model is None else model, x, settings, seed=num_temperatures).log_weights
    ratios = np.exp(np.asarray(log_weights, np.float64) - TRUTH.log_evidence(x)[:, None])
    ratio, error = mean_and_error(ratios.mean(axis=1))
    name = f"mean weight / p(x), {num_temperatures} temperatures from the {start}"
    yield Figure(SUBJECT, name, ratio, 1.0, STANDARD_ERRORS * error)


def posterior_density(model: SingleLayer | None = None) -> Iterator[Figure]:
    """A Gaussian fitted to draws of p(z|x), which is one: the harmonic mean over fresh draws is within 0.05 nats of log p(x)."""
    x = TRUTH.draw(51, seed=9)
    found = harmonic_evidence(poor_model() if model is None else model, x, PosteriorDensity(num_samples=200))
    error = float(np.mean(found.log_evidence - TRUTH.log_evidence(x)))
    yield Figure(SUBJECT, "evidence by a fitted posterior density, less log p(x)", error, 0.0, 0.05, "nats")


@eqx.filter_jit
def _log_weights(model: SingleLayer, batch: Float[Array, "examples data"], num_samples: int) -> Float[Array, "examples samples"]:
    keys = jax.random.split(jax.random.key(0), len(batch))
    return jax.vmap(lambda x, key: model.log_terms(Example(x), key, Draws(num_samples)).log_weight)(batch, keys)
