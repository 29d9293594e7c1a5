"""Independent normal variables given by the logarithm of their scale, and events with a faster sum over their elements."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray

from .nodes import Nodes, of_normal


class SummedEvent(dist.Independent):
    """An event of independent elements that know a faster sum of their log-probabilities than one after the other."""

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """The log-probability in nats, one number for each event in `value`."""
        # NumPyro's type for the base does not know of its methods.
        elements: Any = self.base_dist
        return elements.summed_log_prob(value, self.event_dim)


class DiagonalNormal(dist.Distribution):
    r"""N(y; mu, sigma^2) for each element, given log sigma.

        log p(y_d) = - ((y_d - mu_d) exp(-log sigma_d))^2 / 2 - log sigma_d - log(2 pi) / 2

    NumPyro's `Normal(mu, exp(log_sigma))` would take the logarithm of the exponential again, divide twice for each element
    and sum over every axis by itself; an event of these is one exponential and one sum.

    - `loc`, `log_scale`: arrays of one shape.

    >>> float(DiagonalNormal(jnp.zeros(2), jnp.zeros(2)).to_event(1).log_prob(jnp.zeros(2)))
    -1.837877...
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"loc": dist.constraints.real, "log_scale": dist.constraints.real}
    reparametrized_params: ClassVar[list[str]] = ["loc", "log_scale"]
    support = dist.constraints.real  # pyright: ignore[reportAssignmentType]

    def __init__(self, loc: Float[Array, "..."], log_scale: Float[Array, "..."]) -> None:
        self.loc, self.log_scale = loc, log_scale
        super().__init__(batch_shape=loc.shape)

    def to_event(self, reinterpreted_batch_ndims: int | None = None) -> dist.Distribution:
        """An event of all elements."""
        return SummedEvent(self, len(self.batch_shape))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """mu + sigma epsilon with epsilon ~ N(0, 1)."""
        noise = jax.random.normal(key, (*sample_shape, *self.batch_shape))
        return self.loc + jnp.exp(self.log_scale) * noise

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """The log-density in nats, of each element."""
        return -self._terms(value) - 0.5 * math.log(2 * math.pi)

    def summed_log_prob(self, value: Float[Array, "..."], event_dim: int) -> Float[Array, "..."]:
        """The sum over the event, the constant once for all elements."""
        terms = self._terms(value)
        events = terms.reshape(*terms.shape[: terms.ndim - event_dim], -1)
        return -jnp.sum(events, axis=-1) - 0.5 * math.log(2 * math.pi) * self.loc.size

    def _terms(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        standardised = (value - self.loc) * jnp.exp(-self.log_scale)
        return 0.5 * jnp.square(standardised) + self.log_scale

    @property
    def mean(self) -> Float[Array, "..."]:
        """mu."""
        return self.loc

    @property
    def variance(self) -> Float[Array, "..."]:
        """sigma^2."""
        return jnp.exp(2 * self.log_scale)

    @property
    def nodes(self) -> Nodes:
        """Values and their probabilities, in place of the density."""
        return of_normal(self.loc, self.log_scale)


class TrackedNormal(dist.Distribution):
    r"""A normal distribution whose log-density has, by a number s beside it, the gradient MSE exp(-s) - 1, zero at s = log MSE.

    The value is that of `normal` alone.

    - `smallest_variance`: what the mean squared error counts at least, so that a perfect reconstruction sends s nowhere.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = dist.constraints.real  # pyright: ignore[reportAssignmentType]

    def __init__(self, normal: DiagonalNormal, tracked_log_variance: Float[Array, ""], smallest_variance: Any) -> None:
        self.normal, self.tracked_log_variance, self.smallest_variance = normal, tracked_log_variance, smallest_variance
        super().__init__(batch_shape=normal.batch_shape)

    def to_event(self, reinterpreted_batch_ndims: int | None = None) -> dist.Distribution:
        """An event of all elements."""
        return SummedEvent(self, len(self.batch_shape))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """mu + sigma epsilon with epsilon ~ N(0, 1)."""
        return self.normal.sample(key, sample_shape)

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """The log-density in nats, of each element, each with its share of the gradient."""
        return self.normal.log_prob(value) + self._gradient(self._squared_error(value)) / self.normal.loc.size

    def summed_log_prob(self, value: Float[Array, "..."], event_dim: int) -> Float[Array, "..."]:
        """The log-density of the event in nats."""
        error = self._squared_error(value)
        mean_squared_error = error.reshape(*error.shape[: error.ndim - event_dim], -1).mean(axis=-1)
        return self.normal.summed_log_prob(value, event_dim) + self._gradient(mean_squared_error)

    def _squared_error(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.lax.stop_gradient(jnp.square(value - self.normal.loc))

    def _gradient(self, squared_error: Float[Array, "..."]) -> Float[Array, "..."]:
        """-s - MSE exp(-s) less its own value: a gradient, and no value."""
        # e^-s at s = -60 is the last that is safe in float32.
        s = jnp.maximum(self.tracked_log_variance, -60.0)
        tracking = -s - jnp.maximum(squared_error, self.smallest_variance) * jnp.exp(-s)
        return tracking - jax.lax.stop_gradient(tracking)

    @property
    def mean(self) -> Float[Array, "..."]:
        """mu."""
        return self.normal.mean

    @property
    def variance(self) -> Float[Array, "..."]:
        """sigma^2."""
        return self.normal.variance

    @property
    def nodes(self) -> Nodes:
        """Values and their probabilities, in place of the density."""
        return self.normal.nodes
