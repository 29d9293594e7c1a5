"""The Beta likelihood for data inside an interval, such as rates and fractions."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from .base import AbstractElementwise, Measure, Scaling, Support
from .count_masses import log_one_plus, stirling_error
from .location_scale import as_float32, squeeze, unsqueeze

SMALLEST_CONCENTRATION = 0.2
SMALLEST_MEAN = 1e-3


class BetaDistribution(dist.Distribution):
    r"""Beta(alpha, beta) by its mean m and concentration c: alpha = m c, beta = (1 - m) c.

        log p(y) = (alpha - 1) log y + (beta - 1) log(1 - y) - log B(alpha, beta)

    At c = 10^5 these terms are of size 10^5 and all but cancel, so that float32 keeps nothing of their sum. With Stirling's
    formula log Gamma(x) = (x - 1/2) log x - x + log(2 pi) / 2 + S(x) the cancellation is done on paper:

        log p(y) = alpha log(y / m) + beta log((1 - y) / (1 - m)) - log y - log(1 - y)
                   + log(alpha beta / c) / 2 - log(2 pi) / 2 - S(alpha) - S(beta) + S(c)

    - `loc`: m; `co_loc`: 1 - m, given besides because a mean near 1 has lost it; `concentration`: c.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = dist.constraints.open_interval(0.0, 1.0)  # pyright: ignore[reportAssignmentType]

    def __init__(self, loc: Float[Array, "..."], co_loc: Float[Array, "..."], concentration: Float[Array, "..."]) -> None:
        self.loc, self.co_loc, self.concentration = loc, co_loc, concentration
        super().__init__(batch_shape=loc.shape)

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """The log-density in nats, of each element, for 0 < value < 1."""
        c = self.concentration
        alpha, beta = self.loc * c, self.co_loc * c
        log_value, log_co_value = jnp.log(value), jnp.log1p(-value)
        distance = value - self.loc
        powers = alpha * log_one_plus(distance / self.loc, log_value - jnp.log(self.loc))
        powers += beta * log_one_plus(-distance / self.co_loc, log_co_value - jnp.log(self.co_loc))
        # log(alpha beta / c) / 2, in factors that neither overflow nor underflow.
        peak = 0.5 * (jnp.log(self.loc) + jnp.log(beta) - math.log(2 * math.pi))
        corrections = stirling_error(c) - stirling_error(alpha) - stirling_error(beta)
        return powers - log_value - log_co_value + peak + corrections

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Array:
        """From two Gamma variables, kept off 0 and 1 themselves."""
        draw = dist.Beta(self.loc * self.concentration, self.co_loc * self.concentration).sample(key, sample_shape)
        return jnp.clip(draw, jnp.finfo(jnp.float32).tiny, 1 - jnp.finfo(jnp.float32).epsneg)

    @property
    def mean(self) -> Array:
        """m."""
        return self.loc

    @property
    def variance(self) -> Array:
        """m (1 - m) / (c + 1)."""
        return self.loc * self.co_loc / (self.concentration + 1)


class Beta(AbstractElementwise):
    r"""Independent Beta variables with mean and concentration from z (the parameters of Ferrari and Cribari-Neto 2004).

    With decoder outputs (a, s): m = sigmoid(a), kept a thousandth away from 0 and 1; c = exp(s), at least 0.2 and at most where
    the deviation at m = 1/2, 1 / (2 sqrt(c + 1)), is the floor. See `BetaDistribution` for the density.

    Where m c < 1 the density has a pole at 0, and likewise at 1. The scaling "open-unit" keeps the data half a step away
    from both, so that the density of data stays finite.

    - `event_shape`: shape of one example. `scale_floor`: smallest deviation, in the model's scale of the data; a number or one
      for each element.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)  # pyright: ignore[reportAssignmentType]
    heads: ClassVar[int | None] = 2
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.SHARES
    scaling: ClassVar[Scaling] = "open-unit"

    @override
    def elements(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        loc, co_loc = (squeeze(raw, SMALLEST_MEAN, 1 - SMALLEST_MEAN) for raw in (params[0], -params[0]))
        log_concentration = jnp.clip(params[1], math.log(SMALLEST_CONCENTRATION), self._largest_log_concentration)
        return BetaDistribution(loc, co_loc, jnp.exp(log_concentration))

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """By moments: c = m (1 - m) / std^2 - 1."""
        mean = np.clip(mean, 0.01, 0.99)
        concentration = mean * (1 - mean) / np.maximum(np.square(std), 1e-12) - 1
        log_concentration = np.log(np.maximum(concentration, SMALLEST_CONCENTRATION))
        largest = np.asarray(self._largest_log_concentration)
        return np.stack(
            [unsqueeze(mean, SMALLEST_MEAN, 1 - SMALLEST_MEAN), np.minimum(log_concentration, largest)], dtype=np.float32
        )

    def monitors(self, params: Float[Array, "two ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose deviation is held up by the floor."""
        return {"fraction_at_floor": (params[1] >= self._largest_log_concentration).mean(dtype=jnp.float32)}

    @property
    def _largest_log_concentration(self) -> Array:
        return jnp.log(jnp.maximum(0.25 / jnp.square(self.scale_floor) - 1, 2 * SMALLEST_CONCENTRATION))
