from .base import AbstractLikelihood, Measure
from .bernoulli import Bernoulli
from .discretized_logistic import DiscretizedLogistic, DiscretizedLogisticDistribution
from .gaussian import Gaussian

__all__ = [
    "AbstractLikelihood",
    "Bernoulli",
    "DiscretizedLogistic",
    "DiscretizedLogisticDistribution",
    "Gaussian",
    "Measure",
]
