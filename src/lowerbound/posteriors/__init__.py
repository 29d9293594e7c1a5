from .base import AbstractFactorisedPosterior, AbstractPosterior, AbstractPosteriorFamily, mean_of_draws
from .deterministic import Deterministic, DeterministicCode
from .diagonal_gaussian import ConditionedDiagonalGaussian, DiagonalGaussian
from .flows import AbstractFlowStep, FlowPosterior
from .full_gaussian import ConditionedFullGaussian, FullGaussian
from .householder import ConditionedHouseholder, Householder
from .low_rank_gaussian import ConditionedLowRankGaussian, LowRankGaussian
from .network_flows import CouplingSpline, InverseAutoregressive
from .planar import Planar
from .refinement import Refinement
from .sylvester import HouseholderSylvester, OrthogonalSylvester, TriangularSylvester
from .von_mises_fisher import ConditionedVonMisesFisher, VonMisesFisher

__all__ = [
    "AbstractFactorisedPosterior",
    "AbstractFlowStep",
    "AbstractPosterior",
    "AbstractPosteriorFamily",
    "ConditionedDiagonalGaussian",
    "ConditionedFullGaussian",
    "ConditionedHouseholder",
    "ConditionedLowRankGaussian",
    "ConditionedVonMisesFisher",
    "CouplingSpline",
    "Deterministic",
    "DeterministicCode",
    "DiagonalGaussian",
    "FlowPosterior",
    "FullGaussian",
    "Householder",
    "HouseholderSylvester",
    "InverseAutoregressive",
    "LowRankGaussian",
    "OrthogonalSylvester",
    "Planar",
    "Refinement",
    "TriangularSylvester",
    "VonMisesFisher",
    "mean_of_draws",
]
