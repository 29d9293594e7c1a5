"""Are two samples from one law? Two statistics, each with the permutation test that makes its error rate exact."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy.spatial.distance import pdist, squareform

from ..errors import DataError

# A p-value of 1/500 is as small as anyone needs here.
NUM_PERMUTATIONS = 499
NUM_NEIGHBOURS = 5


@dataclasses.dataclass(frozen=True)
class TwoSample:
    """- `value`: the statistic. `expected`: its mean were both samples from one law. `p_value`: of the permutation test, the
    share of relabellings whose statistic is at least as large, the observed one counted among them.
    """

    value: float
    expected: float
    p_value: float


def mean_discrepancy(x: np.ndarray, y: np.ndarray, *, num_permutations: int = NUM_PERMUTATIONS, seed: int = 0) -> TwoSample:
    r"""The squared maximum mean discrepancy (Gretton et al. 2012, JMLR 13, eq. 3), unbiased, so that it may be below 0.

        MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)
        k(a, b) = exp(-|a - b|^2 / (2 h^2)),   h the median distance between two points of the pooled sample

    0 where the laws are equal, above 0 otherwise; at most 2. It has no unit.

    - `x`, `y`: (n, J) and (m, J).

    Raises `DataError` for fewer than two points in either, or points of different lengths.
    """
    points, num_x = _pooled(x, y)
    squared = squareform(pdist(points, "sqeuclidean"))
    pairs = squared[np.triu_indices(len(points), 1)]
    bandwidth = float(np.median(np.sqrt(pairs)))
    kernel = np.exp(-squared / (2 * bandwidth**2)) if bandwidth > 0 else np.ones_like(squared)
    np.fill_diagonal(kernel, 0.0)
    members = _relabellings(len(points), num_x, num_permutations, seed)
    # With a 0-1 column c of the members of x: c'Kc is the sum of k within x, and so on; K's diagonal is 0.
    with_members = kernel @ members
    within_x = np.einsum("ic,ic->c", members, with_members)
    from_x = with_members.sum(axis=0)
    between = from_x - within_x
    within_y = kernel.sum() - from_x - between
    num_y = len(points) - num_x
    values = within_x / (num_x * (num_x - 1)) + within_y / (num_y * (num_y - 1)) - 2 * between / (num_x * num_y)
    return TwoSample(float(values[0]), 0.0, _p_value(values))


def neighbour_agreement(x: np.ndarray, y: np.ndarray, *, num_permutations: int = NUM_PERMUTATIONS, seed: int = 0) -> TwoSample:
    """The share of points' nearest neighbours that come from the same sample (Schilling 1986; Henze 1988).

    No classifier is trained.

    About a half for two equally large samples of one law, and 1 where they lie apart. Each of the pooled points counts its
    `NUM_NEIGHBOURS` nearest ones.

    - `x`, `y`: (n, J) and (m, J).

    Raises `DataError` for fewer than two points in either, or points of different lengths.
    """
    points, num_x = _pooled(x, y)
    squared = squareform(pdist(points, "sqeuclidean"))
    np.fill_diagonal(squared, np.inf)
    count = min(NUM_NEIGHBOURS, len(points) - 1)
    nearest = np.argpartition(squared, count - 1, axis=1)[:, :count]
    members = _relabellings(len(points), num_x, num_permutations, seed).astype(bool)
    agreements = np.mean([members[nearest[:, k]] == members for k in range(count)], axis=(0, 1))
    num, num_y = len(points), len(points) - num_x
    expected = (num_x * (num_x - 1) + num_y * (num_y - 1)) / (num * (num - 1))
    return TwoSample(float(agreements[0]), expected, _p_value(agreements))


def _pooled(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, int]:
    x, y = (np.asarray(points, np.float64).reshape(len(points), -1) for points in (x, y))
    if len(x) < 2 or len(y) < 2 or x.shape[1] != y.shape[1]:
        raise DataError(
            f"two samples of shapes {x.shape} and {y.shape} cannot be compared; expected two or more points in each, all with "
            "the same number of coordinates."
        )
    return np.concatenate([x, y]), len(x)


def _relabellings(num_points: int, num_x: int, num_permutations: int, seed: int) -> np.ndarray:
    """A 0-1 column of the members of x for each relabelling; the first is the true one."""
    members = np.zeros((num_points, num_permutations + 1))
    members[:num_x, 0] = 1
    rng = np.random.default_rng(seed)
    for column in range(1, num_permutations + 1):
        members[rng.permutation(num_points)[:num_x], column] = 1
    return members


def _p_value(values: np.ndarray) -> float:
    """Of the first of the values among all of them; rounding does not decide a tie."""
    slack = 1e-12 * max(1.0, math.fabs(float(values[0])))
    return float(np.mean(values >= values[0] - slack))
