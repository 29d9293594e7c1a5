"""The categorical likelihood: a mass for each level, with no order between the levels."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints
from typing_extensions import override

from .base import AbstractElementwise, Measure, Scaling, Support
from .level_masses import Categories, as_categories, check_categories, existing_levels, largest_of, normal_log_masses


class CategoricalLevels(dist.Distribution):
    """Independent levels 0, ..., K - 1, as floats, an array of any shape, given logits of shape (K, *shape).

    The levels come first because a decoder puts out one array for each; a level whose logit is -inf does not exist.
    """

    # NumPyro's real numbers are finite ones.
    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("logits",)

    def __init__(self, logits: Float[Array, "levels ..."]) -> None:
        self.logits = logits
        super().__init__(batch_shape=logits.shape[1:])

    @property
    def support(self) -> Any:
        """The whole numbers from 0 to K - 1, K being the element's own number of levels."""
        return constraints.integer_interval(0, jnp.sum(self.logits > -jnp.inf, axis=0) - 1)

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log P(x = value) in nats, of each element."""
        log_normaliser = jax.nn.logsumexp(self.logits, axis=0)
        events = value.reshape(-1, *self.batch_shape)
        there = (events >= 0) & (events < len(self.logits)) & (events == jnp.round(events))
        # Picked before it is normalised: the log-masses of all levels would be written out for the sake of one.
        levels = jnp.where(there, events, 0).astype(jnp.int32)
        picked = jnp.take_along_axis(self.logits, levels, axis=0, mode="promise_in_bounds")
        return jnp.where(there, picked - log_normaliser, -jnp.inf).reshape(value.shape)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Levels, as floats; no gradient flows through them."""
        logits = jax.lax.stop_gradient(self.logits)
        draws = jax.random.categorical(key, logits, axis=0, shape=(*sample_shape, *self.batch_shape))
        return draws.astype(self.logits.dtype)

    @property
    def mean(self) -> Float[Array, "..."]:
        """sum_k k P(x = k)."""
        levels = jnp.arange(self.logits.shape[0], dtype=self.logits.dtype)
        return jnp.tensordot(levels, jax.nn.softmax(self.logits, axis=0), axes=1)

    @property
    def variance(self) -> Float[Array, "..."]:
        """sum_k (k - mean)^2 P(x = k)."""
        levels = jnp.arange(self.logits.shape[0], dtype=self.logits.dtype).reshape(-1, *(1,) * len(self.batch_shape))
        return jnp.sum(jnp.square(levels - self.mean) * jax.nn.softmax(self.logits, axis=0), axis=0)


class Categorical(AbstractElementwise):
    r"""Independent categorical variables over the levels 0, ..., K - 1 with logits from the decoder.

        log p(x|z) = sum_d [ a_{x_d, d} - log sum_{k < K_d} exp(a_{k, d}) ]

    It knows of no order: level 7 tells nothing of level 8. With 256 levels it is 256 numbers for each pixel (van den Oord et
    al. 2016, PixelRNN); a discretised logistic needs two.

    - `num_categories`: K, or K_d for each element (flattened); logits of levels that an element does not have are
      not looked at, and such a level has probability 0.

    Raises `ConfigurationError` for numbers of categories that are not those of the event.
    """

    num_categories: Categories = eqx.field(static=True, converter=as_categories)
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = Support.LEVELS
    code: ClassVar[str] = "{name}({shape}, {num_levels})"
    scaling: ClassVar[Scaling] = "none"

    def __check_init__(self) -> None:
        check_categories(self.num_categories, self.event_shape)

    @property
    @override
    def heads(self) -> int:
        """(largest number of categories, *event_shape): a logit for each level of each element."""
        return largest_of(self.num_categories)

    @override
    def elements(self, params: Float[Array, "levels ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        if isinstance(self.num_categories, tuple):
            params = jnp.where(existing_levels(self.num_categories, self.event_shape), params, -jnp.inf)
        return CategoricalLevels(params)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The log-masses of a normal law of this mean and deviation, rounded to the levels."""
        log_masses = normal_log_masses(self.num_categories, mean, std)
        return np.where(np.isfinite(log_masses), log_masses, 0.0).astype(np.float32)
