"""Scores from groups of examples that share one factor: FactorVAE's majority vote and beta-VAE's linear classifier.

The papers draw such groups from a generator; here they are drawn from the data, examples whose factor lies in the same bin.
"""

from __future__ import annotations

import numpy as np

GROUP, NUM_VOTES = 64, 800
# Of the codes' variance: a latent below it is dead, and its variance in a group would be the smallest by noise alone.
LEAST_VARIANCE = 0.01


def factor_vae_score(codes: np.ndarray, factors: np.ndarray, *, seed: int = 0) -> float:
    """The share of groups whose fixed factor a majority vote tells from the latent that varies least (Kim and Mnih 2018, 3).

    For each of 800 groups: a factor, one of its bins, 64 examples of it; the vote is the latent of the smallest variance
    relative to its variance over all data. Dead latents do not vote. The table of votes is made from one half of the groups and
    judged on the other. Chance is 1 / factors.

    - `factors`: (n, factors), whole numbers, as `factor_bins` makes them.
    """
    rng = np.random.default_rng(seed)
    scale = np.var(codes, axis=0)
    alive = np.flatnonzero(scale > LEAST_VARIANCE * max(float(scale.max()), 1e-12))
    votes = np.empty((NUM_VOTES, 2), np.int64)
    for number in range(NUM_VOTES):
        k, members = _group(factors, rng, GROUP)
        votes[number] = np.argmin(np.var(codes[np.ix_(members, alive)], axis=0) / scale[alive]), k
    half = NUM_VOTES // 2
    table = np.zeros((len(alive), factors.shape[1]))
    np.add.at(table, (votes[:half, 0], votes[:half, 1]), 1)
    return float(np.mean(table.argmax(axis=1)[votes[half:, 0]] == votes[half:, 1]))


def beta_vae_score(codes: np.ndarray, factors: np.ndarray, *, seed: int = 0) -> float:
    """The share of groups whose fixed factor a linear classifier tells from the mean |z - z'| of pairs (Higgins et al. 2017, 3).

    Codes are divided by their deviations over the data first. The classifier is fitted on one half of 800 groups of 32 pairs and
    judged on the other. Chance is 1 / factors.
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    deviations = np.std(codes, axis=0)
    scaled = codes / np.where(deviations > 0, deviations, 1.0)
    features, kinds = np.empty((NUM_VOTES, codes.shape[1])), np.empty(NUM_VOTES, np.int64)
    for number in range(NUM_VOTES):
        kinds[number], members = _group(factors, rng, GROUP)
        first, second = scaled[members[::2]], scaled[members[1::2]]
        features[number] = np.abs(first - second).mean(axis=0)
    half = NUM_VOTES // 2
    classifier = LogisticRegression(C=100.0, max_iter=2000).fit(features[:half], kinds[:half])
    return float(classifier.score(features[half:], kinds[half:]))


def _group(factors: np.ndarray, rng: np.random.Generator, size: int) -> tuple[int, np.ndarray]:
    """A factor, and `size` examples (drawn with replacement) that share one of its bins."""
    k = int(rng.integers(factors.shape[1]))
    column = factors[:, k]
    members = np.flatnonzero(column == column[rng.integers(len(column))])
    return k, rng.choice(members, size)
