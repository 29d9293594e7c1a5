from .base import AbstractPrior, Recognise
from .fixed import HypersphericalUniform, StandardNormal
from .flows import AutoregressiveFlow, SplineFlow
from .gaussians import LearnedGaussian, MixtureOfGaussians
from .vamp import VampPrior

__all__ = [
    "AbstractPrior",
    "AutoregressiveFlow",
    "HypersphericalUniform",
    "LearnedGaussian",
    "MixtureOfGaussians",
    "Recognise",
    "SplineFlow",
    "StandardNormal",
    "VampPrior",
]
