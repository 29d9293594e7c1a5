"""The ordinal likelihood: levels with an order but no distances, such as grades."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import scipy.special
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints
from typing_extensions import override

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..errors import ConfigurationError
from .base import AbstractElementwise, Measure, Scaling, Support
from .lattice import picked
from .level_masses import Categories, as_categories, check_categories, existing_levels, largest_of, normal_log_masses

# Two cutpoints stay at least e^-15 apart, so that every level keeps a mass with a finite logarithm.
_SMALLEST_RAW_INCREMENT = -15.0
# An element that is always at its lowest level would start infinitely far below its cutpoints.
_FARTHEST_START = 10.0


class OrderedLevels(dist.Distribution):
    r"""Independent levels 0, ..., K - 1, as floats, by cumulative logits: P(x <= k) = sigmoid(c_k - location).

        log P(x = k) = log sigmoid(u) + log sigmoid(-l) + log(1 - exp(l - u)),   u = c_k - location,   l = c_{k-1} - location

    is the stable logarithm of sigmoid(u) - sigmoid(l); the lowest and the highest level are log sigmoid(u) and
    log sigmoid(-l) alone.

    - `location`: of the event's shape. `first`: c_0, of the same shape. `increments`: c_k - c_{k-1} > 0, (K - 2, *event);
      infinite where an element has no such level.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"location": constraints.real}
    pytree_data_fields = ("location", "first", "increments")

    def __init__(self, location: Float[Array, "..."], first: Float[Array, "..."], increments: Float[Array, "levels ..."]) -> None:
        self.location, self.first, self.increments = location, first, increments
        super().__init__(batch_shape=location.shape)

    @property
    def support(self) -> Any:
        """The whole numbers from 0 to K - 1, K being the element's own number of levels."""
        return constraints.integer_interval(0, self._highest)

    @property
    def _highest(self) -> Array:
        return jnp.sum(self.cutpoints < jnp.inf, axis=0).astype(self.location.dtype)

    @property
    def cutpoints(self) -> Float[Array, "levels ..."]:
        """c_0 < c_1 < ... < c_{K-2}; infinite from an element's last level on."""
        return jnp.cumsum(jnp.concatenate([self.first[None], self.increments]), axis=0)

    def log_prob(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """log P(x = value) in nats, element by element."""
        there = (value >= 0) & (value <= self._highest) & (value == jnp.round(value))
        level = jnp.where(there, value, 0).astype(jnp.int32)
        cutpoints = self.cutpoints
        upper = picked(cutpoints, level)
        is_lowest, is_highest = level == 0, (level > len(self.increments)) | jnp.isinf(upper)
        # Levels at the ends look at a finite cutpoint too, whose term is then left out: no gradient meets an infinite number.
        upper = jnp.where(is_highest, 0.0, upper - self.location)
        lower = jnp.where(is_lowest, 0.0, picked(cutpoints, level - 1) - self.location)
        width = picked(self.increments, level - 1) if len(self.increments) else jnp.ones_like(value)
        is_inner = ~(is_lowest | is_highest)
        log_width = jnp.log(-jnp.expm1(-jnp.where(is_inner, width, 1.0)))
        log_mass = (
            jnp.where(is_highest, 0.0, jax.nn.log_sigmoid(upper))
            + jnp.where(is_lowest, 0.0, jax.nn.log_sigmoid(-lower))
            + jnp.where(is_inner, log_width, 0.0)
        )
        return jnp.where(there, log_mass, -jnp.inf)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """How many cutpoints lie below location + a standard logistic variable; no gradient flows through it."""
        latent = self.location + jax.random.logistic(key, self.shape(sample_shape))
        above = self.cutpoints.reshape(-1, *(1,) * len(sample_shape), *self.location.shape) < latent
        return above.sum(axis=0).astype(self.location.dtype)

    @property
    def mean(self) -> Float[Array, "..."]:
        """sum_k P(x > k)."""
        return jax.nn.sigmoid(self.location - self.cutpoints).sum(axis=0)


class Ordinal(AbstractElementwise):
    r"""Ordered levels by proportional odds (McCullagh 1980, eq. 2.1): one location from z, cutpoints that are trained.

        P(x_d <= k | z) = sigmoid(c_{k,d} - a_d(z)),   c_{0,d} = r_{0,d},   c_{k,d} = c_{k-1,d} + softplus(r_{k,d})

    The sign is such that a larger location makes larger levels likelier. r is kept at -15 or more in the increments.

    - `num_categories`: K, or K_d for each element (flattened).
    - `raw_cutpoints`: r, of shape (largest K - 1, *event_shape); `Ordinal.of_moments` finds one.

    Raises `ConfigurationError` for shapes that do not fit together.
    """

    num_categories: Categories = eqx.field(static=True, converter=as_categories)
    raw_cutpoints: Array = eqx.field(converter=lambda value: jnp.asarray(value, jnp.float32))
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = Support.LEVELS
    code: ClassVar[str] = "{name}.of_moments({shape}, {num_levels}, mean, std)"
    scaling: ClassVar[Scaling] = "none"

    def __check_init__(self) -> None:
        check_categories(self.num_categories, self.event_shape)
        expected = (largest_of(self.num_categories) - 1, *self.event_shape)
        if self.raw_cutpoints.shape != expected:
            raise ConfigurationError(
                f"raw_cutpoints has shape {self.raw_cutpoints.shape}; expected {expected}, one fewer than the categories for "
                f"each element: Ordinal.of_moments({self.event_shape}, {self.num_categories}, mean, std) makes them."
            )

    @classmethod
    def of_moments(
        cls, event_shape: tuple[int, ...], num_categories: Categories, mean: np.ndarray | float, std: np.ndarray | float
    ) -> Ordinal:
        """With the cutpoints that, at location 0, stand for a normal law of this mean and deviation rounded to the levels."""
        check_categories(num_categories, event_shape)
        mean, std = np.broadcast_to(mean, event_shape), np.broadcast_to(std, event_shape)
        masses = np.exp(normal_log_masses(num_categories, mean, std))
        # From the top down, so that neither end loses digits; levels that do not exist have mass 0.
        below, above = np.cumsum(masses, axis=0)[:-1], np.cumsum(masses[::-1], axis=0)[::-1][1:]
        cutpoints = np.log(below) - np.log(np.maximum(above, 1e-30))
        increments = np.maximum(np.diff(cutpoints, axis=0), 1e-6)
        raw = np.concatenate([cutpoints[:1], increments + np.log(-np.expm1(-increments))])
        return cls(event_shape, num_categories, raw)

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> Ordinal:
        """Over the data's levels, with cutpoints for the data's own mean and deviation."""
        spec = context.spec
        moments = (np.reshape(values, spec.event_shape) for values in (spec.mean, spec.std))
        return cls.of_moments(spec.event_shape, spec.num_levels, *moments)

    @override
    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        return OrderedLevels(params, *self._cutpoints())

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The location whose mean level is this mean, found by bisection; 0 where the cutpoints already say so."""
        cutpoints = np.asarray(OrderedLevels(jnp.zeros(self.event_shape), *self._cutpoints()).cutpoints, np.float64)
        low, high = np.full(self.event_shape, -_FARTHEST_START), np.full(self.event_shape, _FARTHEST_START)
        for _ in range(60):
            middle = 0.5 * (low + high)
            is_below = scipy.special.expit(middle - cutpoints).sum(axis=0) < mean
            low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
        return (0.5 * (low + high)).astype(np.float32)

    def _cutpoints(self) -> tuple[Float[Array, "..."], Float[Array, "levels ..."]]:
        raw = self.raw_cutpoints
        increments = jax.nn.softplus(jnp.maximum(raw[1:], _SMALLEST_RAW_INCREMENT))
        first = raw[0]
        if isinstance(self.num_categories, tuple):
            there = existing_levels(self.num_categories, self.event_shape)
            first, increments = jnp.where(there[1], first, jnp.inf), jnp.where(there[2:], increments, jnp.inf)
        return first, increments
