"""How far a number can be trusted: errors and effective sample sizes of a few numbers, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..evaluation.estimates import mean_and_error, monte_carlo_error
from ..evaluation.running_weights import RunningWeights
from .figure import Figure

_WEIGHTS = "weights 1, 1, 3 and 3"


def errors() -> Iterator[Figure]:
    """The variance of 1 to 5 is 5/2, so that their mean's standard error is sqrt(1/2).

    Four weights with mean 2 and mean square 5 are worth 4 * 4/5, and the log of their mean errs by sqrt(1/3.2 - 1/4) = 1/4.
    """
    mean, error = mean_and_error(np.arange(1.0, 6.0))
    yield Figure("the numbers 1 to 5", "mean", mean, 3.0, 1e-12)
    yield Figure("the numbers 1 to 5", "standard error of the mean", error, math.sqrt(0.5), 1e-12)
    weights = eqx.filter_jit(lambda each: RunningWeights.empty(4).add(each, 0))(jnp.log(jnp.array([1.0, 1.0, 3.0, 3.0])))
    effective = float(weights.effective_sample_size())
    yield Figure(_WEIGHTS, "effective sample size", effective, 3.2, 1e-5)
    yield Figure(_WEIGHTS, "log of their mean", float(weights.log_evidence(4)), math.log(2.0), 1e-6, "nats")
    # Of one example, and of the mean over four like it, which halves it.
    for examples, truth in ((1, 0.25), (4, 0.125)):
        found = monte_carlo_error(np.full(examples, 3.2), 4)
        assert found is not None
        yield Figure(_WEIGHTS, f"Monte Carlo error of the mean over {examples} examples", found, truth, 1e-12, "nats")
