"""The methods by which a model is scored, and which of their arguments each reads: for the command line and the estimator.

The estimator's arguments are named here; the command line's options are those without "num_".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from .rules import COUNT, OneOf, Rule

METHODS = ("importance", "ais", "bdmc", "gap", "posterior-density", "joint")
STARTS = ("prior", "posterior")
# Random examples of the methods that take long for each.
NUM_EXAMPLES = 100

# Of each argument: the methods that read it, and what it may be. Any other is read by importance sampling alone.
_ARGUMENTS: dict[str, tuple[tuple[str, ...], Rule]] = {
    "num_samples": (("importance", "gap", "posterior-density", "joint"), COUNT),
    "num_temperatures": (("ais", "bdmc"), COUNT),
    "num_chains": (("ais", "bdmc"), COUNT),
    "start": (("ais", "bdmc"), OneOf(STARTS)),
    "num_examples": (("gap", "ais", "bdmc", "posterior-density"), COUNT),
    "num_weights": (("joint",), COUNT),
}


def option_of(argument: str) -> str:
    """The command line's name of an argument.

    >>> option_of("num_chains")
    '--chains'
    """
    return "--" + argument.removeprefix("num_").replace("_", "-")


def check_method(method: Any, given: Mapping[str, Any], *, as_options: bool = False) -> None:
    """Raise `ConfigurationError` for a method that does not exist, and for arguments that it does not read or that cannot be.

    - `given`: the value of each argument; None where it was not given. `as_options`: call all by the command line's names.

    >>> check_method("gap", {"num_samples": 100, "num_chains": None})
    """
    word = "--method" if as_options else "method"
    OneOf(METHODS).convert(word, method)
    for argument, value in given.items():
        if value is None:
            continue
        name = option_of(argument) if as_options else argument
        readers, rule = _ARGUMENTS.get(argument, (("importance",), None))
        if method not in readers:
            *others, last = readers
            names = f"{', '.join(others)} or {last}" if others else f"{last} alone"
            raise ConfigurationError(f"{name} is read with {word} {names}; got {word} {method}.")
        if rule is not None:
            rule.convert(name, value)


def beside_in_short(given: str | None) -> str:
    """What a number is given, or is about too (`lowerbound.likelihoods.Given`), in a few words behind its name."""
    return {None: "", "mask too": " with the mask"}.get(given, " given the total")
