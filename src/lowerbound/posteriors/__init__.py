from .base import AbstractFactorisedPosterior, AbstractPosterior, AbstractPosteriorFamily, mean_of_draws
from .diagonal_gaussian import ConditionedDiagonalGaussian, DiagonalGaussian
from .flows import AbstractFlowStep, FlowPosterior
from .full_gaussian import ConditionedFullGaussian, FullGaussian
from .householder import ConditionedHouseholder, Householder
from .low_rank_gaussian import ConditionedLowRankGaussian, LowRankGaussian
from .planar import Planar
from .refinement import Refinement
from .sylvester import HouseholderSylvester, OrthogonalSylvester, TriangularSylvester

__all__ = [
    "AbstractFactorisedPosterior",
    "AbstractFlowStep",
    "AbstractPosterior",
    "AbstractPosteriorFamily",
    "ConditionedDiagonalGaussian",
    "ConditionedFullGaussian",
    "ConditionedHouseholder",
    "ConditionedLowRankGaussian",
    "DiagonalGaussian",
    "FlowPosterior",
    "FullGaussian",
    "Householder",
    "HouseholderSylvester",
    "LowRankGaussian",
    "OrthogonalSylvester",
    "Planar",
    "Refinement",
    "TriangularSylvester",
    "mean_of_draws",
]
