from .autoregressive import MaskedAutoregressive
from .base import AbstractBijection, Context, Inverted
from .coupling import SplineCoupling
from .planar import PlanarStep
from .sylvester import SylvesterStep

__all__ = [
    "AbstractBijection",
    "Context",
    "Inverted",
    "MaskedAutoregressive",
    "PlanarStep",
    "SplineCoupling",
    "SylvesterStep",
]
