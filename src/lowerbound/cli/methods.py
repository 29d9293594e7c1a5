"""`evaluate` by another method than importance sampling of each example: what is printed of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..data.examples import Example
from ..evaluation import Sandwich
from ..evaluation.estimates import kind_of_number, name_of_density
from ..evaluation.methods import evaluate_by, steps_of
from ..models import AbstractLatentVariableModel
from .console import counting, print_json, show_numbers, show_text

Row = tuple[str, Any, float | None, str]
_DOING = {"ais": "annealing", "bdmc": "annealing", "joint": "drawing weights"}


def show_method(
    method: str,
    model: AbstractLatentVariableModel,
    data: Example,
    split: str,
    seed: int,
    arguments: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Print what the method says of examples of a run's split, or of examples that the model makes.

    - `arguments`: those that were given, by the names of `lowerbound.config.scoring`.
    """
    with counting(steps_of(method, data, arguments), quiet=as_json, what=_DOING.get(method, "evaluating")) as advance:
        found: Any = evaluate_by(method, model, data, arguments, seed=seed, on_progress=advance)
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


def _of_joint(found: Any) -> list[Row]:
    total = "" if found.given is None else " | totals"
    of_all = f"log p(X{total}) / N of all {found.num_examples:,} examples"
    draws = f"{found.num_weights:,} draws of the weights, {found.num_samples:,} of each z"
    return [
        ("log evidence / N [nats]", found.log_evidence_nats, found.monte_carlo_error, f"{of_all}: {draws}"),
        *_with_errors(
            found,
            ("single_draw", "bound, one draw", "with one draw of the weights in place of all"),
            ("elbo", "bound, ELBO", "with one draw of each z besides"),
        ),
        ("spread [nats]", found.spread_nats, None, "of log W over the draws of the weights, for all examples together"),
    ]


def _with_errors(found: Any, *numbers: tuple[str, str, str]) -> list[Row]:
    """A row for each number that has a standard error: its name in the record, and in words, and what it is."""
    return [
        (f"{label} [nats]", getattr(found, f"{name}_nats"), getattr(found, f"{name}_standard_error"), what)
        for name, label, what in numbers
    ]


_ROWS = {"ais": _of_estimate, "bdmc": _of_sandwich, "gap": _of_gap, "posterior-density": _of_estimate, "joint": _of_joint}
