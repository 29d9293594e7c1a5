"""The Gaussian likelihood with a full covariance of low rank plus diagonal: elements that err together."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from .base import AbstractJoint, Hides, Measure, Scaling, Support
from .location_scale import as_float32, floored_log_scale

# The part of the variance that the common factors have at the start: at none, their gradient would be zero.
INITIAL_COMMON_SHARE = 0.05


class LowRankNormal(dist.Distribution):
    r"""N(mu, W W^T + diag(sigma^2)) over an event of any shape, W of `rank` columns.

    With V = diag(1/sigma) W and r = (y - mu) / sigma, the matrix determinant lemma and Woodbury's identity give

        log p(y) = - [ r^T (I - V (I + V^T V)^-1 V^T) r + log det(I + V^T V) ] / 2 - sum_d [ log sigma_d + log(2 pi) / 2 ]

    Neither I + V^T V nor its Cholesky factor is formed: where the factors are large and alike, it would be singular in float32.
    Gram-Schmidt on the columns of [V; I] gives both terms, the first as the squared length of what is left of [r; 0].

    - `loc`, `log_scale`: arrays of the event's shape. `factor`: (rank, *event_shape), the columns of W.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, loc: Float[Array, "..."], factor: Float[Array, "rank ..."], log_scale: Float[Array, "..."]) -> None:
        self.loc, self.factor, self.log_scale = loc, factor, log_scale
        super().__init__(batch_shape=(), event_shape=loc.shape)

    @property
    def support(self) -> Any:
        """Any real event."""
        return dist.constraints.independent(dist.constraints.real, len(self.event_shape))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """mu + W u + sigma epsilon with independent standard normal u and epsilon."""
        common_key, own_key = jax.random.split(key)
        common = jax.random.normal(common_key, (*sample_shape, len(self.factor)))
        own = jax.random.normal(own_key, (*sample_shape, *self.event_shape))
        return self.loc + jnp.tensordot(common, self.factor, axes=1) + jnp.exp(self.log_scale) * own

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """The log-density in nats, one number for each event in `value`."""
        return self.marginal_log_prob(value, jnp.ones(self.event_shape, bool))

    def marginal_log_prob(self, value: Float[Array, "..."], observed: Array) -> Float[Array, "..."]:
        """The log-density of the observed elements alone: mu, W and sigma without the rows of the hidden ones."""
        rank, inverse_scale = len(self.factor), jnp.where(observed, jnp.exp(-self.log_scale), 0.0)
        batch_shape = value.shape[: value.ndim - len(self.event_shape)]
        residual = (jnp.where(observed, value - self.loc, 0.0) * inverse_scale).reshape(-1, self.loc.size)
        rest = jnp.concatenate([residual, jnp.zeros((len(residual), rank))], axis=1)
        columns = jnp.concatenate([(self.factor * inverse_scale).reshape(rank, -1), jnp.eye(rank)], axis=1)
        log_det = jnp.zeros(())
        for _ in range(rank):
            # At least 1 in exact arithmetic, because of the column's own row of I.
            squared_length = jnp.maximum(jnp.sum(jnp.square(columns[0])), 0.5)
            log_det = log_det + jnp.log(squared_length)
            direction = columns[0] * jax.lax.rsqrt(squared_length)
            rest = rest - (rest @ direction)[:, None] * direction
            columns = columns[1:] - (columns[1:] @ direction)[:, None] * direction
        terms = jnp.sum(jnp.square(rest), axis=1) + log_det
        normaliser = jnp.sum(jnp.where(observed, self.log_scale, 0.0)) + 0.5 * math.log(2 * math.pi) * jnp.sum(
            observed, dtype=jnp.float32
        )
        return (-0.5 * terms - normaliser).reshape(batch_shape)

    @property
    def mean(self) -> Float[Array, "..."]:
        """mu."""
        return self.loc

    @property
    def variance(self) -> Float[Array, "..."]:
        """The diagonal of the covariance."""
        return jnp.square(self.factor).sum(0) + jnp.exp(2 * self.log_scale)


class LowRankGaussian(AbstractJoint):
    r"""A Gaussian of all elements together, with mean, factors and scales from z.

        p(y|z) = N(y; mu, W W^T + diag(sigma^2)),   sigma_d = max(exp(s_d), floor_d), and at most e^30

    Independent errors make every draw of x grainy; here `rank` patterns of error are common to all elements. See `LowRankNormal`
    for the density.

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma, in the model's scale of the data; a number or one
      for each element. `rank`: columns of W.

    Raises `ConfigurationError` for a rank below 1.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    rank: int = eqx.field(static=True, default=5)
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.REAL
    scaling: ClassVar[Scaling] = "any"
    hides: ClassVar[Hides] = "elements"
    hidden_need_observed: ClassVar[bool] = True

    @property
    @override
    def heads(self) -> int:
        """(2 + rank, *event_shape): the mean's and the log-scale's numbers, and the columns of W."""
        return 2 + self.rank

    def distribution(self, params: Float[Array, "heads ..."], total: Float[Array, ""] | None = None) -> LowRankNormal:
        """LowRankNormal(mu, W, log sigma)."""
        return LowRankNormal(params[0], params[2:], floored_log_scale(params[1], self.scale_floor, self.event_shape))

    def _element_log_prob(self, params: Array, y: Array, total: Array | None) -> Array:
        normal = self.distribution(params)
        return jnp.asarray(dist.Normal(normal.mean, jnp.sqrt(normal.variance)).log_prob(y))

    def _marginal_log_prob(self, params: Array, y: Array, observed: Array, total: Array | None) -> Array:
        return self.distribution(params).marginal_log_prob(jnp.where(observed, y, 0.0), observed)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The mean, a twentieth of each variance in random patterns common to all elements, and the rest in the scales.

        Patterns of zero would stay there: it is a saddle of the likelihood.
        """
        # Any fixed patterns do, so long as they differ.
        patterns = np.random.default_rng(0).standard_normal((self.rank, *self.event_shape))
        patterns *= np.sqrt(INITIAL_COMMON_SHARE / np.square(patterns).sum(axis=0))
        scale = np.maximum(np.sqrt(1 - INITIAL_COMMON_SHARE) * std, self.scale_floor)
        return np.concatenate([mean[None], np.log(scale)[None], patterns * std]).astype(np.float32)

    def monitors(self, params: Float[Array, "heads ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose own scale is held up by the floor."""
        return {"fraction_at_floor": (params[1] <= jnp.log(self.scale_floor)).mean(dtype=jnp.float32)}
