"""Likelihoods of equally spaced levels, such as 8-bit pixels, by a variable on a line that is rounded to them."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float
from typing_extensions import override

from .base import AbstractElementwise, AbstractLikelihood, Measure, Scaling, Support
from .lattice import Lattice
from .level_distributions import AbstractRounded, DiscretizedLogisticDistribution, QuantizedGaussianDistribution
from .location_scale import LARGEST_LOG_SCALE, squeeze, unsqueeze


class AbstractLevels(AbstractLikelihood):
    """Elements on equally spaced levels.

    - `low`, `high`: lowest and highest level in the model's scale of the data; `num_levels`: how many there are.
    """

    low: float = eqx.field(static=True, converter=float, default=0.0)
    high: float = eqx.field(static=True, converter=float, default=1.0)
    num_levels: int = eqx.field(static=True, default=256)
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = Support.LEVELS
    code: ClassVar[str] = "{name}({shape}, {low:g}, {high:g}, {num_levels})"
    scaling: ClassVar[Scaling] = "unit"

    @property
    def levels(self) -> Lattice:
        """The levels in the model's scale of the data."""
        return Lattice(self.low, self.high, self.num_levels)


class AbstractOnLevels(AbstractLevels, AbstractElementwise):
    r"""Independent rounded variables of one family, with location and scale from z.

    Decoder outputs (a, s): loc = low + (high - low) sigmoid(a) (or a itself when `bounded_mean` is False),
    scale = max(exp(s), floor), and at most e^30. The floor is a tenth of a step: there nearly all mass is on one level already.

    - `family`: the distribution of an element. `scale_of_unit_std`: its scale where its standard deviation is 1.
    """

    family: ClassVar[type[AbstractRounded]]
    scale_of_unit_std: ClassVar[float]
    bounded_mean: bool = eqx.field(static=True, default=True)
    heads: ClassVar[int | None] = 2

    @property
    def mean(self) -> str:
        """ "sigmoid" for a bounded location, or "free"."""
        return "sigmoid" if self.bounded_mean else "free"

    @override
    def elements(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        loc = squeeze(params[0], self.low, self.high) if self.bounded_mean else params[0]
        scale = jnp.exp(jnp.clip(params[1], self.levels.log_scale_floor, LARGEST_LOG_SCALE))
        return self.family(loc, scale, self.levels)

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The location at the mean, and the scale that has the deviation."""
        loc = unsqueeze(mean, self.low, self.high) if self.bounded_mean else mean
        scale = np.maximum(self.scale_of_unit_std * std, np.exp(self.levels.log_scale_floor))
        return np.stack([loc, np.log(scale)]).astype(np.float32)

    @override
    def monitors(self, params: Float[Array, "two ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        return {"fraction_at_floor": (params[1] <= self.levels.log_scale_floor).mean(dtype=jnp.float32)}


class DiscretizedLogistic(AbstractOnLevels):
    """Independent discretised logistics (Kingma et al. 2016, arXiv 1606.04934); see `DiscretizedLogisticDistribution`."""

    family: ClassVar[type[AbstractRounded]] = DiscretizedLogisticDistribution
    # A logistic's variance is (pi scale)^2 / 3.
    scale_of_unit_std: ClassVar[float] = np.sqrt(3.0) / np.pi


class QuantizedGaussian(AbstractOnLevels):
    """Independent quantised Gaussians (Ho et al. 2020, arXiv 2006.11239, eq. 13); see `QuantizedGaussianDistribution`."""

    family: ClassVar[type[AbstractRounded]] = QuantizedGaussianDistribution
    scale_of_unit_std: ClassVar[float] = 1.0
