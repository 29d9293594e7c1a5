from .base import AbstractPosterior, AbstractPosteriorFamily
from .diagonal_gaussian import ConditionedDiagonalGaussian, DiagonalGaussian

__all__ = ["AbstractPosterior", "AbstractPosteriorFamily", "ConditionedDiagonalGaussian", "DiagonalGaussian"]
