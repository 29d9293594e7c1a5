"""The diagonal Gaussian likelihood with a scale for every element, and its floor."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from ..config.context import BuildContext
from ..config.part import PartConfig
from .base import AbstractElementwise, AbstractLikelihood, Measure, Scaling, Support
from .diagonal_normal import DiagonalNormal
from .gaussian_scales import GaussianFixedScale, GaussianLearnedScale, GaussianOptimalScale
from .location_scale import (
    as_float32,
    as_float32_or_none,
    floored_log_scale,
    location,
    mean_range,
    raw_location,
    scale_floor,
)

_OTHER_SCALES: dict[str, type[AbstractLikelihood]] = {
    "per-element": GaussianLearnedScale,
    "shared": GaussianLearnedScale,
    "fixed": GaussianFixedScale,
    "optimal": GaussianOptimalScale,
}


class Gaussian(AbstractElementwise):
    r"""Independent Gaussians whose mean and scale are both functions of z.

    With decoder outputs (a, s) of the same shape as x,

        log p(y|z) = sum_d [ -(y_d - mu_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 ]

        mu_d    = a_d                                  when `mean_range` is None ("free")
        mu_d    = low + (high - low) * sigmoid(a_d)    otherwise ("sigmoid"; Kingma and Welling 2014, appendix C.2)
        sigma_d = max(exp(s_d), floor_d), and at most e^30

    Such a density has no upper bound where the data are constant, so sigma has a floor: half a quantisation step of the
    data by default, below which a smaller scale would describe the rounding and not the data. `monitors` gives the
    fraction of elements at the floor.

    - `event_shape`: shape of one example.
    - `scale_floor`: smallest sigma, in the model's scale of the data; a number or one for each element.
    - `mean_range`: (low, high) of the mean, in the model's scale of the data, stacked along the first axis; or None.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = "real"
    scaling: ClassVar[Scaling] = "any"
    given_total: ClassVar[bool] = False

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> AbstractLikelihood:
        """With the data's own floor, and their range for a bounded mean; of another class where the scale is not from z."""
        if config.scale in _OTHER_SCALES:
            return _OTHER_SCALES[config.scale].build(config, context)
        return cls(context.spec.event_shape, scale_floor(config, context), mean_range(config, context))

    @property
    def mean(self) -> str:
        """ "free", or "sigmoid" for a mean within a range."""
        return "free" if self.mean_range is None else "sigmoid"

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(2, *event_shape): the mean's and the log-scale's numbers."""
        return (2, *self.event_shape)

    def elements(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """Normal(mu, sigma)."""
        # The gradient of a split is one concatenation; that of params[0] and params[1] is two padded arrays and their sum.
        raw_mean, raw_log_scale = (part[0] for part in jnp.split(params, 2))
        log_scale = floored_log_scale(raw_log_scale, self.scale_floor, self.event_shape)
        return DiagonalNormal(location(raw_mean, self.mean_range), log_scale)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """(mean, log std), the mean through the inverse of the sigmoid where there is one."""
        return np.stack([raw_location(mean, self.mean_range), np.log(np.maximum(std, self.scale_floor))]).astype(np.float32)

    def monitors(self, params: Float[Array, "two ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        at_floor = params[1] <= jnp.log(self.scale_floor)
        return {"fraction_at_floor": at_floor.mean(dtype=jnp.float32)}
