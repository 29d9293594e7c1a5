"""Which data lie in the support of a likelihood, and a message that names the elements and the likelihoods that fit when not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
from numpyro.distributions import constraints

from ..config import catalogue
from ..data.checks import chunks_of_rows
from ..data.holes import observed_in
from ..data.spec import DataSpec
from ..data.transforms import Affine
from ..errors import DataError
from .lattice import Lattice

if TYPE_CHECKING:
    from .base import AbstractLikelihood

_CONSTRAINTS: tuple[tuple[Any, str], ...] = (
    (constraints.positive, "numbers above 0"),
    (constraints.nonnegative, "0 and numbers above it"),
    (constraints.unit_interval, "[0, 1]"),
    (constraints.boolean, "{0, 1}"),
    (constraints.nonnegative_integer, "the whole numbers from 0 up"),
    (constraints.real, "any number"),
)
_SHOWN = 3
_ROWS_AT_ONCE = 1024


def described(constraint: Any) -> str:
    """One of NumPyro's constraints in words."""
    known = next((text for each, text in _CONSTRAINTS if each is constraint), None)
    if known is not None:
        return known
    limits = _limits(constraint, ())
    if limits is None:
        return repr(constraint)
    levels = _num_levels(constraint, limits)
    return f"{'numbers' if levels is None else f'{levels} levels'} from {limits[0]:g} to {limits[1]:g}"


class Support(Enum):
    """Which values have a probability, in words, and which data have others; `OWN` is known to an instance only."""

    def __init__(self, words: str, wrong: Callable[[DataSpec], Any]) -> None:
        self.words, self._wrong = words, wrong

    REAL = "any number", lambda _: False
    RECURRING = "any number, where some recur", lambda s: not any(s.atoms)
    POSITIVE_RECURRING = "numbers above 0, where some recur", lambda s: (np.asarray(s.element_low) <= 0) | (not any(s.atoms))
    POSITIVE = "numbers above 0", lambda s: np.asarray(s.element_low) <= 0
    # With or without its ends.
    INTERVAL = "an interval with known limits", lambda s: not (s.limits_known or s.is_discrete) or s.high <= s.low
    SHARES = (
        "an interval with known limits, or numbers from 0 to 1",
        lambda s: not (s.limits_known or s.is_discrete or s.is_of_shares) or s.high <= s.low,
    )
    BINARY = (
        "{0, 1}",
        lambda s: s.kind != "binary" and ~(np.isin((s.element_low, s.element_high), (0, 1)).all(0) & s.whole_elements),
    )
    LEVELS = "equally spaced levels, whole numbers from 0 up to a known limit", lambda s: not s.is_discrete
    COUNTS = "the whole numbers from 0 up", lambda s: (np.asarray(s.element_low) < 0) | ~s.whole_elements
    NONNEGATIVE = "0 and numbers above it", lambda s: np.asarray(s.element_low) < 0
    CODES = "codes of categories", lambda s: ~s.coded
    COLUMNS = "the columns of a table, of several kinds", lambda s: not s.columns
    OWN = "that of its distribution", lambda _: False

    def outside(self, spec: DataSpec) -> np.ndarray | None:
        """Which elements (of the flattened example) hold training values outside the support; None when all data are inside.

        What is in a distribution's own support its likelihood finds out when built.
        Where the data as a whole do not fit (a limit is not known, say), every element is outside.
        """
        wrong = np.asarray(self._wrong(spec))
        if self not in (Support.COLUMNS, Support.CODES) and spec.columns:
            # Codes are no quantities.
            wrong = wrong | spec.coded
        return np.broadcast_to(wrong, spec.num_elements) if wrong.any() else None

    def check(self, name: str, spec: DataSpec) -> None:
        """Raise `DataError` when the data are outside that of the likelihood `name`: where, and the likelihoods that fit."""
        found = self.outside(spec)
        if found is not None:
            raise DataError(
                f"likelihood.name is {name!r}, whose support is {self.words}, but {_held_outside(found, spec)}. Likelihoods that "
                f"fit these data: {', '.join(fitting_likelihoods(spec))}; or bring the data into the support first."
            )


def fitting_likelihoods(spec: DataSpec) -> list[str]:
    """The names of the likelihoods in whose support the data lie."""
    names = [name for name in catalogue.names_of("likelihood") if name not in ("auto", "numpyro")]
    return [name for name in names if catalogue.class_of("likelihood", name).support.outside(spec) is None]


