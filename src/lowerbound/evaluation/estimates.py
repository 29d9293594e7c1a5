"""One estimated number as a record: value, unit, measure, how it was made, how far it can be trusted, and that in words."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..likelihoods import Given, Measure
from ..models import AbstractLatentVariableModel
from .evidence import EvidenceEstimate
from .running_weights import bound_sizes

# In the regime where the bound's gap falls as 1/K, it is 1 / (2 ESS), and so is what the next doubling adds: the two agree.
ENOUGH_EFFECTIVE_SAMPLES, ENOUGH_RISE_NATS = 10.0, 0.05
NATS = "nats per example"


class JsonRecord:
    """A dataclass whose fields JSON can carry."""

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and text; what is not finite becomes None."""
        return plain_json(dataclasses.asdict(self))  # pyright: ignore[reportArgumentType]


@dataclasses.dataclass(frozen=True)
class Estimate(JsonRecord):
    """A number about a set of examples, and how far it can be trusted.

    - `name`: carries sign and unit: "log_evidence_nats". `unit`: in words. `value`: the mean over examples.
    - `measure`: "counting" (a log-probability) or "lebesgue" (a log-density in the user's units); "mixed" (a density of
      some values, a probability of the others). `given`: what p(x) is given of
      x itself, or is about besides: None, "total", "total as size" or "mask too" (`lowerbound.likelihoods.Given`).
    - `method`: how it was made: "importance sampling from the posterior". `num_samples`: K, draws for each example.
    - `standard_error`: of the mean over examples, as a sample of all examples there could be.
    - `monte_carlo_error`: of the mean over these very examples, from the noise of the draws; None where it is not known.
    - `effective_sample_size`, `smallest_effective_sample_size`: the median and the minimum over examples, of K; None where the
      method has no weights.
    - `not_finite_weights`: how many of the weights of all examples were not finite; they count as 0, which lowers the bound.
    - `is_enough`: whether K is; `verdict`: that in words, with the figures behind it.
    """

    name: str
    value: float
    unit: str
    measure: Measure
    given: Given | None
    method: str
    num_examples: int
    num_samples: int
    standard_error: float
    monte_carlo_error: float | None
    effective_sample_size: float | None
    smallest_effective_sample_size: float | None
    not_finite_weights: int
    is_enough: bool
    verdict: str


@dataclasses.dataclass(frozen=True)
class BoundCurve(JsonRecord):
    """The bound E[log (1/K) sum_k w_k] against K, all from the same weights: the mean over examples at each K.

    - `num_samples`: 1, 2, 4, ... and last K itself. `nats`, `standard_errors` (over examples): one for each.
    - `rises`: what a doubling of the samples adds on the way to each, in nats, NaN for the first; `rise_errors`: the standard
      errors of the rises over the same examples, which are far below those of the bounds.
    """

    num_samples: tuple[int, ...]
    nats: tuple[float, ...]
    standard_errors: tuple[float, ...]
    rises: tuple[float, ...]
    rise_errors: tuple[float, ...]

    @classmethod
    def of(cls, estimate: EvidenceEstimate, num_samples: int, weight: np.ndarray | None = None) -> BoundCurve:
        """From the evidence of each example with K = `num_samples`."""
        sizes = bound_sizes(num_samples)
        columns = [np.asarray(column, np.float64) for column in np.asarray(estimate.bounds).T]
        halves = [np.full(len(columns[0]), math.nan), *columns[:-1]]
        last, half = (np.asarray(column, np.float64) for column in (estimate.log_evidence, estimate.half_bound))
        if sizes[-1] != num_samples:
            sizes, columns, halves = (*sizes, num_samples), [*columns, last], [*halves, half]
        elif num_samples > 1:
            halves[-1] = half
        with np.errstate(invalid="ignore"):
            rises = [mean_and_error(column - half, weight) for column, half in zip(columns, halves, strict=True)]
        means, errors = zip(*(mean_and_error(column, weight) for column in columns), strict=True)
        return cls(sizes, means, errors, *(tuple(values) for values in zip(*rises, strict=True)))


