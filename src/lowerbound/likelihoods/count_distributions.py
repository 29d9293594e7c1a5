"""Distributions of counts, for NumPyro: Poisson, negative binomial, either with more zeros, and multinomial."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints

from .count_masses import log_multinomial, log_negative_binomial, log_poisson
from .lattice import is_count

# JAX draws Poisson variables as 32-bit whole numbers; rates beyond would come back as -1.
_LARGEST_RATE = 2e9


class PoissonCounts(dist.Distribution):
    """Independent Poisson variables given the logarithm of their means, an array of any shape; see `log_poisson`.

    NumPyro's `Poisson` is off by a tenth of a nat at x = 100,000 in float32.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"log_mean": constraints.real}
    support = constraints.nonnegative_integer  # pyright: ignore[reportAssignmentType]

    def __init__(self, log_mean: Float[Array, "..."]) -> None:
        self.log_mean = log_mean
        super().__init__(batch_shape=log_mean.shape)

    def log_prob(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """log P(x = value) in nats."""
        there = is_count(value)
        return jnp.where(there, log_poisson(jnp.where(there, value, 0.0), self.log_mean), -jnp.inf)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Whole numbers as floats; no gradient flows through them."""
        return poisson_draw(key, jnp.broadcast_to(jnp.exp(self.log_mean), self.shape(sample_shape)))

    @property
    def mean(self) -> Float[Array, "..."]:
        """mu."""
        return jnp.exp(self.log_mean)

    variance = mean


class NegativeBinomialCounts(dist.Distribution):
    """Independent negative binomials given log mu and log theta, of one shape; see `log_negative_binomial`.

    NumPyro's `NegativeBinomial2` is off by 0.007 nats at theta = 1e6, mu = x = 5 in float32, and by more beyond.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"log_mean": constraints.real, "log_inverse_dispersion": constraints.real}
    support = constraints.nonnegative_integer  # pyright: ignore[reportAssignmentType]

    def __init__(self, log_mean: Float[Array, "..."], log_inverse_dispersion: Float[Array, "..."]) -> None:
        self.log_mean, self.log_inverse_dispersion = log_mean, jnp.broadcast_to(log_inverse_dispersion, log_mean.shape)
        super().__init__(batch_shape=log_mean.shape)

    def log_prob(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """log P(x = value) in nats."""
        there = is_count(value)
        log_mass = log_negative_binomial(jnp.where(there, value, 0.0), self.log_mean, self.log_inverse_dispersion)
        return jnp.where(there, log_mass, -jnp.inf)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """x ~ Poisson(lambda) with lambda ~ Gamma(theta, rate theta / mu); no gradient flows through it."""
        gamma_key, poisson_key = jax.random.split(key)
        log_theta, log_mean = jax.lax.stop_gradient((self.log_inverse_dispersion, self.log_mean))
        # The logarithm of a gamma variable of small theta is ordinary where the variable itself underflows.
        log_gamma = jax.random.loggamma(gamma_key, jnp.exp(log_theta), self.shape(sample_shape))
        return poisson_draw(poisson_key, jnp.exp(log_gamma + log_mean - log_theta))

    @property
    def mean(self) -> Float[Array, "..."]:
        """mu."""
        return jnp.exp(self.log_mean)

    @property
    def variance(self) -> Float[Array, "..."]:
        """mu + mu^2 / theta."""
        return self.mean + jnp.exp(2 * self.log_mean - self.log_inverse_dispersion)


class ZeroInflatedCounts(dist.Distribution):
    r"""A count that is 0 with probability pi, and otherwise one of `base`.

        log P(0) = log(pi + (1 - pi) P_base(0)),   log P(x) = log(1 - pi) + log P_base(x) for x > 0

    - `base`: independent counts. `zero_logits`: log pi - log(1 - pi), of the same shape.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"zero_logits": constraints.real}
    support = constraints.nonnegative_integer  # pyright: ignore[reportAssignmentType]
    pytree_data_fields = ("base", "zero_logits")

    def __init__(self, base: dist.Distribution, zero_logits: Float[Array, "..."]) -> None:
        self.base, self.zero_logits = base, zero_logits
        super().__init__(batch_shape=base.batch_shape)

    def log_prob(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """log P(x = value) in nats."""
        from_base = jnp.asarray(self.base.log_prob(value))
        # Both sums less log(1 + e^logit), which is -log(1 - pi): one logarithm in place of two.
        either = jnp.where(value == 0, jnp.logaddexp(self.zero_logits, from_base), from_base)
        return either - jax.nn.softplus(self.zero_logits)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """A draw of the base, or 0."""
        zero_key, base_key = jax.random.split(key)
        uniform = jax.random.uniform(zero_key, self.shape(sample_shape))
        return jnp.where(uniform < jax.nn.sigmoid(self.zero_logits), 0.0, jnp.asarray(self.base.sample(base_key, sample_shape)))

    @property
    def mean(self) -> Float[Array, "..."]:
        """(1 - pi) mu."""
        return jax.nn.sigmoid(-self.zero_logits) * jnp.asarray(self.base.mean)

    @property
    def variance(self) -> Float[Array, "..."]:
        """(1 - pi) (variance of the base + pi mu^2)."""
        zero = jax.nn.sigmoid(self.zero_logits)
        return (1 - zero) * (jnp.asarray(self.base.variance) + zero * jnp.square(jnp.asarray(self.base.mean)))


class MultinomialCounts(dist.Distribution):
    r"""How often each category came in `total` independent draws, an event of any shape; see `log_multinomial`.

    - `total`: n, of which draws and the mean are made. `log_prob` is about x given its own total, the sum of x: it sums to
      1 over all x with that total.
    - `log_proportions`: log p, with proportions that sum to 1 over the event.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"log_proportions": constraints.real, "total": constraints.nonnegative}

    def __init__(self, total: Float[Array, ""], log_proportions: Float[Array, "..."]) -> None:
        self.total, self.log_proportions = total, log_proportions
        super().__init__(batch_shape=(), event_shape=log_proportions.shape)

    @property
    def support(self) -> Any:
        """Whole numbers from 0 up."""
        return constraints.independent(constraints.nonnegative_integer, len(self.event_shape))

    def log_prob(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """log P(x | sum of x) in nats, one number for each event in `value`."""
        batch_shape = value.shape[: value.ndim - len(self.event_shape)]
        events = value.reshape(-1, *self.event_shape)
        there = is_count(events)
        log_masses = jax.vmap(log_multinomial, in_axes=(0, None))(jnp.where(there, events, 0.0), self.log_proportions)
        return jnp.where(there.reshape(len(events), -1).all(1), log_masses, -jnp.inf).reshape(batch_shape)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Counts that sum to the total, rounded to a whole number; no gradient flows through them."""
        proportions = jax.lax.stop_gradient(jnp.exp(self.log_proportions)).reshape(-1)
        total = jnp.round(jax.lax.stop_gradient(self.total))
        counts = _multinomial_draw(key, total, proportions, (*sample_shape, proportions.size))
        return counts.reshape(*sample_shape, *self.event_shape)

    @property
    def mean(self) -> Float[Array, "..."]:
        """n p."""
        return self.total * jnp.exp(self.log_proportions)

    @property
    def variance(self) -> Float[Array, "..."]:
        """n p (1 - p)."""
        return self.mean * (1 - jnp.exp(self.log_proportions))


# Outside a compiled program JAX's own function would compile its loop anew at every call.
@functools.partial(jax.jit, static_argnums=3)
def _multinomial_draw(key: PRNGKeyArray, total: Array, proportions: Array, shape: tuple[int, ...]) -> Array:
    return jax.random.multinomial(key, total, proportions, shape=shape)


def poisson_draw(key: PRNGKeyArray, rate: Float[Array, "..."]) -> Float[Array, "..."]:
    """Poisson variables of these rates, as floats; no gradient flows through them."""
    held = jax.lax.stop_gradient(jnp.minimum(rate, _LARGEST_RATE))
    return jax.random.poisson(key, held).astype(rate.dtype)
