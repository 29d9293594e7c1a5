"""The continuous Bernoulli likelihood for data on [0, 1]."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from .base import AbstractElementwise, Measure, Scaling, Support
from .location_scale import as_float32

# Below this |logit| the closed forms are differences of nearly equal numbers, and series take their place.
SERIES_BELOW = 1.0


class ContinuousBernoulliDistribution(dist.Distribution):
    r"""The continuous Bernoulli with logit a = log(lambda / (1 - lambda)) (Loaiza-Ganem and Cunningham 2019, arXiv 1907.06845).

        p(y) = C(lambda) lambda^y (1 - lambda)^(1-y) on [0, 1],   C(lambda) = 2 artanh(1 - 2 lambda) / (1 - 2 lambda)

    In terms of a it is the exponential distribution cut to [0, 1], which has neither the singularity at lambda = 1/2 nor a
    difference of logarithms at the ends:

        log p(y) = a y - A(a),   A(a) = log((e^a - 1) / a) = a/2 + a^2/24 - a^4/2880 + ...

    so E[y] = A'(a) and Var[y] = A''(a). The mean is not lambda, which many implementations show as the reconstruction. Without
    C, the "Bernoulli loss" on grey levels is no density: its integral over [0, 1] is 1/C, between 0 and 1/2.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"logits": dist.constraints.real}
    support = dist.constraints.unit_interval  # pyright: ignore[reportAssignmentType]
    reparametrized_params: ClassVar[list[str]] = ["logits"]

    def __init__(self, logits: Float[Array, "..."]) -> None:
        self.logits = logits
        super().__init__(batch_shape=logits.shape)

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """The log-density in nats, of each element; -inf outside [0, 1]."""
        return jnp.where((value >= 0) & (value <= 1), self.logits * value - log_normaliser(self.logits), -jnp.inf)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Array:
        """By the inverse of F(y) = (e^(a y) - 1) / (e^a - 1)."""
        uniform = jax.random.uniform(key, self.shape(sample_shape))
        near_zero = jnp.abs(self.logits) < 0.02
        # -|a| keeps the exponential below 1; the mirror image serves the other sign.
        a = -jnp.where(near_zero, 1.0, jnp.abs(self.logits))
        mirrored = jnp.log1p(uniform * jnp.expm1(a)) / a
        inverse = jnp.where(self.logits > 0, 1 - mirrored, mirrored)
        b = jnp.where(near_zero, self.logits, 0.0)
        series = uniform + uniform * (1 - uniform) * (b / 2 + b**2 * (1 - 2 * uniform) / 6)
        return jnp.where(near_zero, series, jnp.clip(inverse, 0.0, 1.0))

    @property
    def mean(self) -> Array:
        """A'(a) = 1 / (1 - e^-a) - 1 / a."""
        a, near_zero, b = _branches(self.logits)
        series = 0.5 + b / 12 - b**3 / 720 + b**5 / 30240 - b**7 / 1209600
        # 1 / (1 - e^-|a|) - 1 / |a| is the mean for |a|; that for -|a| is its distance from 1.
        closed = -1 / jnp.expm1(-a) - 1 / a
        return jnp.where(near_zero, series, jnp.where(self.logits > 0, closed, 1 - closed))

    @property
    def variance(self) -> Array:
        """A''(a) = 1 / a^2 - 1 / (4 sinh^2(a / 2))."""
        a, near_zero, b = _branches(self.logits)
        series = 1 / 12 - b**2 / 240 + b**4 / 6048 - b**6 / 172800
        closed = 1 / a**2 - jnp.exp(-a) / jnp.square(jnp.expm1(-a))
        return jnp.where(near_zero, series, closed)


def log_normaliser(logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """A(a) = log((e^a - 1) / a), finite for every a, and its gradient too."""
    a, near_zero, b = _branches(logits)
    series = b**2 / 24 - b**4 / 2880 + b**6 / 181440 - b**8 / 9676800
    closed = 0.5 * a + jnp.log(-jnp.expm1(-a)) - jnp.log(a)
    return 0.5 * logits + jnp.where(near_zero, series, closed)


def _branches(logits: Float[Array, "..."]) -> tuple[Array, Array, Array]:
    """(|a| for the closed form, whether the series is used, a for the series), each harmless where the other is used."""
    near_zero = jnp.abs(logits) < SERIES_BELOW
    return jnp.where(near_zero, 1.0, jnp.abs(logits)), near_zero, jnp.where(near_zero, logits, 0.0)


class ContinuousBernoulli(AbstractElementwise):
    r"""Independent continuous Bernoulli variables with logits from z (Loaiza-Ganem and Cunningham 2019, arXiv 1907.06845).

    A density on [0, 1] with one number for each element; see `ContinuousBernoulliDistribution`. Near an end of the interval it is
    an exponential of scale 1/|a|, which has no upper bound where all data are 0 or all 1; hence |a| is at most 1 / floor.

    - `event_shape`: shape of one example. `scale_floor`: smallest 1/|a|, in the model's scale of the data; a number or one for
      each element.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)  # pyright: ignore[reportAssignmentType]
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.INTERVAL
    scaling: ClassVar[Scaling] = "unit"

    @override
    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        logits = jnp.clip(params, -1 / self.scale_floor, 1 / self.scale_floor)
        return ContinuousBernoulliDistribution(logits)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The logits whose means are those of the data, by bisection; the deviation follows from the mean."""
        largest = np.broadcast_to(1 / self.scale_floor.astype(np.float64), self.event_shape)
        low, high = -largest, largest
        for _ in range(50):
            middle = 0.5 * (low + high)
            below = _mean_in_double(middle) < mean
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (0.5 * (low + high)).astype(np.float32)

    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        return {"fraction_at_floor": (jnp.abs(params) >= 1 / self.scale_floor).mean(dtype=jnp.float32)}


def _mean_in_double(logits: np.ndarray) -> np.ndarray:
    small = np.abs(logits) < 1e-3
    a = np.where(small, 1.0, np.abs(logits))
    mean = -1 / np.expm1(-a) - 1 / a
    return np.where(small, 0.5 + logits / 12, np.where(logits > 0, mean, 1 - mean))