def importance_estimate(
    estimate: EvidenceEstimate,
    curve: BoundCurve,
    model: AbstractLatentVariableModel,
    proposal: str,
    weight: np.ndarray | None = None,
) -> Estimate:
    """The mean log-evidence of importance sampling as a record; `proposal` describes where the draws come from."""
    num_samples, effective = curve.num_samples[-1], np.asarray(estimate.effective_sample_size, np.float64)
    not_finite = int(np.asarray(estimate.not_finite).sum())
    middle = median(effective, weight)
    verdict = judge(num_samples, middle, curve.rises[-1], curve.rise_errors[-1], not_finite, len(effective))
    method = f"importance sampling from {proposal}"
    if model.weights_kl is not None:
        method = f"log predictive density: {method} and the weights from q(weights)"
    return evidence_record(estimate.log_evidence, effective, num_samples, not_finite, weight, model, method, verdict)


def evidence_record(
    log_evidence: Any,
    effective_sample_size: np.ndarray,
    num_samples: int,
    not_finite: int,
    weight: np.ndarray | None,
    model: AbstractLatentVariableModel,
    method: str,
    judged: tuple[bool, str],
) -> Estimate:
    """The mean log-evidence of examples, of which each has an effective sample size, as a record.

    - `not_finite`: how many weights of all examples. `judged`: `is_enough` and `verdict`.
    """
    value, error = mean_and_error(log_evidence, weight)
    return Estimate(
        name="log_evidence_nats",
        value=value,
        unit=NATS,
        measure=model.measure,
        given=model.given,
        method=method,
        num_examples=len(effective_sample_size),
        num_samples=num_samples,
        standard_error=error,
        monte_carlo_error=monte_carlo_error(effective_sample_size, num_samples, weight, is_shared=model.weights_kl is not None),
        effective_sample_size=median(effective_sample_size, weight),
        smallest_effective_sample_size=float(effective_sample_size.min()),
        not_finite_weights=not_finite,
        is_enough=judged[0],
        verdict=judged[1],
    )


def name_of_density(given: Given | None) -> str:
    """What a bound is on, as a formula: "log p(x)"."""
    return {None: "log p(x)", "mask too": "log p(x, mask)"}.get(given, "log p(x | total)")


def name_of_elbo(given: Given | None, weights_kl: float | None = None) -> str:
    """What an ELBO is, in words; `weights_kl`: the share of random weights in it, where there is one.

    >>> name_of_elbo(None)
    'a lower bound on log p(x)'
    >>> name_of_elbo(None, 0.25)
    "less the weights' KL / N, 0.25 nats: for all N training examples X a lower bound on log p(X) / N"
    """
    if weights_kl is None:
        return f"a lower bound on {name_of_density(given)}"
    total = {None: "", "mask too": ", masks"}.get(given, " | totals")
    return f"less the weights' KL / N, {weights_kl:.3g} nats: for all N training examples X a lower bound on log p(X{total}) / N"


def kind_of_number(measure: str, given: Given | None) -> str:
    """What the numbers of a table are, in words.

    >>> kind_of_number("counting", "total")
    'log-probabilities given the total'
    """
    kind = {
        "counting": "log-probabilities",
        "lebesgue": "log-densities in your units",
        "mixed": "log-densities of numbers in your units and log-probabilities of other values, in sum",
    }[measure]
    return kind + beside(given)


def beside(given: Given | None) -> str:
    """What a number is given, or is about too, in words behind its kind; "" for log p(x) proper."""
    words = {
        "total": " given the total",
        "total as size": " given the total as a size",
        "mask too": ", of what is observed and of which elements are",
    }
    return "" if given is None else words[given]


