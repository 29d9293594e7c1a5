from .autoregressive import MaskedAutoregressive
from .base import AbstractBijection
from .coupling import SplineCoupling

__all__ = ["AbstractBijection", "MaskedAutoregressive", "SplineCoupling"]
