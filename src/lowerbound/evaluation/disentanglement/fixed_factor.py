"""Scores from groups of examples that share one factor: FactorVAE's majority vote and beta-VAE's linear classifier.

The papers draw the groups from a generator, all other factors at random. Where there is none they are drawn from the data,
examples whose factor lies in the same bin; then the other factors are whatever they are in these examples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

GROUP, NUM_VOTES = 64, 800
# Of a generator, whose examples have to be made: enough for an error of 0.03.
GENERATED_GROUP, GENERATED_VOTES = 40, 300
# Of the codes' variance: a latent below it is dead, and its variance in a group would be the smallest by noise alone.
LEAST_VARIANCE = 0.01


class FactorGroups(NamedTuple):
    """- `codes`: (groups, members, latents). `fixed`: (groups,), the number of the factor that the members share."""

    codes: np.ndarray
    fixed: np.ndarray


def groups_of_data(codes: np.ndarray, factors: np.ndarray, *, seed: int = 0) -> FactorGroups:
    """800 groups of 64 examples, drawn with replacement, that share one bin of one factor.

    - `codes`: (n, latents). `factors`: (n, factors), whole numbers, as `factor_bins` makes them.
    """
    rng = np.random.default_rng(seed)
    fixed, members = np.empty(NUM_VOTES, np.int64), np.empty((NUM_VOTES, GROUP), np.int64)
    for number in range(NUM_VOTES):
        k = fixed[number] = rng.integers(factors.shape[1])
        column = factors[:, k]
        members[number] = rng.choice(np.flatnonzero(column == column[rng.integers(len(column))]), GROUP)
    return FactorGroups(codes[members], fixed)


def groups_from_generator(
    factors: np.ndarray, encode: Callable[[np.ndarray], np.ndarray], *, seed: int = 0, kept: np.ndarray | None = None
) -> FactorGroups:
    """300 groups of 40 examples made anew: one factor has the same value in all of a group, the others are drawn independently.

    - `factors`: (n, factors), whose columns are what each factor is drawn from. `encode`: makes examples of (m, factors) and
      gives their codes (m, latents). `kept`: the numbers of the factors that may be fixed; all by default.
    """
    rng = np.random.default_rng(seed)
    kept = np.arange(factors.shape[1]) if kept is None else kept
    fixed = rng.integers(len(kept), size=GENERATED_VOTES)
    drawn = independent_factors(factors, GENERATED_VOTES * GENERATED_GROUP, rng).reshape(GENERATED_VOTES, GENERATED_GROUP, -1)
    for number, k in enumerate(kept[fixed]):
        drawn[number, :, k] = drawn[number, 0, k]
    codes = np.asarray(encode(drawn.reshape(-1, factors.shape[1])), np.float64)
    return FactorGroups(codes.reshape(GENERATED_VOTES, GENERATED_GROUP, -1), fixed)


def independent_factors(factors: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """`number` rows, each column drawn by itself, with replacement, from its own values."""
    rows = rng.integers(len(factors), size=(number, factors.shape[1]))
    return np.take_along_axis(factors, rows, axis=0)


def factor_vae_score(groups: FactorGroups, variances: np.ndarray) -> float:
    """The share of groups whose fixed factor a majority vote tells from the latent that varies least (Kim and Mnih 2018, 3).

    The vote of a group is the latent of the smallest variance relative to its variance over all data. Dead latents do not vote.
    The table of votes is made from one half of the groups and judged on the other. Chance is 1 / factors.

    - `variances`: (latents,), of each latent over all data.
    """
    alive = np.flatnonzero(variances > LEAST_VARIANCE * max(float(variances.max()), 1e-12))
    votes = np.argmin(np.var(groups.codes[:, :, alive], axis=1) / variances[alive], axis=1)
    half = len(votes) // 2
    table = np.zeros((len(alive), int(groups.fixed.max()) + 1))
    np.add.at(table, (votes[:half], groups.fixed[:half]), 1)
    return float(np.mean(table.argmax(axis=1)[votes[half:]] == groups.fixed[half:]))


def beta_vae_score(groups: FactorGroups, variances: np.ndarray) -> float:
    """The share of groups whose fixed factor a linear classifier tells from the mean |z - z'| of pairs (Higgins et al. 2017, 3).

    Codes are divided by their deviations over the data first. The classifier is fitted on one half of the groups and judged on
    the other. Chance is 1 / factors.
    """
    from sklearn.linear_model import LogisticRegression

    deviations = np.sqrt(variances)
    scaled = groups.codes / np.where(deviations > 0, deviations, 1.0)
    features = np.abs(scaled[:, ::2] - scaled[:, 1::2]).mean(axis=1)
    half = len(features) // 2
    classifier = LogisticRegression(C=100.0, max_iter=2000).fit(features[:half], groups.fixed[:half])
    return float(classifier.score(features[half:], groups.fixed[half:]))
