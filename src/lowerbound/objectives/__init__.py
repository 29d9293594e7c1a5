from .base import AbstractObjective, LossRecord
from .elbo import ELBO

__all__ = ["ELBO", "AbstractObjective", "LossRecord"]
