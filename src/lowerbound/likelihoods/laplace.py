"""The Laplace likelihood, whose loss is the absolute error."""

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


class Laplace(AbstractElementwise):
    r"""Independent Laplace variables whose location and scale are both functions of z.

        log p(y|z) = sum_d [ -|y_d - mu_d| / b_d - log(2 b_d) ],   b_d = max(exp(s_d), floor_d), and at most e^30

    An absolute error (L1) as a loss is this likelihood with a fixed scale. The density has no upper bound where the data are
    constant, hence the floor.

    - `event_shape`: shape of one example. `scale_floor`: smallest b, in the model's scale of the data; a number or one for
      each element. `mean_range`: (low, high) of the location, stacked; or None for any number.
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
        """(2, *event_shape): the location's and the log-scale's numbers."""
        return (2, *self.event_shape)

    def elements(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """Laplace(mu, b)."""
        scale = jnp.exp(floored_log_scale(params[1], self.scale_floor, self.event_shape))
        return dist.Laplace(location(params[0], self.mean_range), scale)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The location at the mean and, because the variance is 2 b^2, the scale at std / sqrt(2)."""
        scale = np.maximum(std / np.sqrt(2.0), self.scale_floor)
        return np.stack([raw_location(mean, self.mean_range), np.log(scale)]).astype(np.float32)

    def monitors(self, params: Float[Array, "two ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        return {"fraction_at_floor": (params[1] <= jnp.log(self.scale_floor)).mean(dtype=jnp.float32)}
