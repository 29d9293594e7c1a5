"""The likelihood for data whose law nobody has stated: from their kind, their measure, and the shape of their margins."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..config.catalogue import class_of, entries_of
from ..data.columns.column import Column, ColumnKind
from ..data.spec import DataSpec
from ..errors import ConfigurationError, unknown_name_message

# Columns of whole numbers are counts where they begin at 0 or 1, scatter as counts do or more, and lean to the left, much or at
# least half as much as counts of that mean and scatter do, if that can be told from none; whole numbers of other laws (marks from
# 0 to 100, grey levels) do not.
_LEAST_DISPERSION, _LEAST_SKEWNESS = 0.8, 0.7
_SHARE_OF_SKEWNESS, _ERRORS_FROM_NONE = 0.5, 3.0
_OVERDISPERSED = 1.2
# A table of so many columns of counts is one of cells or documents: their totals say how much was measured, not what.
_FEWEST_FOR_TOTALS, _FEWEST_WORDS = 20, 1000
# Excess kurtosis of a Laplace law is 3: beyond, a Gaussian's spread is set by a few values. One column far beyond makes the whole
# bound that of a few rows.
_HEAVY_TAILS, _EXTREME_TAILS = 3.0, 30.0
_STRONG_SKEWNESS = 2.0
# Columns of shares whose mean is so many deviations from 0 or 1 feel that end.
_NEAR_AN_END = 2.5
_MOST_EXAMPLES = 20_000
# Pixels of a picture that are drawn one after the other in a second or two.
_MOST_DRAWN_IN_TURN = 128 * 128
# What z leaves of a photograph is smooth; of digits on a ground, whose pixels are mostly the lowest or the highest level, it is
# edges, which a linear filter does not know.
_MOST_AT_ENDS = 0.25
_NO_GRAINS = "pixels know those before them, so that samples have no grains"
# The law of a column of a table by its kind.
_LAW_OF_KIND: dict[ColumnKind, str] = {
    "real": "gaussian-mixture",
    "positive": "log-normal-mixture",
    "zero-inflated": "zero-inflated-log-normal",
    "count": "negative-binomial",
    "binary": "categories",
    "categorical": "categories",
    "ordinal": "categories",
    "date-time": "gaussian-mixture",
}

# That of a column some of whose values recur.
_LAW_WITH_ATOMS: dict[ColumnKind, str] = {
    "real": "inflated-gaussian-mixture",
    "positive": "inflated-log-normal-mixture",
    "date-time": "inflated-gaussian-mixture",
}
_NUMBERS: tuple[ColumnKind, ...] = ("real", "positive", "zero-inflated", "date-time")
# Bumps of what lies between the values that recur.
_BUMPS_BESIDE_ATOMS = 3
# Where a value is missing because of what it is, only the law of its column says how far from the others it lies. With a scale
# from z, or several bumps, it may lie anywhere: the further away, the better that explains why it is missing.
_ONE_SCALE = {"scale": "shared"}
_OF_REAL_NUMBERS = (
    "gaussian",
    "inflated-gaussian-mixture",
    "inflated-log-normal-mixture",
    "zero-inflated-log-normal",
    "student-t",
    "log-normal",
    "beta",
)
_WHY_ONE_SCALE = "with one scale for all rows, values that are missing because of what they are cannot lie far from the others"


def with_laws(spec: DataSpec, *, is_at_random: bool = True) -> DataSpec:
    """The description of a table in which each column has the name of a likelihood: its own, or that of its kind.

    - `is_at_random`: whether the model takes values to be missing at random; else numbers that may be missing are Gaussian.

    Raises `ConfigurationError` for a name that does not exist, or that is not for such a column.
    """
    if not spec.columns:
        return spec
    for column in spec.columns:
        check_law(column)
    may_miss = [False] * len(spec.columns) if is_at_random or not spec.holes else [share > 0 for share in spec.holes]
    recurs = [bool(values) for values in spec.atoms] or [False] * len(spec.columns)
    each = zip(spec.columns, may_miss, recurs, strict=True)
    columns = tuple(_with_law(column, tells_mask=tells, has_atoms=atoms) for column, tells, atoms in each)
    return dataclasses.replace(spec, columns=columns)


def _with_law(column: Column, *, tells_mask: bool, has_atoms: bool) -> Column:
    of_kind = (_LAW_OF_KIND | _LAW_WITH_ATOMS if has_atoms else _LAW_OF_KIND)[column.kind]
    of_kind = "gaussian" if tells_mask and column.kind in _NUMBERS else of_kind
    name = column.likelihood or of_kind
    return dataclasses.replace(column, likelihood=name, is_standardised=class_of("likelihood", name).scaling == "any")


def check_law(column: Column, source: str = "") -> None:
    """Raise `ConfigurationError` where the likelihood that is stated of a column does not exist, or is not for its kind.

    - `source`: the file that states it.
    """
    if not column.likelihood:
        return
    what = f"{f'{source}: ' if source else ''}the likelihood of the column {column.name!r}"
    is_coded = _LAW_OF_KIND.get(column.kind) == "categories"
    known = [name for name in entries_of("likelihood") if name != "mixed"]
    if column.likelihood not in (*known, "mixed", "auto"):
        raise ConfigurationError(unknown_name_message(what, column.likelihood, known))
    if (column.likelihood == "categories") != is_coded or column.likelihood in ("mixed", "auto"):
        raise ConfigurationError(
            f"{what} is {column.likelihood!r}, but the column is {column.kind}; expected "
            f"{'categories' if is_coded else 'a likelihood of numbers, such as gaussian-mixture, student-t or log-normal'}."
        )


@dataclasses.dataclass(frozen=True)
class Law:
    """The likelihood's keys, and why it is chosen."""

    likelihood: Mapping[str, Any]
    reason: str