def misfit(likelihood: AbstractLikelihood, spec: DataSpec, transform: Affine) -> str | None:
    """What `AbstractLikelihood.misfit` says."""
    sizes = (spec.element_low, spec.low), (spec.element_high, spec.high)
    low, high = (np.broadcast_to(np.asarray(each or whole, np.float64), spec.num_elements) for each, whole in sizes)
    # A lattice that holds two neighbours and both ends holds all the levels between.
    whole = spec.whole_elements
    seen = [low, np.where(whole, np.minimum(low + 1, high), high), high]
    values, inside = likelihood.values, np.ones(spec.event_shape, bool)
    for x in seen:
        inside = inside & np.asarray(values(_seen(x.reshape(spec.event_shape), transform)))
    if likelihood.measure == "counting":
        inside = inside & whole.reshape(spec.event_shape)
    if inside.all():
        return None
    scaled = _seen(np.array([spec.low, spec.high]), transform) if transform.scale.size == 1 else None
    through = "" if scaled is None or scaled.tolist() == [spec.low, spec.high] else ", scaled to {:g} to {:g}".format(*scaled)
    return (
        f"whose support is {described(values)}, but {_held_outside(~inside.reshape(-1), spec)}{through}; "
        f"expected {_fitting(likelihood, spec, scaled)}"
    )


def _fitting(likelihood: AbstractLikelihood, spec: DataSpec, scaled: np.ndarray | None) -> str:
    """What to write in place of a likelihood outside of whose support the data are."""
    cls = type(likelihood)
    name = catalogue.name_of("likelihood", cls)
    by_name = "" if name in (None, "numpyro") else f", or the name {name!r}, which finds them"
    if cls.support is Support.OWN or cls.support.outside(spec) is not None:
        return f"one of the likelihoods that fit these data: {', '.join(fitting_likelihoods(spec))}"
    if not cls.code:
        return f"data.scaling={cls.scaling!r}{by_name.replace('them', 'it')}"
    own = inspect.signature(cls).parameters.values()
    if any(each.kind is each.KEYWORD_ONLY and each.default is each.empty for each in own):
        # What such an argument is, the data do not say.
        return by_name.removeprefix(", or ")
    is_unscaled = scaled is not None and scaled.tolist() == [spec.low, spec.high]
    takes_scaled = scaled is not None and "{low" in cls.code
    low, high = scaled.tolist() if scaled is not None and takes_scaled else (spec.low, spec.high)
    code = cls.code.format(name=cls.__name__, shape=spec.event_shape, low=low, high=high, num_levels=spec.num_levels)
    return code + ("" if takes_scaled or is_unscaled else " with data.scaling='none'") + by_name


def _held_outside(found: np.ndarray, spec: DataSpec) -> str:
    """Where values outside a support are, and what they are: a sentence's second half."""
    where = np.flatnonzero(found)
    word, more = spec.element_word, f" and {len(where) - _SHOWN} more" if len(where) > _SHOWN else ""
    if spec.columns:
        named = ", ".join(f"{spec.element_name(int(i))} ({spec.columns[i].kind})" for i in where[:_SHOWN])
        return f"column {named} is of another kind" if len(where) == 1 else f"columns {named}{more} are of other kinds"
    if len(where) == spec.num_elements > _SHOWN:
        places = f"every {word} holds"
    else:
        names = ", ".join(spec.element_name(int(i)) for i in where[:_SHOWN])
        places = f"{word} {names} holds" if len(where) == 1 else f"{word}s {names}{more} hold"
    low, high = min(spec.element_low[i] for i in where), max(spec.element_high[i] for i in where)
    whole = spec.whole_elements[where]
    kind = "whole numbers" if whole.all() else "numbers" if whole.any() else "continuous values"
    limits = "" if spec.limits_known or spec.is_discrete else ", of which no limit is known"
    return f"{places} {kind} from {low:g} to {high:g}{limits}"


def _seen(x: np.ndarray, transform: Affine) -> np.ndarray:
    """The data as the likelihood sees them."""
    return np.asarray(transform.forward(x))


