"""Standard errors of any figure of rows: what it does when a group of rows is left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NUM_GROUPS = 20


def groups_of(num_rows: int, seed: int = 0) -> np.ndarray:
    """(n,) which of `NUM_GROUPS` groups of about equal size each row is in, at random."""
    return np.random.default_rng(seed).permutation(np.arange(num_rows) % NUM_GROUPS)


def jackknife_error(left_out: np.ndarray) -> np.ndarray:
    r"""The standard error of figures, each (...,), from `left_out` (groups, ...): the figures without one group of rows each.

        sqrt( (G - 1)/G  sum_g (f_(g) - mean_g f_(g))^2 )

    The delete-a-group jackknife (Kott 2001); of 20 groups the error is itself known to about 16 %.
    """
    values = np.asarray(left_out, np.float64)
    return np.sqrt((len(values) - 1) / len(values) * np.square(values - values.mean(axis=0)).sum(axis=0))


def with_error(statistic: Callable[[np.ndarray], float], num_rows: int, seed: int = 0) -> tuple[float, float]:
    """A figure of rows and its standard error. `statistic` takes (n,) booleans, which rows count."""
    group = groups_of(num_rows, seed)
    left_out = [statistic(group != number) for number in range(NUM_GROUPS)]
    return statistic(np.ones(num_rows, bool)), float(jackknife_error(np.asarray(left_out)))
