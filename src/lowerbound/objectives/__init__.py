from .base import AbstractObjective, GradientEstimator, LossRecord, Need
from .elbo import ELBO
from .needs import check_needs
from .schedule import WarmUp

__all__ = ["ELBO", "AbstractObjective", "GradientEstimator", "LossRecord", "Need", "WarmUp", "check_needs"]
