"""The evidence log p(X) of all examples together, where the decoder's weights are random: importance sampling over both."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.rules import COUNT, check_fields
from ..data.examples import Example
from ..errors import ConfigurationError, DataError
from ..likelihoods import Given, Measure
from ..models import AbstractLatentVariableModel
from .estimates import ENOUGH_EFFECTIVE_SAMPLES, JsonRecord, mean_and_error, median
from .evidence import estimate_evidence


@dataclasses.dataclass(frozen=True)
class JointSampling:
    """How much to draw: `num_weights` is S, draws of the decoder's weights; `num_samples` is K, draws of each z for each of them.

    Raises `ConfigurationError` for numbers that cannot be.
    """

    num_weights: int = 100
    num_samples: int = 100

    def __post_init__(self) -> None:
        check_fields(self, num_weights=COUNT, num_samples=COUNT)


class JointWeights(NamedTuple):
    """One row a draw of the decoder's weights, in nats of all examples together.

    - `log_weights`: log W_s, whose mean weight is p(X). `log_bounds`: the same with each example's ELBO in place of the log of
      its mean weight.
    - `effective_sample_size`: of K, the median over examples. `not_finite`: how many of the weights of z were not finite.
    """

    log_weights: Float[np.ndarray, " draws"]
    log_bounds: Float[np.ndarray, " draws"]
    effective_sample_size: Float[np.ndarray, " draws"]
    not_finite: int


def joint_weights(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    sampling: JointSampling | None = None,
    *,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda draws: None,
) -> JointWeights:
    r"""Importance weights of all examples X together (Kingma and Welling 2014, appendix F, the model).

        W_s = p(theta_s) / q(theta_s) \prod_n (1/K) \sum_k p(x_n|z_nk, theta_s) p(z_nk) / q(z_nk|x_n)

    with theta_s ~ q(theta) and z_nk ~ q(z|x_n), other draws for each s. E[W] = p(X), so that the log of a mean of them is a lower
    bound on log p(X) in expectation. `on_progress` is told how many draws of theta are done.

    Raises `ConfigurationError` when the model's weights are numbers, or an example's weight is neither 0 nor 1, and `DataError`
    when there are no examples.
    """
    sampling = JointSampling() if sampling is None else sampling
    check_random_weights(model)
    data, weight = Example.of(data).counted
    if weight is not None and (weight != 1).any():
        raise ConfigurationError(
            f"an example has the weight {weight[weight != 1][0]:g}; expected 0 or 1, because log p(X) is of examples that "
            "are there or not. Give a row twice that counts twice."
        )
    if len(data) == 0:
        raise DataError("X is empty; expected at least one example, of which log p(X) can be estimated.")
    data = dataclasses.replace(data, weight=None)
    keys = jax.random.split(jax.random.key(seed), sampling.num_weights)
    # The z of one theta are independent of those of another, so that the spread of W tells of both.
    seeds = np.random.default_rng(seed).choice(2**31, sampling.num_weights, replace=False)
    rows: list[tuple[float, float, float, int]] = []
    for key, z_seed in zip(keys, seeds, strict=True):
        drawn, ratio = _draw(model, key)
        found = estimate_evidence(drawn, data, sampling.num_samples, seed=int(z_seed))
        # Sums of all examples have more digits than float32 has.
        evidence, elbo = (np.asarray(each, np.float64).sum() for each in (found.log_evidence, found.elbo))
        effective, not_finite = median(found.effective_sample_size), int(np.asarray(found.not_finite).sum())
        rows.append((float(ratio + evidence), float(ratio + elbo), effective, not_finite))
        on_progress(len(rows))
    log_weights, log_bounds, effective, not_finite = (np.asarray(column) for column in zip(*rows, strict=True))
    return JointWeights(log_weights, log_bounds, effective, int(not_finite.sum()))


@eqx.filter_jit
def _draw(model: AbstractLatentVariableModel, key: PRNGKeyArray) -> tuple[AbstractLatentVariableModel, Array]:
    ratio = model.weights_log_ratio(key)
    assert ratio is not None
    return model.drawn(key), ratio


def check_random_weights(model: AbstractLatentVariableModel) -> None:
    """Raise `ConfigurationError` where the model's weights are numbers."""
    if model.weights_kl is None:
        raise ConfigurationError(
            "the weights of this model's decoder are numbers, so that log p(X) is the sum of log p(x) over the examples, which "
            "importance sampling gives (lowerbound evaluate RUN --method importance). This method is for "
            "model.name=bayesian-decoder."
        )


