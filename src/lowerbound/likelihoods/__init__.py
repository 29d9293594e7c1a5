from .base import AbstractLikelihood, Measure, Scaling, Support
from .bernoulli import Bernoulli
from .beta import Beta, BetaDistribution
from .continuous_bernoulli import ContinuousBernoulli, ContinuousBernoulliDistribution
from .discretized_logistic import DiscretizedLogistic, DiscretizedLogisticDistribution
from .gaussian import Gaussian
from .gaussian_scales import GaussianFixedScale, GaussianLearnedScale, GaussianOptimalScale
from .laplace import Laplace
from .log_normal import LogNormal
from .low_rank_gaussian import LowRankGaussian, LowRankNormal
from .numpyro_family import NumPyroLikelihood
from .quantized_gaussian import QuantizedGaussian, QuantizedGaussianDistribution
from .student_t import StudentT

__all__ = [
    "AbstractLikelihood",
    "Bernoulli",
    "Beta",
    "BetaDistribution",
    "ContinuousBernoulli",
    "ContinuousBernoulliDistribution",
    "DiscretizedLogistic",
    "DiscretizedLogisticDistribution",
    "Gaussian",
    "GaussianFixedScale",
    "GaussianLearnedScale",
    "GaussianOptimalScale",
    "Laplace",
    "LogNormal",
    "LowRankGaussian",
    "LowRankNormal",
    "Measure",
    "NumPyroLikelihood",
    "QuantizedGaussian",
    "QuantizedGaussianDistribution",
    "Scaling",
    "StudentT",
    "Support",
]
