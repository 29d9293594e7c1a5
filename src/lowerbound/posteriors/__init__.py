from .base import AbstractPosteriorFamily
from .deterministic import Deterministic, DeterministicCode
from .flows import HouseholderSylvester, OrthogonalSylvester, Planar, TriangularSylvester
from .gaussians import DiagonalGaussian, FullGaussian, Householder, LowRankGaussian
from .network_flows import CouplingSpline, InverseAutoregressive
from .refinement import Refinement
from .von_mises_fisher import VonMisesFisher

__all__ = [
    "AbstractPosteriorFamily",
    "CouplingSpline",
    "Deterministic",
    "DeterministicCode",
    "DiagonalGaussian",
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
]
