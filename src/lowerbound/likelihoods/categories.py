"""The likelihood of coded columns: a mass for each category, and one for all that training did not see."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints
from typing_extensions import override

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..errors import ConfigurationError
from .base import AbstractElementwise, Measure, Scaling, Support
from .nodes import Nodes, of_values

# Of a category that occurs n times the start is the log of n + this.
_SMOOTHING = 1.0


class CodedValues(dist.Distribution):
    """Independent codes 0, ..., K_d, as floats; K_d stands for all that is none of the K_d categories.

    - `logits`: (largest K, *shape), -inf where an element has no such category. `num_categories`, `unseen`: K_d and the
      probability of the code K_d, of `shape`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("logits", "num_categories", "unseen")

    def __init__(
        self, logits: Float[Array, "categories ..."], num_categories: np.ndarray | Array, unseen: np.ndarray | Array
    ) -> None:
        self.logits, self.num_categories, self.unseen = logits, num_categories, unseen
        super().__init__(batch_shape=logits.shape[1:])

    @property
    def support(self) -> Any:
        """The whole numbers from 0 to K_d."""
        return constraints.integer_interval(0, jnp.asarray(self.num_categories, jnp.float32))

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log P(x = value) in nats, of each element."""
        log_normaliser = jax.nn.logsumexp(self.logits, axis=0)
        events = value.reshape(-1, *self.batch_shape)
        count = jnp.asarray(self.num_categories, events.dtype)
        there = (events >= 0) & (events < count) & (events == jnp.round(events))
        codes = jnp.where(there, events, 0).astype(jnp.int32)
        picked = jnp.take_along_axis(self.logits, codes, axis=0, mode="promise_in_bounds")
        unseen = jnp.asarray(self.unseen, picked.dtype)
        known = jnp.log1p(-unseen) + picked - log_normaliser
        other = jnp.where(events == count, jnp.log(unseen), -jnp.inf)
        return jnp.where(there, known, other).reshape(value.shape)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Codes, as floats; no gradient flows through them."""
        known_key, unseen_key = jax.random.split(key)
        shape = (*sample_shape, *self.batch_shape)
        draws = jax.random.categorical(known_key, jax.lax.stop_gradient(self.logits), axis=0, shape=shape)
        is_unseen = jax.random.uniform(unseen_key, shape, self.logits.dtype) < self.unseen
        return jnp.where(is_unseen, jnp.asarray(self.num_categories, jnp.int32), draws).astype(self.logits.dtype)

    @property
    def masses(self) -> Float[Array, "codes ..."]:
        """P(x = k) of each code, along the first axis; that of K_d stands last, whatever K_d is."""
        unseen = jnp.broadcast_to(jnp.asarray(self.unseen, self.logits.dtype), self.batch_shape)
        return jnp.concatenate([(1 - unseen) * jax.nn.softmax(self.logits, axis=0), unseen[None]])

    @property
    def mean(self) -> Float[Array, "..."]:
        """sum_k k P(x = k)."""
        return jnp.sum(self._codes * self.masses, axis=0)

    @property
    def variance(self) -> Float[Array, "..."]:
        """sum_k (k - mean)^2 P(x = k)."""
        return jnp.sum(jnp.square(self._codes - self.mean) * self.masses, axis=0)

    @property
    def nodes(self) -> Nodes:
        """The codes and their logarithms of probabilities."""
        unseen = jnp.broadcast_to(jnp.asarray(self.unseen, self.logits.dtype), self.batch_shape)
        log_known = jnp.log1p(-unseen) + jax.nn.log_softmax(self.logits, axis=0)
        return of_values(self._codes, jnp.concatenate([log_known, jnp.log(unseen)[None]]))

    @property
    def _codes(self) -> Float[Array, "codes ..."]:
        known = jnp.arange(len(self.logits), dtype=self.logits.dtype).reshape(-1, *[1] * len(self.batch_shape))
        last = jnp.broadcast_to(jnp.asarray(self.num_categories, self.logits.dtype), self.batch_shape)
        return jnp.concatenate([jnp.broadcast_to(known, self.logits.shape), last[None]])


def _as_counts(value: Any) -> np.ndarray:
    return np.asarray(value, np.int32)


def _as_float32(value: Any) -> np.ndarray:
    return np.asarray(value, np.float32)


class CategoriesLikelihood(AbstractElementwise):
    r"""Independent categories with logits from z, and a fixed mass epsilon_d for whatever is none of them.

        P(k|z) = (1 - epsilon_d) exp(a_{k, d}) / sum_{j < K_d} exp(a_{j, d})   for k < K_d,        P(K_d|z) = epsilon_d

    The last code is the bucket of values that training did not see: of a value in it, nothing is known but that.

    - `event_shape`: (columns,).
    - `num_categories`: K_d of each column. `unseen`: epsilon_d of each, above 0 and below 1; Good and Turing's estimate is the
      share of the rows whose value occurs once.
    - `start`: (largest K, columns), logits to start from; zeros where None.

    Raises `ConfigurationError` where these do not fit together.
    """

    num_categories: np.ndarray = eqx.field(converter=_as_counts)
    unseen: np.ndarray = eqx.field(converter=_as_float32)
    # In a program arrays are traced, and shapes must not be.
    sizes: tuple[int, ...] = eqx.field(static=True)
    start: np.ndarray | None
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = Support.CODES
    scaling: ClassVar[Scaling] = "none"

    def __init__(self, event_shape: tuple[int, ...], num_categories: Any, unseen: Any, start: np.ndarray | None = None) -> None:
        self.event_shape = tuple(event_shape)
        self.num_categories = np.broadcast_to(num_categories, self.event_shape)
        self.unseen = np.broadcast_to(unseen, self.event_shape)
        if (np.asarray(num_categories) < 1).any() or not ((np.asarray(unseen) > 0) & (np.asarray(unseen) < 1)).all():
            raise ConfigurationError(
                f"num_categories is {num_categories!r} and unseen {unseen!r}; expected numbers from 1 up, and probabilities "
                "above 0 and below 1."
            )
        self.sizes = tuple(self.num_categories.reshape(-1).tolist())
        self.start = None if start is None else np.asarray(start, np.float32)

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> CategoriesLikelihood:
        columns = context.spec.columns
        counts = [len(column.categories) for column in columns]
        start = np.zeros((max(counts), len(columns)))
        for number, column in enumerate(columns):
            logs = np.log(np.asarray(column.counts, np.float64) + _SMOOTHING)
            start[: len(logs), number] = logs - logs.mean()
        return cls(context.spec.event_shape, counts, [column.unseen for column in columns], start)

    @property
    @override
    def heads(self) -> int:
        return max(self.sizes)

    @override
    def elements(self, params: Float[Array, "categories ..."], total: Float[Array, ""] | None = None) -> CodedValues:
        codes = jnp.arange(self.heads).reshape(-1, *[1] * len(self.event_shape))
        return CodedValues(jnp.where(codes < self.num_categories, params, -jnp.inf), self.num_categories, self.unseen)

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        return np.zeros(self.param_shape, np.float32) if self.start is None else self.start

    @override
    def masses_of_codes(self, params: Float[Array, "categories ..."]) -> dict[int, Float[Array, " codes"]]:
        masses = self.elements(params).masses.reshape(self.heads + 1, math.prod(self.event_shape))
        return {number: jnp.concatenate([masses[:size, number], masses[-1:, number]]) for number, size in enumerate(self.sizes)}
