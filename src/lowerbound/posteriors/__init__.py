from .base import AbstractFactorisedPosterior, AbstractPosterior, AbstractPosteriorFamily, mean_of_draws
from .diagonal_gaussian import ConditionedDiagonalGaussian, DiagonalGaussian
from .flows import AbstractFlowStep, FlowPosterior
from .refinement import Refinement

__all__ = [
    "AbstractFactorisedPosterior",
    "AbstractFlowStep",
    "AbstractPosterior",
    "AbstractPosteriorFamily",
    "ConditionedDiagonalGaussian",
    "DiagonalGaussian",
    "FlowPosterior",
    "Refinement",
    "mean_of_draws",
]
