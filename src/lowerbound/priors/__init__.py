from .base import AbstractLatentDensity, AbstractPrior, Recognise, Space
from .standard_normal import StandardNormal

__all__ = ["AbstractLatentDensity", "AbstractPrior", "Recognise", "Space", "StandardNormal"]
