from .base import AbstractElementwise, AbstractJoint, AbstractLikelihood, Given, Measure, Scaling, Support
from .before import Filter, Neighbours
from .bernoulli import Bernoulli
from .beta import Beta, BetaDistribution
from .categorical import Categorical, CategoricalLevels
from .categories import CategoriesLikelihood, CodedValues
from .continuous_bernoulli import ContinuousBernoulli, ContinuousBernoulliDistribution
from .count_distributions import MultinomialCounts, NegativeBinomialCounts, PoissonCounts, ZeroInflatedCounts
from .count_likelihoods import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial
from .discretized_logistic_mixture import DiscretizedLogisticMixture
from .gaussian import Gaussian, GaussianFixedScale, GaussianLearnedScale, GaussianOptimalScale
from .inflated import InflatedGaussianMixture, InflatedLogNormalMixture, ZeroInflatedLogNormal
from .lattice import Lattice
from .level_distributions import DiscretizedLogisticDistribution, QuantizedGaussianDistribution
from .location_scale_family import Laplace, StudentT
from .log_normal import LogNormal
from .logistic_mixtures import ColourLogisticMixture, LogisticMixture
from .low_rank_gaussian import LowRankGaussian, LowRankNormal
from .mixed import Blocks, Mixed
from .mixture_distributions import NormalMixture
from .multinomial import Multinomial
from .neighbours import NeighbourBernoulli, NeighbourLogistics, PixelByPixel
from .normal_mixtures import GaussianMixture, LogNormalMixture
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
    "Blocks",
    "Categorical",
    "CategoricalLevels",
    "CategoriesLikelihood",
    "CodedValues",
    "ColourLogisticMixture",
    "ContinuousBernoulli",
    "ContinuousBernoulliDistribution",
    "DiscretizedLogistic",
    "DiscretizedLogisticDistribution",
    "DiscretizedLogisticMixture",
    "Filter",
    "Gaussian",
    "GaussianFixedScale",
    "GaussianLearnedScale",
    "GaussianMixture",
    "GaussianOptimalScale",
    "Given",
    "InflatedGaussianMixture",
    "InflatedLogNormalMixture",
    "Laplace",
    "Lattice",
    "LogNormal",
    "LogNormalMixture",
    "LogisticMixture",
    "LowRankGaussian",
    "LowRankNormal",
    "Measure",
    "Mixed",
    "Multinomial",
    "MultinomialCounts",
    "NegativeBinomial",
    "NegativeBinomialCounts",
    "NeighbourBernoulli",
    "NeighbourLogistics",
    "Neighbours",
    "NormalMixture",
    "NumPyroLikelihood",
    "OrderedLevels",
    "Ordinal",
    "PixelByPixel",
    "Poisson",
    "PoissonCounts",
    "QuantizedGaussian",
    "QuantizedGaussianDistribution",
    "Scaling",
    "StudentT",
    "Support",
    "ZeroInflatedCounts",
    "ZeroInflatedLogNormal",
    "ZeroInflatedNegativeBinomial",
]
