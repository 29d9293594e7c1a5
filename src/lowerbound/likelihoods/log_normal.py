"""The log-normal likelihood for positive data, such as incomes, sizes and concentrations."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from ..config.context import BuildContext
from ..config.part import PartConfig
from .base import AbstractElementwise, Measure, Scaling, Support
from .location_scale import as_float32, scale_floor

# E[y] = exp(mu + sigma^2 / 2) stays finite in float32; e^50 and e^-50 lie beyond all that is measured.
LARGEST_LOG_MEDIAN = 50.0
LARGEST_LOG_SIGMA = 1.6


class LogNormal(AbstractElementwise):
    r"""Independent variables whose logarithms are Gaussian, with mean and scale from z.

        log p(y|z) = sum_d [ -(log y_d - mu_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 - log y_d ],   y_d > 0

    The last term is the Jacobian of the logarithm: a Gaussian fitted to log-transformed data leaves it out, and its figures are
    then not comparable with those of any density of the data themselves. mu is held within +-50, sigma between its floor and 5.

    - `event_shape`: shape of one example.
    - `scale_floor`: smallest sigma, which is relative: 0.01 is a hundredth of the value; a number or one for each element.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    heads: ClassVar[int | None] = 2
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.POSITIVE
    scaling: ClassVar[Scaling] = "none"

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> LogNormal:
        """With the floor of a Gaussian for the data, relative to each element's mean."""
        floor = scale_floor(config, context) / np.asarray(context.spec.mean).reshape(context.spec.event_shape)
        return cls(context.spec.event_shape, floor)

    def elements(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """LogNormal(mu, sigma)."""
        loc = jnp.clip(params[0], -LARGEST_LOG_MEDIAN, LARGEST_LOG_MEDIAN)
        scale = jnp.exp(jnp.clip(params[1], jnp.log(self.scale_floor), LARGEST_LOG_SIGMA))
        return dist.LogNormal(loc, scale)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """By moments: sigma^2 = log(1 + std^2 / mean^2), mu = log(mean) - sigma^2 / 2."""
        mean = np.maximum(mean, np.finfo(np.float32).tiny)
        variance = np.log1p(np.square(std / mean))
        sigma = np.clip(np.sqrt(variance), self.scale_floor, np.exp(LARGEST_LOG_SIGMA))
        return np.stack([np.log(mean) - variance / 2, np.log(sigma)]).astype(np.float32)

    def monitors(self, params: Float[Array, "two ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        return {"fraction_at_floor": (params[1] <= jnp.log(self.scale_floor)).mean(dtype=jnp.float32)}