@dataclasses.dataclass(frozen=True)
class JointEvidence(JsonRecord):
    """log p(X) of all examples together, divided by their number N: nats per example, about x in the user's units.

    Three lower bounds in expectation, each above the one before: the ELBO less the weights' divergence, with one draw of the
    decoder's weights, and with all S of them.

    - `elbo_nats`, `single_draw_nats`: means over the draws of the weights, each with its standard error over them.
    - `log_evidence_nats`: log (1/S) sum_s W_s, divided by N. `monte_carlo_error`: of it, from the noise of the draws; None for
      one draw. It is too small where the effective sample size is a few.
    - `effective_sample_size`: of the S draws. `spread_nats`: the standard deviation of log W over them, of all examples together.
    - `effective_samples_of_z`: of the K draws of a typical example's z, the median.
    - `is_enough`: whether S and K are, for log p(X) itself; `verdict`: that in words.
    """

    log_evidence_nats: float
    monte_carlo_error: float | None
    single_draw_nats: float
    single_draw_standard_error: float
    elbo_nats: float
    elbo_standard_error: float
    num_examples: int
    num_weights: int
    num_samples: int
    effective_sample_size: float
    effective_samples_of_z: float
    spread_nats: float
    not_finite_weights: int
    measure: Measure
    given: Given | None
    is_enough: bool
    verdict: str
    unit: str = "nats per example of log p(X)"


def joint_evidence(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    sampling: JointSampling | None = None,
    *,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda draws: None,
) -> JointEvidence:
    """`joint_weights` as a record. X should be the examples that the model was trained on: q(theta) was fitted to them."""
    sampling = JointSampling() if sampling is None else sampling
    found = joint_weights(model, data, sampling, seed=seed, on_progress=on_progress)
    return joint_record(model, found, len(Example.of(data).counted[0]), sampling)


def joint_record(
    model: AbstractLatentVariableModel, found: JointWeights, num_examples: int, sampling: JointSampling
) -> JointEvidence:
    """The weights of X as a record."""
    logs, count = found.log_weights, len(found.log_weights)
    total = float(np.logaddexp.reduce(logs))
    effective = float(np.exp(2 * total - np.logaddexp.reduce(2 * logs)))
    single, elbo = mean_and_error(logs / num_examples), mean_and_error(found.log_bounds / num_examples)
    spread = float(logs.std(ddof=1)) if count > 1 else math.nan
    is_enough, verdict = judge_joint(sampling, effective, spread, num_examples, found.not_finite)
    error = math.sqrt(max(1 / effective - 1 / count, 0.0)) / num_examples if count > 1 else None
    return JointEvidence(
        (total - math.log(count)) / num_examples,
        error,
        *single,
        *elbo,
        num_examples=num_examples,
        num_weights=count,
        num_samples=sampling.num_samples,
        effective_sample_size=effective,
        effective_samples_of_z=float(np.median(found.effective_sample_size)),
        spread_nats=spread,
        not_finite_weights=found.not_finite,
        measure=model.measure,
        given=model.given,
        is_enough=is_enough,
        verdict=verdict,
    )


def judge_joint(sampling: JointSampling, effective: float, spread: float, num_examples: int, not_finite: int) -> tuple[bool, str]:
    """Whether so many draws are enough for log p(X), and that in words; nothing but a bound where they are not.

    >>> judge_joint(JointSampling(100, 100), 1.2, 310.0, 1965, 0)[1].split(":")[0]
    '100 draws of the weights are not enough'
    """
    count = sampling.num_weights
    lost = f" {not_finite:,} weights of z were not finite: they count as 0, which lowers the bound." if not_finite else ""
    loose = "a lower bound on log p(X) / N in expectation, and looser than it by an unknown number of nats"
    if count == 1:
        return False, f"1 draw of the weights is not enough: the number is {loose}. Take more (--weights 100).{lost}"
    figures = f"effective sample size {effective:,.3g}; log W of all {num_examples:,} examples spreads over {spread:,.3g} nats"
    if effective >= ENOUGH_EFFECTIVE_SAMPLES and not not_finite:
        return True, f"{count:,} draws of the weights are enough: {figures}."
    advice = (
        f"Take more draws of the weights (--weights {4 * count}) or of z (--samples {4 * sampling.num_samples}); for a decoder "
        "of thousands of weights, or for very many examples, no number of draws may be enough."
    )
    return False, f"{count:,} draws of the weights are not enough: {figures}. The number is {loose}. {advice}{lost}"
