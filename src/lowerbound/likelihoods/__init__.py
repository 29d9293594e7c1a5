from .base import AbstractLikelihood, Measure, Scaling, Support
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
    "Scaling",
    "Support",
]