def monte_carlo_error(
    effective_sample_size: np.ndarray, num_samples: int, weight: np.ndarray | None = None, *, is_shared: bool = False
) -> float | None:
    """The standard error, from the noise of the draws, of the mean over these examples of log (1/K) sum_k w_k.

    By the delta method Var(log mean w) = Var(w) / (K E[w]^2), which is 1/ESS - 1/K with the weights' own moments. It is too small
    where ESS is a few. None for K = 1, which shows no variance.
    """
    if num_samples == 1:
        return None
    effective = np.maximum(np.asarray(effective_sample_size, np.float64), 1.0)
    variance = np.maximum(1 / effective - 1 / num_samples, 0.0)
    share = np.full(len(variance), 1 / len(variance)) if weight is None else weight / weight.sum()
    if is_shared:
        return float(share @ np.sqrt(variance))
    return float(np.sqrt(np.square(share) @ variance))


def judge(
    num_samples: int, effective_sample_size: float, rise: float, rise_error: float, not_finite: int, num_examples: int
) -> tuple[bool, str]:
    """Whether K draws are enough, and that in words.

    They are when a typical example has an effective sample size of 10 or more and doubling K adds less than 0.05 nats.

    >>> judge(1000, 2.1, 0.4, 0.03, 0, 200)[1].split(";")[0]
    'K = 1,000 is not enough: effective sample size 2.1 (median)'
    """
    lost = f" {not_finite:,} of {num_samples * num_examples:,} weights were not finite: they count as 0, which lowers the bound."
    lost = lost if not_finite else ""
    if num_samples == 1:
        return False, f"K = 1 is not enough: one draw is the ELBO, and shows nothing of its own error. Take 1,000 or more.{lost}"
    effective = f"effective sample size {effective_sample_size:,.3g} (median)"
    is_noise = not rise > 2 * rise_error
    # A rise that is hidden in noise may be as large as the noise.
    largest_rise = rise + 2 * rise_error if is_noise and math.isfinite(rise_error) else rise
    is_enough = effective_sample_size >= ENOUGH_EFFECTIVE_SAMPLES and largest_rise <= ENOUGH_RISE_NATS and not not_finite
    rising = f"the bound {'' if is_enough else 'still '}rises {rise:.2g} nats per doubling"
    if is_noise:
        rising = f"the bound no longer rises by more than its noise, {2 * rise_error:.2g} nats per doubling"
    if is_enough:
        return True, f"K = {num_samples:,} is enough: {effective}; {rising}."
    advice = " Take more samples, or a refined proposal." if not not_finite else ""
    return False, f"K = {num_samples:,} is not enough: {effective}; {rising}.{advice}{lost}"


def mean_and_error(values: Any, weight: np.ndarray | None = None) -> tuple[float, float]:
    """The mean and its standard error over examples; NaN for a single one.

    - `weight`: of how many equal examples each takes the place.
    """
    array = np.asarray(values, np.float64)
    if weight is not None:
        count, mean = weight.sum(), np.average(array, weights=weight)
        variance = np.average(np.square(array - mean), weights=weight)
        return float(mean), math.sqrt(variance / (count - 1)) if count > 1 else math.nan
    with np.errstate(invalid="ignore"):
        error = float(array.std(ddof=1) / math.sqrt(len(array))) if len(array) > 1 else math.nan
        return float(array.mean()), error


def median(values: Any, weight: np.ndarray | None = None) -> float:
    """The median; one of weight 2 counts twice.

    >>> median([1.0, 2.0, 5.0], np.array([1.0, 1.0, 2.0]))
    3.5
    """
    array = np.asarray(values, np.float64)
    order = np.argsort(array)
    below = np.cumsum(np.ones(len(array)) if weight is None else weight[order])
    # With as much weight below as above a place between two values, it is the middle of the two.
    middle = np.searchsorted(below, below[-1] / 2, side="left"), np.searchsorted(below, below[-1] / 2, side="right")
    return float(array[order[list(middle)]].mean())


def plain_json(value: Any) -> Any:
    """The same with tuples as lists and None for what is not finite, which JSON cannot carry."""
    if isinstance(value, dict):
        return {name: plain_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
