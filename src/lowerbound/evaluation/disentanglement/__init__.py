"""Scores of a code against factors that are known: each latent for one factor, each factor in one latent."""

from .dci import DCI, dci
from .fixed_factor import (
    FactorGroups,
    beta_vae_score,
    factor_vae_score,
    groups_from_generator,
    groups_of_data,
    independent_factors,
)
from .information import factor_bins, modularity, mutual_information, mutual_information_gap, sap
from .scores import DisentanglementScores, disentanglement_scores

__all__ = [
    "DCI",
    "DisentanglementScores",
    "FactorGroups",
    "beta_vae_score",
    "dci",
    "disentanglement_scores",
    "factor_bins",
    "factor_vae_score",
    "groups_from_generator",
    "groups_of_data",
    "independent_factors",
    "modularity",
    "mutual_information",
    "mutual_information_gap",
    "sap",
]
