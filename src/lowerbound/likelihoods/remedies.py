"""Which likelihoods to try where one does not fit, by what is wrong with it; the first is the likeliest to help."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from ..config import catalogue
from ..data.spec import DataSpec
from .base import Measure
from .support import Support, fitting_likelihoods

Misfit = Literal["levels", "recurring", "overdispersed", "more-zeros", "positive-skew", "heavy-tails", "other-shape"]

REMEDIES: dict[Misfit, tuple[str, ...]] = {
    "levels": ("bernoulli", "discretized-logistic"),
    "recurring": ("inflated-gaussian-mixture",),
    "overdispersed": ("negative-binomial", "zero-inflated-negative-binomial"),
    "more-zeros": ("zero-inflated-negative-binomial",),
    "positive-skew": (
        "log-normal",
        "student-t",
        "laplace",
        "inflated-log-normal-mixture",
        "inflated-gaussian-mixture",
        "negative-binomial",
        "discretized-logistic-mixture",
        "categorical",
    ),
    "heavy-tails": (
        "student-t",
        "laplace",
        "inflated-gaussian-mixture",
        "negative-binomial",
        "discretized-logistic-mixture",
        "categorical",
    ),
    "other-shape": (
        "student-t",
        "inflated-gaussian-mixture",
        "discretized-logistic-mixture",
        "categorical",
        "negative-binomial",
    ),
}


def data_measure(spec: DataSpec) -> Measure:
    """The measure of log p(x) that such data have: probabilities of whole numbers, else densities, or both where some recur."""
    if spec.is_whole or spec.is_discrete:
        return "counting"
    return "mixed" if any(spec.atoms) else "lebesgue"


def better_likelihoods(misfit: Misfit, spec: DataSpec, tried: Collection[str] = ()) -> list[str]:
    """Those that may help, that the data allow and that were not tried yet.

    Whole numbers have probabilities, so nothing but a likelihood of counting measure is proposed for them: a density would be
    another kind of number, with which no comparison is possible.
    """
    allowed = set(fitting_likelihoods(spec)) - set(tried)
    parts = {name: catalogue.class_of("likelihood", name) for name in REMEDIES[misfit] if name in allowed}
    measure = data_measure(spec)
    # Pixels are levels with two ends, not counts without one.
    return [
        name for name, part in parts.items() if part.measure == measure and not (spec.is_image and part.support is Support.COUNTS)
    ]
