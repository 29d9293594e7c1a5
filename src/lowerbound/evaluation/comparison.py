"""Which of several models explains the same examples better, by how much, and whether that could be chance."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError
from ..likelihoods import Given, Measure
from ..models import AbstractLatentVariableModel
from .estimates import BoundCurve, Estimate, JsonRecord, importance_estimate, mean_and_error
from .evidence import estimate_evidence
from .proposals import AbstractProposal, as_proposal
from .unfinished import Unfinished

# Less than this many standard errors apart, two models are not ranked.
CLEAR_STANDARD_ERRORS = 2.0


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a log-evidence is about: two models are ranked only where all of it agrees.

    - `measure`, `given`: of the model. `masses`: which values of which elements have probabilities, as `masses_of` says it.
      `data`: a name or digest of the data and their units; `split`, `rows`: which of them, in order; `condition`: a digest of the
      conditions, None where there is none.
    """

    measure: Measure
    given: Given | None
    data: str = ""
    split: str = "test"
    rows: tuple[int, ...] = ()
    condition: str | None = None
    masses: str = ""


def masses_of(model: AbstractLatentVariableModel, spec: DataSpec) -> str:
    """A digest of the values of each element that have a probability under the model, not a density; "" where all have, or none.

    Asked are the values that recur in the data, and 0, which may have a mass of its own.
    """
    atoms = spec.atoms or ((),) * spec.num_elements
    found = [
        "all" if is_discrete else {0.0 if value == 0 else value for value in own}
        for is_discrete, own in zip(
            np.broadcast_to(model.discrete_elements, spec.event_shape).ravel(), _masses(model, spec, atoms), strict=True
        )
    ]
    if all(each == "all" for each in found) or not any(found):
        return ""
    words = repr([each if each == "all" else sorted(each) for each in found])
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _masses(model: AbstractLatentVariableModel, spec: DataSpec, atoms: Sequence[Sequence[float]]) -> list[list[float]]:
    """Of each element those of its atoms, and of 0, which are atoms of the model."""
    asked = [[*own, 0.0] for own in atoms]
    found: list[list[float]] = [[] for _ in asked]
    for turn in range(max(map(len, asked))):
        values = np.asarray([own[min(turn, len(own) - 1)] for own in asked], np.float64)
        has = model.has_mass(jnp.asarray(spec.to_model(values.reshape(1, *spec.event_shape))[0], jnp.float32))
        if has is None:
            break
        for element in np.flatnonzero(np.asarray(has).ravel()):
            found[element].append(float(values[element]))
    return found


@dataclasses.dataclass(frozen=True)
class Contender:
    """One model's place; nats per example.

    - `log_evidence_nats`, `standard_error`: the mean over examples. `is_enough`: whether its K samples are, by their verdict.
    - `behind_nats`: the mean over the same examples of the best model's log-evidence less its own, at least 0;
      `behind_standard_error`: of that mean, over examples. `is_clear`: whether it is beyond two of them; False for the best.
    """

    name: str
    log_evidence_nats: float
    standard_error: float
    is_enough: bool
    behind_nats: float
    behind_standard_error: float
    is_clear: bool


@dataclasses.dataclass(frozen=True)
class Comparison(JsonRecord):
    """The models, the best first; `verdict`: in words."""

    contenders: tuple[Contender, ...]
    num_examples: int
    num_samples: int
    measure: Measure
    given: Given | None
    verdict: str
    unit: str = "nats per example"


class Contribution(NamedTuple):
    """log p(x) of each example under one model, and the record of their mean."""

    evidence: np.ndarray
    record: Estimate


