from .base import AbstractFactorisedPosterior, AbstractPosterior, AbstractPosteriorFamily, mean_of_draws
from .diagonal_gaussian import ConditionedDiagonalGaussian, DiagonalGaussian
from .refinement import Refinement

__all__ = [
    "AbstractFactorisedPosterior",
    "AbstractPosterior",
    "AbstractPosteriorFamily",
    "ConditionedDiagonalGaussian",
    "DiagonalGaussian",
    "Refinement",
    "mean_of_draws",
]
