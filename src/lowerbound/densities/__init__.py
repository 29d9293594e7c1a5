from .base import AbstractFactorisedPosterior, AbstractLatentDensity, AbstractPosterior, Space, mean_of_draws
from .dependent_gaussians import FullGaussianDensity, LowRankGaussianDensity, ReflectedGaussianDensity
from .diagonal_gaussian import DiagonalGaussianDensity, StandardNormalDensity
from .kl import kl
from .mixture import Mixture, MixturePosterior
from .sphere import SphericalUniformDensity
from .transformed import Transformed
from .von_mises_fisher import VonMisesFisherDensity

__all__ = [
    "AbstractFactorisedPosterior",
    "AbstractLatentDensity",
    "AbstractPosterior",
    "DiagonalGaussianDensity",
    "FullGaussianDensity",
    "LowRankGaussianDensity",
    "Mixture",
    "MixturePosterior",
    "ReflectedGaussianDensity",
    "Space",
    "SphericalUniformDensity",
    "StandardNormalDensity",
    "Transformed",
    "VonMisesFisherDensity",
    "kl",
    "mean_of_draws",
]
