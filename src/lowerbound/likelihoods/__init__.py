from .base import AbstractElementwise, AbstractJoint, AbstractLikelihood, Given, Measure, Scaling, Support
from .bernoulli import Bernoulli
from .beta import Beta, BetaDistribution
from .categorical import Categorical, CategoricalLevels
from .continuous_bernoulli import ContinuousBernoulli, ContinuousBernoulliDistribution
from .count_distributions import MultinomialCounts, NegativeBinomialCounts, PoissonCounts, ZeroInflatedCounts
from .count_likelihoods import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial
from .discretized_logistic_mixture import DiscretizedLogisticMixture
from .gaussian import Gaussian, GaussianFixedScale, GaussianLearnedScale, GaussianOptimalScale
from .lattice import Lattice
from .level_distributions import DiscretizedLogisticDistribution, QuantizedGaussianDistribution
from .location_scale_family import Laplace, StudentT
from .log_normal import LogNormal
from .logistic_mixtures import ColourLogisticMixture, LogisticMixture
from .low_rank_gaussian import LowRankGaussian, LowRankNormal
from .multinomial import Multinomial
from .numpyro_family import NumPyroLikelihood
from .on_levels import DiscretizedLogistic, QuantizedGaussian
from .ordinal import OrderedLevels, Ordinal

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
    "Lattice",
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
