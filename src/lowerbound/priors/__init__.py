from .base import AbstractPrior
from .standard_normal import StandardNormal

__all__ = ["AbstractPrior", "StandardNormal"]