def law_of(spec: DataSpec, examples: np.ndarray, *, may_join: bool = True, is_at_random: bool = True) -> Law:
    """The likelihood that fits what the training examples, (n, *event_shape), are.

    - `is_at_random`: whether the model takes values to be missing at random. Else real numbers are Gaussian with one scale.
    """
    law = _law_of(spec, examples, may_join=may_join)
    if is_at_random:
        return law
    if law.likelihood["name"] == "mixed":
        return Law({**law.likelihood, **_ONE_SCALE}, f"{law.reason}; {_WHY_ONE_SCALE}")
    if law.likelihood["name"] in _OF_REAL_NUMBERS:
        return Law({"name": "gaussian", **_ONE_SCALE}, _WHY_ONE_SCALE)
    return law


def _law_of(spec: DataSpec, examples: np.ndarray, *, may_join: bool) -> Law:
    """By kind, measure and margins.

    - Tables with columns of several kinds: each column a law of its own (`with_laws`).
    - Zeros and ones: Bernoulli. Levels of known limits (8-bit pixels): a mixture of three discretised logistics, the channels
      of a colour joined. In pictures without holes, of zeros and ones or like photographs, each pixel also knows those before
      it, where it `may_join` them.
    - Counts: multinomial given each example's total for a thousand columns or more; else negative binomial where they scatter
      more than Poisson counts, given the total where there are many columns.
    - Rows of numbers from 0 to 1 that lie near these ends: Beta.
    - Rows some of whose numbers recur: probabilities for these, and a mixture for those between.
    - Other numbers: log-normal where all are positive and strongly skewed, Student's t where tails are heavy, else Gaussian.
    """
    if spec.columns:
        return Law({"name": "mixed"}, "each column of the table has a law of its own")
    may_join = may_join and _has_neighbours(spec)
    if spec.kind == "binary" and may_join:
        return Law({"name": "neighbour-bernoulli"}, f"every value is 0 or 1; {_NO_GRAINS}")
    if spec.kind == "binary":
        return Law({"name": "bernoulli"}, "every value is 0 or 1")
    if spec.kind == "integer":
        return _levels(spec, examples, may_join=may_join)
    flat = examples.reshape(len(examples), -1)[:_MOST_EXAMPLES].astype(np.float64)
    std = flat.std(axis=0)
    varying = std > 0
    if not varying.any():
        return Law({"name": "gaussian"}, "the columns are real numbers")
    flat, std = flat[:, varying], std[varying]
    centred = (flat - flat.mean(axis=0)) / std
    skewness = float(np.median((centred**3).mean(axis=0)))
    kurtoses = (centred**4).mean(axis=0) - 3
    kurtosis, largest = float(np.median(kurtoses)), float(kurtoses.max())
    if not spec.is_image and spec.is_whole and flat.min() >= 0:
        dispersion = float(np.median(std**2 / flat.mean(axis=0)))
        if dispersion > _LEAST_DISPERSION and skewness > min(_LEAST_SKEWNESS, _least_skewness(flat.mean(axis=0), std, len(flat))):
            return _counts(flat.shape[1], dispersion)
    if spec.is_image:
        return Law({"name": "gaussian"}, "pixels are real numbers")
    if _feels_ends(spec, flat.mean(axis=0), std, varying):
        return Law({"name": "beta"}, "all numbers are shares from 0 to 1, and most columns lie near one of these ends")
    if flat.min() >= 0 and skewness > _STRONG_SKEWNESS and any(spec.atoms):
        # Scaled to a deviation of 1, small numbers of a law that spans orders of magnitude would be zeros.
        name = "inflated-log-normal-mixture" if all(low > 0 for low in spec.element_low) else "zero-inflated-log-normal"
        return _with_atoms(spec, name, f"most columns are strongly skewed (median {skewness:.1f}), and none is below 0; ")
    if flat.min() > 0 and skewness > _STRONG_SKEWNESS and all(low > 0 for low in spec.element_low):
        return Law({"name": "log-normal"}, f"all numbers are positive and most columns strongly skewed (median {skewness:.1f})")
    if any(spec.atoms):
        return _with_atoms(spec, "inflated-gaussian-mixture")
    if kurtosis > _HEAVY_TAILS:
        return Law({"name": "student-t"}, f"most columns have heavy tails (median excess kurtosis {kurtosis:.1f})")
    if largest > _EXTREME_TAILS:
        return Law({"name": "student-t"}, f"a column has values far out (excess kurtosis {largest:.0f})")
    return Law({"name": "gaussian"}, "the columns are real numbers without heavy tails")