def check_values(
    array: np.ndarray,
    likelihood: AbstractLikelihood,
    transform: Affine,
    *,
    likelihood_name: str,
    spec: DataSpec | None = None,
    name: str = "X",
    rows: np.ndarray | None = None,
) -> None:
    """Refuse examples to whose values a model's likelihood, which sees them through `transform`, gives no probability.

    - `spec`: of the data, in whose units the examples are; None for the model's own.
    - `rows`: those to look at, such as rows held out from training; None for all.

    Raises `DataError` that says how many, where the first one is, and which likelihood takes such values.
    """
    if likelihood.support in (Support.REAL, Support.RECURRING):
        return
    rows = np.arange(len(array)) if rows is None else rows
    # One row, or a block that the last row fills up: two programs serve any number of rows.
    count, first, step = 0, None, 1 if len(rows) == 1 else min(_ROWS_AT_ONCE, chunks_of_rows(array).step)
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step]
        block = array[np.pad(chosen, (0, step - len(chosen)), mode="edge")]
        seen = _seen(spec.to_model(block) if spec else block, transform)
        wrong = ~np.asarray(_is_possible(likelihood, seen), bool)
        wrong = (wrong & observed_in(block))[: len(chosen)]
        if wrong.any():
            count += int(wrong.sum())
            if first is None:
                index = np.unravel_index(int(wrong.argmax()), wrong.shape)
                first = (int(rows[start + int(index[0])]), *(int(i) for i in index[1:]))
    if first is not None:
        raise DataError(
            f"{name} has {count} of {array[0].size * len(rows)} values outside the support of the likelihood "
            f"{likelihood_name!r}: the first is {array[first]:g} {_place(first, spec)}; expected "
            f"{_expected(likelihood.values, transform, first[1:], spec)}. Bring the data there, or {_remedy(spec)}."
        )


def _place(index: tuple[int, ...], spec: DataSpec | None) -> str:
    """Where a value is, as a person counts: by row and column, or by its index."""
    if len(index) != 2:
        return f"at index {index}"
    return f"in row {index[0]}, column {index[1] if spec is None else spec.element_name(index[1])}"


def _remedy(spec: DataSpec | None) -> str:
    if spec is not None and spec.columns:
        return "say in a schema that the column is real (lowerbound schema DATA --out FILE.toml), and train again"
    return "train a model whose likelihood takes any number: gaussian"


@eqx.filter_jit
def _is_possible(likelihood: AbstractLikelihood, y: Any) -> Any:
    # NumPyro compares numbers of different types.
    with jax.numpy_dtype_promotion("standard"):
        return likelihood.values(y)


def _expected(values: Any, transform: Affine, element: tuple[int, ...], spec: DataSpec | None) -> str:
    """The numbers that an element may have, in the user's units."""
    own, place = values.at(element) if hasattr(values, "at") else (values, element)
    limits = _limits(own, place)
    if limits is None:
        return described(own)
    low, high = sorted(_in_user_units(y, transform, element, spec) for y in limits)
    levels = _num_levels(own, limits)
    if levels == 2:
        return f"{low:g} or {high:g}"
    kind = "numbers" if levels is None else "whole numbers" if levels - 1 == high - low else f"one of {levels} levels"
    return f"{kind} from {low:g} to {high:g}"


def _in_user_units(y: float, transform: Affine, element: tuple[int, ...], spec: DataSpec | None) -> float:
    x = np.asarray(transform.inverse(np.asarray(y, np.float32)))
    x = float(x[element[len(element) - x.ndim :]])
    return x if spec is None else float(spec.to_user(np.full(spec.event_shape, x))[element])


def _limits(values: Any, element: tuple[int, ...]) -> tuple[float, float] | None:
    """The smallest and the largest number of an element, where there are both."""
    if values is constraints.boolean:
        return 0.0, 1.0
    names = ("low", "high") if isinstance(values, Lattice) else ("lower_bound", "upper_bound")
    low, high = (np.asarray(getattr(values, name, np.nan)) for name in names)
    if np.isnan(low).any() or np.isnan(high).any():
        return None
    low, high = (float(each[element] if each.ndim and element else each.max()) for each in (low, high))
    return low, high


def _num_levels(values: Any, limits: tuple[float, float]) -> int | None:
    """How many numbers there are within the limits, where that is a number."""
    if isinstance(values, Lattice):
        return values.num_levels
    return round(limits[1] - limits[0]) + 1 if values.is_discrete else None
