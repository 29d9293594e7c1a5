"""Which named parts may be combined, and a small set of models in which every allowed pair occurs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Mapping
from typing import Any

from lowerbound.config.catalogue import CATALOGUE, class_of
from lowerbound.config.context import ObjectiveContext
from lowerbound.config.part import PartConfig
from lowerbound.likelihoods.support import Support

Choice = Mapping[str, str]
KINDS = ("objective", "posterior", "prior", "likelihood", "network")
# Those of the columns of a table meet neither pictures nor what is made for them, and have tests of their own.
_OF_TABLES = (Support.COLUMNS, Support.CODES, Support.RECURRING, Support.POSITIVE_RECURRING)
NAMES: dict[str, tuple[str, ...]] = {
    kind: tuple(n for n in CATALOGUE[kind] if kind != "likelihood" or class_of(kind, n).support not in _OF_TABLES)
    for kind in KINDS
}
# Values of the keys of any part, without which it cannot be built, or is too large for a test.
SMALL: dict[str, Any] = {
    "distribution": "Laplace",
    "num_components": 3,
    "num_layers": 1,
    "num_flows": 1,
    "num_directions": 1,
    "num_reflections": 1,
    "num_bins": 3,
    "hidden_width": 4,
    "context_dim": 2,
    "hidden_widths": [4],
    "channels": [2],
    "num_groups": 2,
}


def small_keys(kind: str, name: str) -> dict[str, Any]:
    """Those that the part has."""
    return {key: value for key, value in SMALL.items() if key in CATALOGUE[kind][name].keys}


def sections_of(choice: Choice) -> dict[str, dict[str, Any]]:
    """The configuration of a choice of names."""
    sections = {kind: {"name": name, **small_keys(kind, name)} for kind, name in choice.items()}
    model = {"name": "semi-supervised"} if "classes" in _needs(choice.get("objective", "elbo")) else {}
    return {"model": {"latent_dim": 2, **model}, **sections}


@functools.cache
def _needs(objective: str) -> tuple[str, ...]:
    return class_of("objective", objective).build(PartConfig("objective", objective), ObjectiveContext(5, 50)).needs


@functools.cache
def is_allowed(first: tuple[str, str], second: tuple[str, str]) -> bool:
    """Whether the needs that two parts declare let them meet; each is (kind, name)."""
    names = dict((first, second))
    classes = {kind: class_of(kind, name) for kind, name in names.items()}
    if {"prior", "posterior"} == set(names):
        needs_density = classes["prior"].is_made_of_posterior
        fits = classes["prior"].space in (None, classes["posterior"].space)
        return fits and (classes["posterior"].has_density or not needs_density)
    if {"objective", "posterior"} == set(names):
        needs = _needs(names["objective"])
        posterior = classes["posterior"]
        return not (
            ("density" in needs and not posterior.has_density)
            or ("factorised-posterior" in needs and not posterior.is_factorised)
            or ("deterministic-posterior" in needs and posterior.has_density)
            or ("euclidean-space" in needs and posterior.space != "euclidean")
        )
    if {"objective", "prior"} == set(names):
        needs = _needs(names["objective"])
        if "own-prior" in needs and classes["prior"].is_made_of_posterior:
            return False
        # They meet through a posterior that both can work with.
        return any(all(is_allowed(part, ("posterior", name)) for part in (first, second)) for name in NAMES["posterior"])
    return True


def every_pair() -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """All pairs of parts of different kinds."""
    kinds = itertools.combinations(KINDS, 2)
    return [((one, a), (other, b)) for one, other in kinds for a in NAMES[one] for b in NAMES[other]]


def forbidden_pairs() -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Those that the needs forbid."""
    return [pair for pair in every_pair() if not is_allowed(*pair)]


def covering_choices(of_kinds: Collection[frozenset[str]] = (), beside: Collection[Choice] = ()) -> list[dict[str, str]]:
    """Complete choices of allowed parts in which every allowed pair occurs (greedily, not the fewest possible).

    - `of_kinds`: the pairs of kinds whose pairs of parts must all occur; every part occurs in any case. Empty for all.
    - `beside`: choices that there are already: their pairs need not occur again.
    """
    allowed = {frozenset(pair) for pair in every_pair() if is_allowed(*pair)}
    wanted = [pair for pair in allowed if not of_kinds or frozenset(kind for kind, _ in pair) in of_kinds]
    met = {part for pair in wanted for part in pair}
    # A part of a kind that is in no wanted pair occurs once, with the first part that it may meet.
    for part in [(kind, name) for kind in KINDS for name in NAMES[kind] if (kind, name) not in met]:
        wanted.append(next(pair for pair in sorted(allowed, key=sorted) if part in pair))
    already = {frozenset(pair) for choice in beside for pair in itertools.combinations(choice.items(), 2)}
    uncovered = dict.fromkeys(pair for pair in sorted(wanted, key=sorted) if pair not in already)
    choices: list[dict[str, str]] = []
    while uncovered:
        choice = dict(next(iter(uncovered)))
        for kind in KINDS:
            if kind in choice:
                continue
            fitting = [
                name for name in NAMES[kind] if all(frozenset(((kind, name), other)) in allowed for other in choice.items())
            ]
            # The pairs that are still wanted decide; where none is, the parts take turns.
            choice[kind] = max(
                fitting[len(choices) % len(fitting) :] + fitting[: len(choices) % len(fitting)],
                key=lambda name: sum(frozenset(((kind, name), other)) in uncovered for other in choice.items()),
            )
        for pair in itertools.combinations(choice.items(), 2):
            uncovered.pop(frozenset(pair), None)
        choices.append(choice)
    return choices