def _with_atoms(spec: DataSpec, name: str, why: str = "") -> Law:
    place, value, share = max(
        ((place, own[0], parts[0]) for place, (own, parts) in enumerate(zip(spec.atoms, spec.atom_shares, strict=True)) if own),
        key=lambda found: found[2],
    )
    count = sum(bool(own) for own in spec.atoms)
    return Law(
        {"name": name, "num_components": _BUMPS_BESIDE_ATOMS},
        f"{why}{count} of {spec.num_elements} columns repeat single values, as {spec.element_name(place)} does {value:g} in "
        f"{share:.0%} of the rows; these have probabilities, and what lies between them a density",
    )


def _least_skewness(mean: np.ndarray, std: np.ndarray, count: int) -> float:
    """A share of the skewness of counts (negative binomial) of that mean and scatter, and more than a symmetric law often has."""
    of_counts = float(np.median((2 * std**2 / mean - 1) / std))
    return max(_SHARE_OF_SKEWNESS * of_counts, _ERRORS_FROM_NONE * math.sqrt(6 / count))


def _feels_ends(spec: DataSpec, mean: np.ndarray, std: np.ndarray, varying: np.ndarray) -> bool:
    """Whether rows are of shares, most columns of which are cut short by an end without reaching it (scaled ones do)."""
    if not spec.is_of_shares:
        return False
    low, high = np.asarray(spec.element_low)[varying], np.asarray(spec.element_high)[varying]
    near = (np.minimum(mean, 1 - mean) < _NEAR_AN_END * std) & (low > 0) & (high < 1)
    return float(near.mean()) > 0.5


def _levels(spec: DataSpec, examples: np.ndarray, *, may_join: bool) -> Law:
    joined = (
        ", the colours of a pixel joined" if spec.is_image and spec.event_shape[-1] == 3 and len(spec.event_shape) == 3 else ""
    )
    reason = f"{spec.num_levels} levels have probabilities and no density; three bumps draw edges that one blurs{joined}"
    some = examples[:_MOST_EXAMPLES]
    if may_join and float(((some == spec.low) | (some == spec.high)).mean()) < _MOST_AT_ENDS:
        return Law({"name": "neighbour-logistics", "num_components": 3}, f"{reason}; when training has ended, {_NO_GRAINS}")
    return Law({"name": "discretized-logistic-mixture", "num_components": 3}, reason)


def _has_neighbours(spec: DataSpec) -> bool:
    """Whether pixels may know each other: a hidden one could not be left out of such a law, and they are drawn in turn."""
    return spec.is_image and not spec.holes and math.prod(spec.event_shape[:2]) <= _MOST_DRAWN_IN_TURN


def _counts(columns: int, dispersion: float) -> Law:
    scatter = f"the columns are counts whose variance is {dispersion:.1f} times their mean"
    if columns >= _FEWEST_WORDS:
        return Law({"name": "multinomial"}, f"{scatter}, and so many that each example's total says its length")
    total = columns >= _FEWEST_FOR_TOTALS
    name = "negative-binomial" if dispersion > _OVERDISPERSED else "poisson"
    given = ", given each example's total, as a cell's library size" if total else ""
    return Law({"name": name, "library_size": total}, f"{scatter}{given}")
