"""All scores against known factors, as one record."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ...errors import DataError
from ..estimates import JsonRecord
from .dci import dci
from .fixed_factor import GROUP, beta_vae_score, factor_vae_score, groups_from_generator, groups_of_data
from .information import (
    CODE_BINS,
    FACTOR_BINS,
    entropy,
    factor_bins,
    information_bias,
    modularity,
    mutual_information,
    mutual_information_gap,
    sap,
)


@dataclasses.dataclass(frozen=True)
class DisentanglementScores(JsonRecord):
    """Numbers in [0, 1], higher is better; see the functions of their names.

    - `information_nats`: I(z_j; v_k), a list for each latent. `factor_names`: their order.
    - `groups_from`: where FactorVAE's and beta-VAE's groups came from, "generator" as in their papers, or "data".
    - `num_examples`, `code_bins`, `factor_bins`, `seed`: without which no such score can be repeated.
    """

    mig: float
    sap: float
    modularity: float
    dci_disentanglement: float
    dci_completeness: float
    dci_informativeness: float
    factor_vae: float
    beta_vae: float
    information_nats: tuple[tuple[float, ...], ...]
    factor_names: tuple[str, ...]
    groups_from: str
    num_examples: int
    code_bins: int
    factor_bins: int
    seed: int


def disentanglement_scores(
    codes: np.ndarray,
    factors: np.ndarray,
    names: tuple[str, ...] = (),
    *,
    encode: Callable[[np.ndarray], np.ndarray] | None = None,
    seed: int = 0,
) -> DisentanglementScores:
    """Every score of codes E[z|x], (n, latents), against factors, (n, factors), as numbers.

    - `encode`: makes examples of any factors, (m, factors), and gives their codes, where there is such a generator.

    Raises `DataError` for fewer than two factors that change, or fewer examples than a group needs.
    """
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors, np.float64)
    if len(codes) != len(factors) or len(codes) < 4 * GROUP:
        raise DataError(
            f"there are {len(codes)} codes and {len(factors)} rows of factors; expected as many of both, at least {4 * GROUP}. "
            "Take a larger split (--split train)."
        )
    if np.sum(np.ptp(factors, axis=0) > 0) < 2:
        raise DataError("fewer than two factors change in these examples, and these scores compare factors with each other.")
    changing = np.ptp(factors, axis=0) > 0
    names = tuple(np.asarray(names or [f"factor {k}" for k in range(factors.shape[1])])[changing].tolist())
    every, factors = factors, factors[:, changing]
    binned = factor_bins(factors)
    information = mutual_information(codes, binned)
    parts = dci(codes, factors, seed=seed)
    variances = np.var(codes, axis=0)
    if encode is None:
        groups = groups_of_data(codes, binned, seed=seed)
    else:
        groups = groups_from_generator(every, encode, seed=seed, kept=np.flatnonzero(changing))
    return DisentanglementScores(
        mig=mutual_information_gap(information, entropy(binned)),
        sap=sap(codes, factors),
        modularity=modularity(information, information_bias(len(codes))),
        dci_disentanglement=parts.disentanglement,
        dci_completeness=parts.completeness,
        dci_informativeness=parts.informativeness,
        factor_vae=factor_vae_score(groups, variances),
        beta_vae=beta_vae_score(groups, variances),
        information_nats=tuple(tuple(row) for row in information.tolist()),
        factor_names=names,
        groups_from="data" if encode is None else "generator",
        num_examples=len(codes),
        code_bins=CODE_BINS,
        factor_bins=FACTOR_BINS,
        seed=seed,
    )
