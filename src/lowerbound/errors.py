"""Errors that teach: each names the argument, what was got, what was expected, and what to do.

Every error a user can cause is a `LowerboundError`, so that a face (the command line, the estimator) can catch one class
and print its text without a traceback. Each also keeps the built-in class that a Python programmer would expect.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable


class LowerboundError(Exception):
    """Base of every error that this package raises for a cause outside it."""


class DataError(LowerboundError, ValueError):
    """The data cannot be used as given: wrong values, shape, type, or outside a likelihood's support."""


class ConfigurationError(LowerboundError, ValueError):
    """An option, a recipe's key or a combination of parts is not possible."""


class RunInUseError(ConfigurationError):
    """A run is being trained by another process."""


class MissingDataError(LowerboundError, FileNotFoundError):
    """A data set or file is not there, and could not be fetched."""


class ChecksumError(LowerboundError, OSError):
    """A file's SHA-256 is not the expected one."""


class ModelFolderError(LowerboundError, OSError):
    """A saved model, checkpoint or run folder is missing, torn, foreign, or of a newer format."""


class SavingError(LowerboundError, OSError):
    """A file could not be written (disk full, no permission); what was saved before is untouched."""


class TooLargeError(LowerboundError, MemoryError):
    """What is asked for does not fit into the memory that is free; nothing was allocated."""


class NonFiniteLossError(LowerboundError, ArithmeticError):
    """Training met a NaN or infinite loss; the checkpoints from before it are kept."""


class ForkedProcessError(LowerboundError, RuntimeError):
    """A forked process cannot compute, because the one that it was forked from had used JAX before."""


class VerificationError(LowerboundError, ArithmeticError):
    """A figure whose truth is known came out wrong on this machine."""


class DataWarning(UserWarning):
    """The data can be used, but something about them deserves a look (a constant column, for example)."""


class ConfigurationWarning(UserWarning):
    """The settings are possible, but deserve a look (an objective that is another, simpler one, for example)."""


def warn_of_data(text: str, stacklevel: int = 3) -> None:
    """A `DataWarning` that points at the caller of the function that warns."""
    warnings.warn(text, DataWarning, stacklevel=stacklevel + 1)


def shortened(text: str, most: int = 80) -> str:
    """A text as an error shows it, without its end where it is long."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def closest_name(name: str, choices: Iterable[str]) -> str | None:
    """The one of `choices` that `name` most resembles, or None when nothing is close."""
    # Whatever the letters' case.
    known = {str(choice).lower(): choice for choice in choices}
    matches = difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=0.5)
    return known[matches[0]] if matches else None


def unknown_name_message(argument: str, name: str, choices: Iterable[str]) -> str:
    """The text for a misspelt name: what was got, the nearest right one, and all that would be right."""
    names = sorted(choices)
    nearest = closest_name(name, names)
    hint = f" Did you mean {nearest!r}?" if nearest else ""
    return f"{argument} is {name!r}, which does not exist.{hint} Available: {', '.join(names)}."
