"""The scores of a model on a split: each a value with its unit, base measure, number of samples and standard error."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jax.sharding import Mesh

from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import DataError
from ..likelihoods import Given, Measure
from ..models import AbstractLatentVariableModel
from .estimates import BoundCurve, Estimate, JsonRecord, importance_estimate, mean_and_error
from .evidence import estimate_evidence
from .latents import active_units, posterior_means
from .proposals import AbstractProposal, as_proposal
from .unfinished import Unfinished


@dataclasses.dataclass(frozen=True)
class Evaluation(JsonRecord):
    """What `evaluate` found; nats per example, about x in the user's units.

    - `elbo_nats`: mean ELBO, a lower bound on mean log p(x); `elbo_standard_error`: its standard error over examples.
    - `log_evidence_nats`: mean importance-sampled log p(x) with `num_samples` draws an example, itself a lower bound in
      expectation; `standard_error`: its standard error over examples.
    - `measure`: "counting" makes these log-probabilities, "lebesgue" log-densities whose value depends on the units, "mixed" sums
      of a log-density of some values and a log-probability of the others.
    - `unit_scale_elbo_nats`, `unit_scale_log_evidence_nats`: the same log-densities for data scaled to [0, 1], as
      published figures give them; None where the data have no known limits or the measure is counting.
    - `given`: what p(x) is given of x itself, where that is something (the total of counts): then these are no log p(x).
    - `bits_per_dim`: -log_evidence / (D log 2) where that is a log-probability of x itself, otherwise None. The likelihoods
      of counting measure are probabilities of the data as they are: nothing was dequantised.
    - `kl_nats`: mean KL(q(z|x) || p(z)). `active_units`: latents with Var_x(E[z|x]) > 0.01, of `latent_dim`.
    - `weights_kl_nats`: KL(q(theta) || p(theta)) / N of a model whose weights are random, None for others. It is in `elbo_nats`,
      which then is a lower bound on log p(X) / N for the training examples X; `log_evidence_nats` is the log predictive density
      log E_q(theta)[p(x|theta)], of which examples that were not trained on are a fair test.
    - `discrete_log_evidence_nats`: where some columns have nothing but probabilities, the log-probability of these alone,
      log p(x_discrete), from `num_samples` draws too; what is left of `log_evidence_nats` is that of the numbers given them: a
      log-density, and of values that recur a log-probability. None for other models.
    - `evidence`: the log-evidence as a record: how it was made, Monte Carlo error, effective sample size, and a verdict.
    - `bounds`: the bound against the number of samples, from the same weights.
    """

    split: str
    num_examples: int
    elbo_nats: float
    elbo_standard_error: float
    log_evidence_nats: float
    standard_error: float
    num_samples: int
    measure: Measure
    given: Given | None
    unit_scale_elbo_nats: float | None
    unit_scale_log_evidence_nats: float | None
    bits_per_dim: float | None
    kl_nats: float
    active_units: int
    latent_dim: int
    weights_kl_nats: float | None
    discrete_log_evidence_nats: float | None
    seed: int
    evidence: Estimate
    bounds: BoundCurve


def evaluate(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    data: Example | np.ndarray,
    *,
    num_samples: int = 1000,
    split: str = "test",
    seed: int = 0,
    proposal: AbstractProposal | str | None = None,
    unfinished: Unfinished | None = None,
    mesh: Mesh | None = None,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> Evaluation:
    """The scores of `model` on `data`, examples in the user's units; means and errors are by weight where they have one.

    - `proposal`: where the importance samples are drawn from; by default the posterior. `Refined()` serves where its effective
      sample size is low.
    - `unfinished`: where what was found is kept, so that the same call after a kill goes on from there.

    - `mesh`: the devices that share the examples; one by default.

    Raises `DataError` when `data` is empty, `ConfigurationError` when `num_samples` is below 1.
    """
    data, weight = Example.of(data).counted
    model.check_observed(data)
    if len(data) == 0:
        raise DataError(
            f"the {split} split is empty, so there is nothing to evaluate. Evaluate another split (--split train), or train "
            f"with data.{split} above 0."
        )
    proposal = as_proposal(proposal)
    estimate = estimate_evidence(
        model, data, num_samples, seed=seed, proposal=proposal, unfinished=unfinished, mesh=mesh, on_progress=on_progress
    )
    curve = BoundCurve.of(estimate, num_samples, weight)
    elbo, elbo_error = mean_and_error(estimate.elbo, weight)
    evidence, evidence_error = mean_and_error(estimate.log_evidence, weight)
    counting = model.measure == "counting"
    has_limits = spec.limits_known or spec.is_discrete
    # u = (x - low) / (high - low) has log|du/dx| = -D log(high - low), which p(u) does not carry.
    to_unit = spec.num_elements * math.log(spec.high - spec.low) if has_limits and not counting and spec.high > spec.low else None
    return Evaluation(
        split=split,
        num_examples=len(data),
        elbo_nats=elbo,
        elbo_standard_error=elbo_error,
        log_evidence_nats=evidence,
        standard_error=evidence_error,
        num_samples=num_samples,
        measure=model.measure,
        given=model.given,
        unit_scale_elbo_nats=None if to_unit is None else elbo + to_unit,
        unit_scale_log_evidence_nats=None if to_unit is None else evidence + to_unit,
        bits_per_dim=-evidence / (spec.num_elements * math.log(2)) if counting and model.given is None else None,
        kl_nats=mean_and_error(estimate.kl, weight)[0],
        active_units=int(active_units(posterior_means(model, data), weight).sum()),
        latent_dim=model.latent_dim,
        weights_kl_nats=None if model.weights_kl is None else float(model.weights_kl),
        discrete_log_evidence_nats=_of_discrete(model, data, weight, num_samples, seed, proposal, mesh),
        seed=seed,
        evidence=importance_estimate(estimate, curve, model, proposal.description, weight),
        bounds=curve,
    )


def _of_discrete(
    model: AbstractLatentVariableModel,
    data: Example,
    weight: np.ndarray | None,
    num_samples: int,
    seed: int,
    proposal: AbstractProposal,
    mesh: Mesh | None,
) -> float | None:
    """The mean log-probability of the columns that have probabilities, the others being left out."""
    discrete = model.discrete_elements
    if model.measure != "mixed" or not discrete.any():
        return None
    alone = data.showing(np.broadcast_to(discrete, data.x.shape))
    found = estimate_evidence(model, alone, num_samples, seed=seed, proposal=proposal, mesh=mesh)
    return mean_and_error(found.log_evidence, weight)[0]
