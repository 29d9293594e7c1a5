"""Disentanglement, completeness and informativeness, from the importances of regression forests."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.stats

NUM_TREES = 50
HELD_OUT = 0.25


@dataclasses.dataclass(frozen=True)
class DCI:
    """- `disentanglement`: 1 where each latent serves one factor, weighted by how much it serves.
    - `completeness`: 1 where each factor is served by one latent. `informativeness`: R^2 of the forests on examples held out.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes: np.ndarray, factors: np.ndarray, *, seed: int = 0) -> DCI:
    r"""DCI (Eastwood and Williams 2018, section 2), with a random forest for each factor.

        D = sum_j rho_j (1 - H_K(P_j.)),   C = mean_k (1 - H_J(P~_.k)),   P_jk = R_jk / sum_k R_jk,   P~_jk = R_jk / sum_j R_jk

    R_jk is the importance of latent j for factor k, H_K the entropy to base K, rho_j latent j's share of all importance.

    - `factors`: (n, factors), as numbers.
    """
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(seed)
    order = rng.permutation(len(codes))
    held, kept = np.split(order, [int(HELD_OUT * len(codes))])
    importance = np.zeros((codes.shape[1], factors.shape[1]))
    scores: list[float] = []
    for k, factor in enumerate(np.asarray(factors, np.float64).T):
        if np.ptp(factor) == 0:
            continue
        forest = RandomForestRegressor(NUM_TREES, min_samples_leaf=5, random_state=seed)
        forest.fit(codes[kept], factor[kept])
        importance[:, k] = forest.feature_importances_
        scores.append(float(forest.score(codes[held], factor[held])))
    importance = importance[:, importance.sum(axis=0) > 0]
    by_latent, by_factor = _one_less_entropy(importance), _one_less_entropy(importance.T)
    weights = importance.sum(axis=1) / importance.sum()
    return DCI(float(weights @ by_latent), float(by_factor.mean()), float(np.mean(scores)))


def _one_less_entropy(rows: np.ndarray) -> np.ndarray:
    """1 - the entropy of each row's shares, to the base of how many there are; 1 for a row of a single column."""
    if rows.shape[1] < 2:
        return np.ones(len(rows))
    totals = rows.sum(axis=1, keepdims=True)
    shares = np.divide(rows, totals, out=np.full(rows.shape, 1 / rows.shape[1]), where=totals > 0)
    return 1 - scipy.stats.entropy(shares, base=rows.shape[1], axis=1)
