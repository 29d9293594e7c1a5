from .base import AbstractLatentDensity, AbstractPrior, Recognise, Space
from .flows import AutoregressiveFlow, FlowDensity, SplineFlow
from .hyperspherical_uniform import HypersphericalUniform
from .learned_gaussian import DiagonalGaussianDensity, LearnedGaussian
from .mixture_of_gaussians import MixtureOfGaussians
from .standard_normal import StandardNormal
from .vamp import MixtureOfPosteriors, VampPrior

__all__ = [
    "AbstractLatentDensity",
    "AbstractPrior",
    "AutoregressiveFlow",
    "DiagonalGaussianDensity",
    "FlowDensity",
    "HypersphericalUniform",
    "LearnedGaussian",
    "MixtureOfGaussians",
    "MixtureOfPosteriors",
    "Recognise",
    "Space",
    "SplineFlow",
    "StandardNormal",
    "VampPrior",
]
