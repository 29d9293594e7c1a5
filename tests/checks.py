"""Instruments shared by the tests: a counter of compilations, densities on a grid, and tests of samplers."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array, PRNGKeyArray

from lowerbound.likelihoods import AbstractLikelihood

_COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def count_compilations() -> Iterator[collections.Counter[str]]:
    """Counts, by function name, what XLA really compiles inside the `with`."""
    counter: collections.Counter[str] = collections.Counter()

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == _COMPILE_EVENT:
            counter[str(kwargs["fun_name"]).removeprefix("jit(").removesuffix(")")] += 1

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield counter
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


# For a density with kinks, such as a spline's: at each the rectangle rule errs by about the square of a cell.
TOLERANCE_OF_KINKS = 2e-4


@eqx.filter_jit
def _at_each(function: Callable[[Array], Array], inputs: Array) -> Array:
    """One program for all functions that differ in their arrays alone."""
    return jax.vmap(function)(inputs)


@dataclasses.dataclass(frozen=True)
class Density:
    """A normalised density of an array `x`, as its tests see it.

    - `axes`: for each element of x a rising grid: all its levels when `discrete`, else nearly all its mass.
    - `tolerance`: of the sum over the grid; float32 log-probabilities of size 10 are exact to about 1e-6.
    - `widths`: what each point of a grid stands for, dy/du of an equally spaced u; None for equally spaced axes.
    """

    log_prob: Callable[[Array], Array]
    sample: Callable[[PRNGKeyArray], Array]
    axes: tuple[np.ndarray, ...]
    discrete: bool
    shape: tuple[int, ...]
    widths: tuple[np.ndarray, ...] | None = None
    tolerance: float = 1e-5

    def masses(self) -> np.ndarray:
        """The mass of each cell of the product grid (the rectangle rule, which for smooth peaks converges like exp(-1/h))."""
        points = np.stack(np.meshgrid(*self.axes, indexing="ij"), axis=-1).astype(np.float32)
        flat = points.reshape(-1, *self.shape)
        values = np.asarray(_at_each(self.log_prob, jnp.asarray(flat)), np.float64)
        masses = np.exp(values).reshape(points.shape[:-1])
        if self.discrete:
            return masses
        widths = self.widths or tuple(np.full_like(axis, axis[1] - axis[0]) for axis in self.axes)
        return masses * functools.reduce(np.multiply.outer, widths)

    def draws(self, key: PRNGKeyArray, num_draws: int) -> np.ndarray:
        """`num_draws` samples, one row each, elements flattened."""
        keys = jax.random.split(key, num_draws)
        return np.asarray(_at_each(self.sample, keys), np.float64).reshape(num_draws, -1)


def chi_squared_p_value(density: Density, masses: np.ndarray, draws: np.ndarray, cells_per_axis: int = 8) -> float:
    """Pearson's test of `draws` against `masses`, in cells of about equal mass: it sees wrong margins and wrong dependence."""
    cells_of_grid, cells_of_draws = [], []
    for number, axis in enumerate(density.axes):
        margin = masses.sum(axis=tuple(other for other in range(masses.ndim) if other != number))
        before = np.cumsum(margin) - margin
        cells = np.floor(before / margin.sum() * cells_per_axis).astype(int).clip(0, cells_per_axis - 1)
        nearest = np.searchsorted((axis[1:] + axis[:-1]) / 2, draws[:, number])
        cells_of_grid.append(cells)
        cells_of_draws.append(cells[nearest])
    expected = np.zeros((cells_per_axis,) * masses.ndim)
    np.add.at(expected, np.ix_(*cells_of_grid), masses * len(draws))
    observed = np.zeros_like(expected)
    np.add.at(observed, tuple(cells_of_draws), 1)
    expected, observed = expected.ravel(), observed.ravel()
    large = expected >= 5
    # The rest of the cells are tested as one, so that a draw where nothing may be drawn is still counted.
    pooled = observed[~large].sum(), max(expected[~large].sum(), 1e-3)
    observed, expected = np.append(observed[large], pooled[0]), np.append(expected[large], pooled[1])
    statistic = np.sum((observed - expected) ** 2 / expected)
    return float(scipy.stats.chi2.sf(statistic, len(observed) - 1))


def kolmogorov_smirnov_p_value(density: Density, masses: np.ndarray, draws: np.ndarray) -> float:
    """The smallest p-value over the elements of x, each tested against its margin's distribution function on the grid."""
    p_values = []
    for number, axis in enumerate(density.axes):
        margin = masses.sum(axis=tuple(other for other in range(masses.ndim) if other != number))
        below = np.cumsum(margin) - margin / 2
        p_values.append(scipy.stats.kstest(draws[:, number], lambda x, axis=axis, below=below: np.interp(x, axis, below)).pvalue)
    return float(min(p_values))


def lattice(low: float, high: float, num_levels: int, dimensions: int) -> tuple[np.ndarray, ...]:
    """The levels of discrete data, once for each element."""
    return tuple(itertools.repeat(np.linspace(low, high, num_levels), dimensions))


def log_prob_of(part: AbstractLikelihood, params: Any, x: Any, total: Any = None) -> float:
    """log p(x) in nats of one event; `total` where the likelihood is given the event's total."""
    total = None if total is None else jnp.float32(total)
    distribution: Any = part.distribution(jnp.asarray(params, jnp.float32), total)
    return float(distribution.log_prob(jnp.asarray(x, jnp.float32)))


def mean_of(part: AbstractLikelihood, params: Any, total: Any = None) -> np.ndarray:
    """E[x]."""
    total = None if total is None else jnp.float32(total)
    return np.asarray(part.distribution(jnp.asarray(params, jnp.float32), total).mean)