def contribution(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    num_samples: int,
    *,
    seed: int = 0,
    proposal: AbstractProposal | str | None = None,
    unfinished: Unfinished | None = None,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> Contribution:
    """What a model brings into a comparison; the arguments are those of `estimate_evidence`."""
    proposal = as_proposal(proposal)
    found = estimate_evidence(
        model, data, num_samples, seed=seed, proposal=proposal, unfinished=unfinished, on_progress=on_progress
    )
    record = importance_estimate(found, BoundCurve.of(found, num_samples), model, proposal.description)
    return Contribution(np.asarray(found.log_evidence, np.float64), record)


def compare(contributions: Mapping[str, Contribution], subjects: Mapping[str, Subject] | None = None) -> Comparison:
    """Rank models by the log-evidence of each of the same examples.

    The differences are taken example by example: examples that are hard are hard for every model, and what they share drops out.

    - `contributions`: of each model, the examples in the same order.
    - `subjects`: what they are about, where more of it is known than the records say.

    Raises `DataError` for fewer than two models, or other numbers of examples, and `ConfigurationError` where the numbers are
    about different things.
    """
    if len(contributions) < 2:
        raise DataError(f"there are {len(contributions)} models to compare; give at least two.")
    columns = {name: np.asarray(each.evidence, np.float64) for name, each in contributions.items()}
    records = {name: each.record for name, each in contributions.items()}
    sizes = {len(values) for values in columns.values()}
    if len(sizes) > 1:
        raise DataError(f"the models were scored on {sorted(sizes)} examples; expected the same examples for each.")
    check_comparable(subjects or {name: Subject(records[name].measure, records[name].given) for name in columns})
    order = sorted(columns, key=lambda name: -columns[name].mean())
    best = columns[order[0]]
    contenders: list[Contender] = []
    for name in order:
        mean, error = mean_and_error(columns[name])
        behind, behind_error = mean_and_error(best - columns[name])
        is_clear = name != order[0] and behind > CLEAR_STANDARD_ERRORS * behind_error
        contenders.append(Contender(name, mean, error, records[name].is_enough, behind, behind_error, is_clear))
    record = records[order[0]]
    return Comparison(tuple(contenders), len(best), record.num_samples, record.measure, record.given, _verdict(contenders))


def check_comparable(subjects: Mapping[str, Subject]) -> None:
    """Raise `ConfigurationError` when the numbers of two models are about different things, which are named."""
    (first, a), *others = subjects.items()
    for other, b in others:
        if why := _difference(a, b):
            raise ConfigurationError(f"{first} and {other} cannot be ranked: {why}")


def _difference(a: Subject, b: Subject) -> str:
    if a.data != b.data:
        return "they are about other data, or the same data in other units. Train both on the same file."
    if a.measure != b.measure:
        kinds = {"counting": "log-probabilities", "lebesgue": "log-densities", "mixed": "sums of both"}
        return (
            f"one gives {kinds[a.measure]}, the other {kinds[b.measure]}, and neither is larger for being better. Train both "
            "with likelihoods of one kind; data with levels have likelihoods of each kind (lowerbound parts likelihood)."
        )
    if a.masses != b.masses:
        return (
            "they give probabilities to different values and densities to the others, and neither sum is larger for being "
            "better: laws of their columns are of different kinds, or other values recur in their training rows. Train both with "
            "the same schema and likelihood, on the same rows (data.split_seed)."
        )
    if a.given != b.given:
        return _difference_of_given(a.given, b.given)
    if sorted(a.rows) != sorted(b.rows):
        return (
            f"their {a.split} examples are not the same ones. Train both with the same data.split_seed, data.validation and "
            "data.test."
        )
    if a.rows != b.rows:
        return f"their {a.split} examples come in another order. Train both with the same data.split_seed."
    if a.condition != b.condition:
        return "one is told a condition that the other is not (or another one), so p(x|c) would stand beside p(x)."
    return ""


def _difference_of_given(a: Given | None, b: Given | None) -> str:
    if "mask too" in (a, b):
        return (
            "one gives log p(x, mask), the probability of the observed elements and of which are observed; the other leaves out "
            "the mask, of which it says nothing. Give both the same mask.name."
        )
    if a is None or b is None:
        return (
            "one gives log p(x | total), being told each example's total, which the other, with log p(x), has to predict. Train "
            "both with likelihood.library_size=false (log p(x)), or give both the total in the same way."
        )
    return (
        "both give log p(x | total), but one is normalised over the examples with that total, and the other over all examples, "
        "taking the total for a size: it pays for the total once more. Train both with the same kind of likelihood, or with "
        "counts of likelihood.library_size=false, which give log p(x)."
    )


def _verdict(contenders: list[Contender]) -> str:
    best, *others = contenders
    tied = [other.name for other in others if not other.is_clear]
    second = others[0]
    gap = f"{second.behind_nats:.3g} ± {second.behind_standard_error:.2g} nats"
    if second.is_clear:
        text = f"{best.name} is better than {second.name} by {gap}."
    else:
        text = f"{best.name} is not told apart from {', '.join(tied)}: {gap} is within two standard errors."
    loose = [contender.name for contender in contenders if not contender.is_enough]
    if loose:
        text += (
            f" The samples are not enough for {', '.join(loose)}, so what is compared are lower bounds: raise --samples, or use "
            "--proposal refined."
        )
    return text
