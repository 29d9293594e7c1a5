"""What the encoder costs: how far the ELBO is from log p(x), and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ..config.catalogue import first_with
from ..data.examples import Example
from ..likelihoods import Given, Measure
from ..models import AbstractLatentVariableModel
from .annealing import check_weights
from .estimates import BoundCurve, JsonRecord, importance_estimate, mean_and_error
from .evidence import estimate_evidence
from .proposals import Refined


@dataclasses.dataclass(frozen=True)
class InferenceGap(JsonRecord):
    r"""log p(x) - L[q] = (log p(x) - L[q*]) + (L[q*] - L[q]), means over examples in nats, each with its standard error.

    (Cremer et al. 2018, arXiv 1801.03558, section 3.)

    - `log_evidence_nats`: log p(x), by importance sampling from q*: a lower bound in expectation, so the approximation gap is
      rather too small.
    - `optimised_elbo_nats`: L[q*], of the best member of the posterior's family for each example by itself.
    - `amortised_elbo_nats`: L[q], of the one that the encoder gives.
    - `approximation_gap_nats`: what the family cannot do. `amortisation_gap_nats`: what the encoder loses by answering for all.
    - `is_enough`: whether the samples are enough for log p(x), and the steps for q*. `verdict`: that, and what to do about the
      larger gap, in words.
    """

    log_evidence_nats: float
    log_evidence_standard_error: float
    optimised_elbo_nats: float
    optimised_elbo_standard_error: float
    amortised_elbo_nats: float
    amortised_elbo_standard_error: float
    approximation_gap_nats: float
    approximation_gap_standard_error: float
    amortisation_gap_nats: float
    amortisation_gap_standard_error: float
    num_examples: int
    num_samples: int
    num_steps: int
    measure: Measure
    given: Given | None
    is_enough: bool
    verdict: str
    unit: str = "nats per example"


def inference_gap(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    *,
    num_samples: int = 1000,
    refined: Refined | None = None,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> InferenceGap:
    """Both gaps of each example, from one optimisation of its posterior's own parameters and `num_samples` draws from it.

    Means and errors are by weight where the examples have one.

    Raises `ConfigurationError` as `estimate_evidence` does.
    """
    check_weights(model, "both gaps are about the posterior of")
    refined = Refined(num_steps=300) if refined is None else refined
    data, weight = Example.of(data).counted
    estimate = estimate_evidence(model, data, num_samples, seed=seed, proposal=refined, on_progress=on_progress)
    evidence, amortised = (np.asarray(each, np.float64) for each in (estimate.log_evidence, estimate.elbo))
    optimised = np.asarray(estimate.bounds, np.float64)[:, 0]
    columns = (evidence, optimised, amortised, evidence - optimised, optimised - amortised)
    numbers = [mean_and_error(column, weight) for column in columns]
    record = importance_estimate(estimate, BoundCurve.of(estimate, num_samples, weight), model, refined.description, weight)
    is_optimised, words = judge_gaps(numbers[3], numbers[4], refined.num_steps)
    return InferenceGap(
        *(number for pair in numbers for number in pair),
        num_examples=len(evidence),
        num_samples=num_samples,
        num_steps=refined.num_steps,
        measure=model.measure,
        given=model.given,
        is_enough=record.is_enough and is_optimised,
        verdict=f"{words} {record.verdict}",
    )


def judge_gaps(approximation: tuple[float, float], amortisation: tuple[float, float], num_steps: int) -> tuple[bool, str]:
    """Whether the optimisation found what it looked for, and which gap is the larger, in words; each is (nats, standard error).

    >>> judge_gaps((0.2, 0.01), (1.3, 0.1), 300)[1].split(":")[0]
    'The encoder costs more than the family of posteriors'
    """
    (of_family, family_error), (of_encoder, encoder_error) = approximation, amortisation
    if of_encoder < -2 * encoder_error:
        return False, (
            f"{num_steps:,} steps made the encoder's posterior worse, by {-of_encoder:.2g} nats: neither gap is known. Optimise "
            "with more steps or at a lower rate."
        )
    figures = (
        f"{of_encoder:.2g} ± {encoder_error:.1g} nats of amortisation, {of_family:.2g} ± {family_error:.1g} of approximation."
    )
    if abs(of_encoder - of_family) <= 2 * np.hypot(encoder_error, family_error):
        return True, f"The encoder and the family of posteriors cost about the same: {figures}"
    if of_encoder > of_family:
        advice = "A larger encoder, longer training or the recipe semi-amortised-2018 lowers it."
        return True, f"The encoder costs more than the family of posteriors: {figures} {advice}"
    richer = f"A richer family, for example posterior.name={first_with('posterior', is_flow=True)}, lowers it."
    return True, f"The family of posteriors costs more than the encoder: {figures} {richer}"
