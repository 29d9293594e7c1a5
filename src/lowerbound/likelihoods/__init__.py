from .base import AbstractElementwise, AbstractJoint, AbstractLikelihood, Given, Measure, Scaling, Support
from .bernoulli import Bernoulli
from .beta import Beta, BetaDistribution
from .categorical import Categorical, CategoricalLevels
from .continuous_bernoulli import ContinuousBernoulli, ContinuousBernoulliDistribution
from .count_distributions import MultinomialCounts, NegativeBinomialCounts, PoissonCounts, ZeroInflatedCounts
from .discretized_logistic import DiscretizedLogistic, DiscretizedLogisticDistribution
from .discretized_logistic_mixture import DiscretizedLogisticMixture
from .gaussian import Gaussian
from .gaussian_scales import GaussianFixedScale, GaussianLearnedScale, GaussianOptimalScale
from .laplace import Laplace
from .log_normal import LogNormal
from .logistic_mixtures import ColourLogisticMixture, LogisticMixture
from .low_rank_gaussian import LowRankGaussian, LowRankNormal
from .multinomial import Multinomial
from .negative_binomial import NegativeBinomial
from .numpyro_family import NumPyroLikelihood
from .ordinal import OrderedLevels, Ordinal
from .poisson import Poisson
from .quantized_gaussian import QuantizedGaussian, QuantizedGaussianDistribution
from .student_t import StudentT
from .zero_inflated import ZeroInflatedNegativeBinomial

__all__ = [
    "AbstractElementwise",
    "AbstractJoint",
    "AbstractLikelihood",
    "Bernoulli",
    "Beta",
    "BetaDistribution",
    "Categorical",
    "CategoricalLevels",
    "ColourLogisticMixture",
    "ContinuousBernoulli",
    "ContinuousBernoulliDistribution",
    "DiscretizedLogistic",
    "DiscretizedLogisticDistribution",
    "DiscretizedLogisticMixture",
    "Gaussian",
    "GaussianFixedScale",
    "GaussianLearnedScale",
    "GaussianOptimalScale",
    "Given",
    "Laplace",
    "LogNormal",
    "LogisticMixture",
    "LowRankGaussian",
    "LowRankNormal",
    "Measure",
    "Multinomial",
    "MultinomialCounts",
    "NegativeBinomial",
    "NegativeBinomialCounts",
    "NumPyroLikelihood",
    "OrderedLevels",
    "Ordinal",
    "Poisson",
    "PoissonCounts",
    "QuantizedGaussian",
    "QuantizedGaussianDistribution",
    "Scaling",
    "StudentT",
    "Support",
    "ZeroInflatedCounts",
    "ZeroInflatedNegativeBinomial",
]
