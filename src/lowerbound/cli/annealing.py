"""`evaluate --method ais`, `bdmc`, `gap` and `posterior-density`: the evidence by other ways, and what the encoder costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.examples import Example
from ..evaluation import (
    Annealing,
    PosteriorDensity,
    Sandwich,
    anneal,
    annealed_estimate,
    harmonic_evidence,
    harmonic_record,
    inference_gap,
    sandwich,
)
from ..evaluation.estimates import kind_of_number, name_of_density
from ..models import AbstractLatentVariableModel
from .console import counting, print_json, show_numbers, show_text

Row = tuple[str, Any, float | None, str]


def evaluate_by(
    method: str,
    model: AbstractLatentVariableModel,
    data: Example,
    split: str,
    seed: int,
    number: int,
    samples: Mapping[str, Any],
    options: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Print what the method says of `number` random examples of a run's split, or of as many that the model makes.

    - `samples`: those arguments of `inference_gap` or `PosteriorDensity` that were given. `options`: those of `Annealing`.
    """
    # Seeded, and the same for every method, so that their numbers are about the same examples.
    chosen = data[np.sort(np.random.default_rng(seed).permutation(len(data))[:number])]
    annealing, both = Annealing(**options), 2 if method == "bdmc" else 1
    what = "annealing" if method in ("ais", "bdmc") else "evaluating"
    with counting(both * len(chosen), quiet=as_json, what=what) as advance:
        if method == "gap":
            found: Any = inference_gap(model, chosen, seed=seed, on_progress=advance, **samples)
        elif method == "posterior-density":
            settings = PosteriorDensity(**samples)
            found = harmonic_record(harmonic_evidence(model, chosen, settings, seed=seed, on_progress=advance), settings, model)
        elif method == "ais":
            weights = anneal(model, chosen, annealing, seed=seed, on_progress=advance)
            found = annealed_estimate(weights, annealing, model)
        else:
            condition = None if chosen.condition is None else np.asarray(chosen.condition)
            found = sandwich(model, len(chosen), annealing, condition=condition, seed=seed, on_progress=advance)
    is_about_data = not isinstance(found, Sandwich)
    if as_json:
        return print_json({**({"split": split} if is_about_data else {}), **found.to_json()})
    examples = f"{found.num_examples:,} examples"
    where = f"{split} split, {examples}" if is_about_data else f"{examples} that the model made"
    show_numbers(f"{where}, {kind_of_number(found.measure, found.given)}", _ROWS[method](found))
    show_text(found.verdict)


def _of_estimate(found: Any) -> list[Row]:
    return [
        ("log evidence [nats]", found.value, found.standard_error, found.method),
        ("Monte Carlo error [nats]", found.monte_carlo_error, None, "from the noise of the chains alone"),
    ]


def _of_sandwich(found: Any) -> list[Row]:
    return _with_errors(
        found,
        ("lower", "lower bound", f"annealing from the {found.start}"),
        ("upper", "upper bound", "annealing back from the examples' own z"),
        ("gap", "gap", f"{name_of_density(found.given)} lies between, in expectation"),
    )


def _of_gap(found: Any) -> list[Row]:
    return _with_errors(
        found,
        ("log_evidence", "log evidence", f"{found.num_samples:,} samples from that q"),
        ("optimised_elbo", "ELBO, optimised q", f"the best q for each example by itself, {found.num_steps} steps"),
        ("amortised_elbo", "ELBO, the encoder's q", "what was trained"),
        ("approximation_gap", "approximation gap", "what the family of q cannot do"),
        ("amortisation_gap", "amortisation gap", "what the encoder loses by answering for all examples"),
    )


def _with_errors(found: Any, *numbers: tuple[str, str, str]) -> list[Row]:
    """A row for each number that has a standard error: its name in the record, and in words, and what it is."""
    return [
        (f"{label} [nats]", getattr(found, f"{name}_nats"), getattr(found, f"{name}_standard_error"), what)
        for name, label, what in numbers
    ]


_ROWS = {"ais": _of_estimate, "bdmc": _of_sandwich, "gap": _of_gap, "posterior-density": _of_estimate}
