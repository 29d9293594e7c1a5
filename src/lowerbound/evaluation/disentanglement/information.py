"""Scores from tables of one latent against one factor: mutual information gap, modularity, and SAP."""

from __future__ import annotations

import numpy as np
import scipy.stats

CODE_BINS, FACTOR_BINS = 20, 10
# A latent or factor that never changes has no bins; one that says less than this of every factor is dead.
LEAST_INFORMATION_NATS = 0.05


def factor_bins(values: np.ndarray, bins: int = FACTOR_BINS) -> np.ndarray:
    """Each column as whole numbers from 0: its own values where there are at most `bins` of them, else bins of equal counts.

    Equal values share a bin, so ties make bins of unequal counts.
    """
    columns = np.asarray(values, np.float64)
    found = np.empty(columns.shape, np.int64)
    for number, column in enumerate(columns.T):
        distinct = np.unique(column)
        edges = distinct[1:] if len(distinct) <= bins else np.unique(np.quantile(column, np.arange(1, bins) / bins))
        found[:, number] = np.searchsorted(edges, column, side="right")
    return found


def mutual_information(codes: np.ndarray, factors: np.ndarray, *, code_bins: int = CODE_BINS) -> np.ndarray:
    """I(z_j; v_k) in nats from counts in bins, (latents, factors); biased upwards by about (bins - 1)^2 / (2 N).

    - `codes`: (n, latents). `factors`: (n, factors), whole numbers, as `factor_bins` makes them.
    """
    # Imported here, because scikit-learn takes seconds to import.
    from sklearn.metrics import mutual_info_score

    binned = factor_bins(codes, code_bins)
    return np.array([[mutual_info_score(code, factor) for factor in factors.T] for code in binned.T])


def entropy(factors: np.ndarray) -> np.ndarray:
    """H(v_k) in nats of each column of whole numbers."""
    return np.array([scipy.stats.entropy(np.bincount(factor)) for factor in factors.T])


def mutual_information_gap(information: np.ndarray, entropies: np.ndarray) -> float:
    """MIG: the mean over factors of (I of the best latent - I of the second best) / H(v_k) (Chen et al. 2018, eq. 6).

    1 where each factor is in one latent alone, and whole. Often mis-copied without the entropy, which is then no number in
    [0, 1]. Factors that never change are left out.
    """
    changing = entropies > 0
    ordered = -np.sort(-information[:, changing], axis=0)
    second = ordered[1] if len(ordered) > 1 else np.zeros(changing.sum())
    return float(np.mean((ordered[0] - second) / entropies[changing]))


def information_bias(num_examples: int, code_bins: int = CODE_BINS, factor_bins: int = FACTOR_BINS) -> float:
    """What counts of so many examples show, on average, between a latent and a factor that know nothing of each other, in nats.

    (B_z - 1)(B_v - 1) / (2 N), to first order in 1 / N (Miller 1955).
    """
    return (code_bins - 1) * (factor_bins - 1) / (2 * num_examples)


def modularity(information: np.ndarray, bias: float = 0.0) -> float:
    """The mean over latents of 1 - sum_{k other than its best} I_jk^2 / (I_best^2 (K - 1)) (Ridgeway and Mozer 2018, eq. 2).

    1 where each latent knows of one factor. Latents that know of none are left out: in the formula they would be 0 / 0.

    - `bias`: what counts show where there is nothing (`information_bias`), taken off first. Of 1,500 examples it is more than a
      dead latent may know, which would then count as one that knows a little of everything.
    """
    information = np.maximum(information - bias, 0.0)
    alive = information[information.max(axis=1) > LEAST_INFORMATION_NATS]
    if not len(alive) or alive.shape[1] < 2:
        return float("nan")
    best = alive.max(axis=1, keepdims=True)
    rest = np.sum(alive**2, axis=1, keepdims=True) - best**2
    return float(np.mean(1 - rest / (best**2 * (alive.shape[1] - 1))))


def sap(codes: np.ndarray, factors: np.ndarray) -> float:
    """SAP: the mean over factors of the gap between the two best latents' R^2 (Kumar et al. 2018, section 3).

    R^2 of a linear regression of the factor on one latent, its squared correlation.

    - `factors`: (n, factors), as numbers (not bins).
    """
    code, factor = (np.asarray(part, np.float64) - np.mean(part, axis=0) for part in (codes, factors))
    scale = np.outer(np.sum(code**2, axis=0), np.sum(factor**2, axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        squared = np.where(scale > 0, (code.T @ factor) ** 2 / scale, 0.0)
    ordered = -np.sort(-squared[:, np.sum(factor**2, axis=0) > 0], axis=0)
    second = ordered[1] if len(ordered) > 1 else 0.0
    return float(np.mean(ordered[0] - second))
