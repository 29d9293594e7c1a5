"""The Student-t likelihood, a Gaussian that forgives outliers."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .base import AbstractElementwise, Measure, Scaling, Support
from .location_scale import (
    as_float32,
    as_float32_or_none,
    floored_log_scale,
    location,
    raw_location,
)

# Degrees of freedom from 2 + e^-5, with a variance just finite, to 2 + e^5 = 150, where the tails are a Gaussian's for any data.
LARGEST_LOG_EXCESS = 5.0
# Tails that are seen but do not rule: 10 degrees of freedom.
INITIAL_EXCESS = 8.0


class StudentT(AbstractElementwise):
    r"""Independent Student-t variables with location, scale and degrees of freedom from z (Takahashi et al. 2018).

        log p(y|z) = sum_d [ log Gamma((nu_d + 1) / 2) - log Gamma(nu_d / 2) - log(nu_d pi) / 2 - log sigma_d
                             - (nu_d + 1) / 2 log(1 + (y_d - mu_d)^2 / (nu_d sigma_d^2)) ]

    With decoder outputs (a, s, e): mu = a, sigma_d = max(exp(s_d), floor_d), nu_d = 2 + exp(e_d) with e_d held within +-5, so
    that the mean and the variance exist. sigma is not the standard deviation, which is sigma sqrt(nu / (nu - 2)).

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma, in the model's scale of the data; a number or one
      for each element. `mean_range`: (low, high) of the location, stacked; or None for any number.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = "real"
    scaling: ClassVar[Scaling] = "any"
    given_total: ClassVar[bool] = False

    @property
    def mean(self) -> str:
        """ "free", or "sigmoid" for a location within a range."""
        return "free" if self.mean_range is None else "sigmoid"

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(3, *event_shape): the location's, the log-scale's and the degrees of freedom's numbers."""
        return (3, *self.event_shape)

    def elements(self, params: Float[Array, "three ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """StudentT(nu, mu, sigma)."""
        scale = jnp.exp(floored_log_scale(params[1], self.scale_floor, self.event_shape))
        df = 2 + jnp.exp(jnp.clip(params[2], -LARGEST_LOG_EXCESS, LARGEST_LOG_EXCESS))
        return dist.StudentT(df, location(params[0], self.mean_range), scale)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The mean, 10 degrees of freedom, and the scale that has the deviation with them."""
        scale = np.maximum(std * np.sqrt(INITIAL_EXCESS / (2 + INITIAL_EXCESS)), self.scale_floor)
        log_excess = np.full_like(scale, np.log(INITIAL_EXCESS))
        return np.stack([raw_location(mean, self.mean_range), np.log(scale), log_excess]).astype(np.float32)

    def monitors(self, params: Float[Array, "three ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        return {"fraction_at_floor": (params[1] <= jnp.log(self.scale_floor)).mean(dtype=jnp.float32)}
