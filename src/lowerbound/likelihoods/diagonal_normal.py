"""Independent normal variables given by the logarithm of their scale, as a NumPyro distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray


class DiagonalNormal(dist.Distribution):
    r"""N(y; mu, diag(sigma^2)) of one event of any shape, given log sigma.

        log p(y) = - sum_d [ ((y_d - mu_d) exp(-log sigma_d))^2 / 2 + log sigma_d + log(2 pi) / 2 ]

    The same density as `Normal(mu, exp(log_sigma)).to_event()`, which would take the logarithm of the exponential again,
    divide twice for each element and sum over every axis by itself; here that is one exponential and one sum.

    - `loc`, `log_scale`: arrays of the event's shape.

    >>> float(DiagonalNormal(jnp.zeros(2), jnp.zeros(2)).log_prob(jnp.zeros(2)))
    -1.837877...
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"loc": dist.constraints.real, "log_scale": dist.constraints.real}
    reparametrized_params: ClassVar[list[str]] = ["loc", "log_scale"]

    def __init__(self, loc: Float[Array, "..."], log_scale: Float[Array, "..."], *, validate_args: bool | None = None) -> None:
        self.loc, self.log_scale = loc, log_scale
        super().__init__(batch_shape=(), event_shape=loc.shape, validate_args=validate_args)

    @property
    def support(self) -> Any:
        """Any real event."""
        return dist.constraints.independent(dist.constraints.real, len(self.event_shape))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """mu + sigma epsilon with epsilon ~ N(0, I)."""
        noise = jax.random.normal(key, (*sample_shape, *self.event_shape))
        return self.loc + jnp.exp(self.log_scale) * noise

    def log_prob(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """The log-density in nats, one number for each event in `value`."""
        standardised = (value - self.loc) * jnp.exp(-self.log_scale)
        terms = 0.5 * jnp.square(standardised) + self.log_scale
        events = terms.reshape(*terms.shape[: terms.ndim - len(self.event_shape)], -1)
        return -jnp.sum(events, axis=-1) - 0.5 * math.log(2 * math.pi) * self.loc.size

    @property
    def mean(self) -> Float[Array, "..."]:
        """mu."""
        return self.loc

    @property
    def variance(self) -> Float[Array, "..."]:
        """sigma^2."""
        return jnp.exp(2 * self.log_scale)
