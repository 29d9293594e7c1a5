"""Which data lie in the support of a likelihood, and a message that names the elements and the likelihoods that fit when not."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import constraints

from ..config import catalogue
from ..data.checks import chunks_of_rows
from ..data.spec import DataSpec
from ..errors import DataError
from .base import AbstractLikelihood, Support

_SUPPORTS: dict[Support, str] = {
    "real": "any number",
    "positive": "numbers above 0",
    "interval": "an interval with known limits",
    "open-interval": "an interval with known limits",
    "binary": "{0, 1}",
    "levels": "equally spaced levels, whole numbers from 0 up to a known limit",
    "counts": "the whole numbers from 0 up",
    "own": "that of its distribution",
}
_CONSTRAINTS: tuple[tuple[Any, str], ...] = (
    (constraints.positive, "numbers above 0"),
    (constraints.unit_interval, "[0, 1]"),
    (constraints.boolean, "{0, 1}"),
    (constraints.nonnegative_integer, "the whole numbers from 0 up"),
    (constraints.real, "any number"),
)
_SHOWN = 3


def described(constraint: Any) -> str:
    """One of NumPyro's constraints in words."""
    return next((text for each, text in _CONSTRAINTS if each is constraint), repr(constraint))


def outside(support: Support, spec: DataSpec) -> np.ndarray | None:
    """Which elements (of the flattened example) hold training values outside the support; None when all data are inside.

    What is in a distribution's own support its likelihood finds out when built.
    Where the data as a whole do not fit (a limit is not known, say), every element is outside.
    """
    low, high = (np.asarray(values, np.float64) for values in (spec.element_low, spec.element_high))
    everywhere = np.ones(spec.num_elements, bool)
    if support in ("real", "own"):
        return None
    if support == "positive":
        found = low <= 0
    elif support in ("interval", "open-interval"):
        found = everywhere & (not (spec.limits_known or spec.is_discrete) or spec.high <= spec.low)
    elif support == "binary":
        found = (
            everywhere & (spec.kind != "binary") & (((low != 0) & (low != 1)) | ((high != 0) & (high != 1)) | (not spec.is_whole))
        )
    elif support == "levels":
        found = everywhere & (not spec.is_discrete)
    else:
        found = (low < 0) | (everywhere & (not spec.is_whole))
    return found if found.any() else None


def fits(support: Support, spec: DataSpec) -> bool:
    """Whether all the data lie in the support."""
    return outside(support, spec) is None


def fitting_likelihoods(spec: DataSpec) -> list[str]:
    """The names of the likelihoods in whose support the data lie."""
    names = [name for name in catalogue.names_of("likelihood") if name not in ("auto", "numpyro")]
    return [name for name in names if fits(catalogue.class_of("likelihood", name).support, spec)]


def check_support(name: str, support: Support, spec: DataSpec) -> None:
    """Raise `DataError` when the data are outside, naming where, and the likelihoods that fit."""
    found = outside(support, spec)
    if found is not None:
        raise outside_error(name, _SUPPORTS[support], found, spec)


def outside_error(name: str, expected: str, found: np.ndarray, spec: DataSpec) -> DataError:
    """What to raise for a likelihood with the support `expected`, in words, where `found` says which elements are outside."""
    where = np.flatnonzero(found)
    word, more = spec.element_word, f" and {len(where) - _SHOWN} more" if len(where) > _SHOWN else ""
    if len(where) == spec.num_elements > _SHOWN:
        places = f"every {word} holds"
    else:
        names = ", ".join(spec.element_name(int(i)) for i in where[:_SHOWN])
        places = f"{word} {names} holds" if len(where) == 1 else f"{word}s {names}{more} hold"
    low, high = min(spec.element_low[i] for i in where), max(spec.element_high[i] for i in where)
    kind = "whole numbers" if spec.is_whole else "continuous values"
    limits = "" if spec.limits_known or spec.is_discrete else ", of which no limit is known"
    return DataError(
        f"likelihood.name is {name!r}, whose support is {expected}, but {places} {kind} from {low:g} to "
        f"{high:g}{limits}. Likelihoods that fit these data: {', '.join(fitting_likelihoods(spec))}; or bring the data into the "
        "support first."
    )


def check_values(
    array: np.ndarray,
    likelihood: AbstractLikelihood,
    spec: DataSpec,
    *,
    likelihood_name: str,
    name: str = "X",
    rows: np.ndarray | None = None,
) -> None:
    """Refuse examples that `spec` does not describe and whose values are outside the support of a model's likelihood.

    - `rows`: those to look at, such as rows held out from training; None for all.

    Raises `DataError` that says how many, where the first one is, and which likelihood takes such values.
    """
    if likelihood.support == "real":
        return
    count, first, rows = 0, None, np.arange(len(array)) if rows is None else rows
    step = chunks_of_rows(array).step
    for start in range(0, len(rows), step):
        block = array[rows[start : start + step]]
        wrong = _wrong(block, likelihood, spec)
        if wrong.any():
            count += int(wrong.sum())
            if first is None:
                index = np.unravel_index(int(wrong.argmax()), wrong.shape)
                first = (int(rows[start + int(index[0])]), *(int(i) for i in index[1:]))
    if first is not None:
        raise DataError(
            f"{name} has {count} of {array[0].size * len(rows)} values outside the support of the likelihood "
            f"{likelihood_name!r}: the first is {array[first]:g} at index {first}; expected {_expected(likelihood, spec)}. Bring the data there, or train a model "
            "whose likelihood takes any number: gaussian."
        )


def _own_support(likelihood: AbstractLikelihood) -> Any:
    """The constraint that each element's distribution keeps, whatever its parameters."""
    with jax.numpy_dtype_promotion("standard"):
        distribution: Any = likelihood.distribution(jnp.zeros(likelihood.param_shape, jnp.float32))
    return distribution.base_dist.support


def _wrong(block: np.ndarray, likelihood: AbstractLikelihood, spec: DataSpec) -> np.ndarray:
    support = likelihood.support
    if support == "own":
        with jax.numpy_dtype_promotion("standard"):
            return ~np.asarray(_own_support(likelihood)(jnp.asarray(block, jnp.float32)), bool)
    if support == "positive":
        return block <= 0
    if support == "counts":
        return (block < 0) | (block != np.rint(block))
    outside_limits = (block < spec.low) | (block > spec.high)
    return outside_limits if support in ("interval", "open-interval") else outside_limits | (block != np.rint(block))


def _expected(likelihood: AbstractLikelihood, spec: DataSpec) -> str:
    support = likelihood.support
    if support == "own":
        return described(_own_support(likelihood))
    if support in ("binary", "levels"):
        return "0 or 1" if spec.num_levels == 2 else f"whole numbers from {spec.low:g} to {spec.high:g}"
    if support in ("interval", "open-interval"):
        return f"numbers from {spec.low:g} to {spec.high:g}"
    return "whole numbers from 0 up" if support == "counts" else "numbers above 0"
