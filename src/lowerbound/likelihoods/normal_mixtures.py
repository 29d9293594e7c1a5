"""Mixtures of normal laws for each element: of the numbers, of their logarithms, and of those with a mass at 0 besides."""

from __future__ import annotations

import math
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
from .base import AbstractElementwise, Measure, Scaling, Support
from .location_scale import LARGEST_LOG_SCALE, as_float32, scale_floor
from .log_normal import LARGEST_LOG_MEDIAN, LARGEST_LOG_SIGMA
from .nodes import Nodes, joined, of_normal, of_values

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
# Components start with this part of the variance within each at least.
_LEAST_WITHIN = 0.05


class NormalMixture(dist.Distribution):
    """Independent mixtures of K normal laws, components first: of y, or of log y where `is_log`.

    - `logits`, `loc`, `log_scale`: (K, *shape). `zero_logit`: of `shape`, the logit of P(y = 0); None where 0 has no mass.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("logits", "loc", "log_scale", "zero_logit")
    pytree_aux_fields = ("is_log",)

    def __init__(
        self,
        logits: Float[Array, "components ..."],
        loc: Float[Array, "components ..."],
        log_scale: Float[Array, "components ..."],
        zero_logit: Float[Array, "..."] | None = None,
        *,
        is_log: bool = False,
    ) -> None:
        self.logits, self.loc, self.log_scale, self.zero_logit, self.is_log = logits, loc, log_scale, zero_logit, is_log
        super().__init__(batch_shape=loc.shape[1:])

    @property
    def support(self) -> Any:
        """Any number; numbers above 0 where their logarithms are normal, and 0 where it has a mass."""
        if self.zero_logit is not None:
            return constraints.nonnegative
        return constraints.positive if self.is_log else constraints.real

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(y) in nats, of each element; at y = 0 the logarithm of its mass, where it has one."""
        if not self.is_log:
            return self._of_normal(value)
        is_above = value > 0
        logs = jnp.log(jnp.where(is_above, value, 1.0))
        density = self._of_normal(logs) - logs
        if self.zero_logit is None:
            return jnp.where(is_above, density, -jnp.inf)
        zero = jnp.where(value == 0, jax.nn.log_sigmoid(self.zero_logit), -jnp.inf)
        return jnp.where(is_above, density + jax.nn.log_sigmoid(-self.zero_logit), zero)

    def _of_normal(self, u: Array) -> Array:
        # Components first, then whatever axes the values have before the batch's.
        before = (1,) * (u.ndim - len(self.batch_shape))
        logits, loc, log_scale = (
            each.reshape(len(each), *before, *each.shape[1:]) for each in (self.logits, self.loc, self.log_scale)
        )
        each = logits - 0.5 * jnp.square((u - loc) * jnp.exp(-log_scale)) - log_scale
        log_weights = jax.nn.logsumexp(self.logits, axis=0)
        return jax.nn.logsumexp(each, axis=0) - log_weights - _HALF_LOG_TWO_PI

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws; no gradient flows through the choice of a component."""
        component_key, normal_key, zero_key = jax.random.split(key, 3)
        shape = (*sample_shape, *self.batch_shape)
        chosen = jax.random.categorical(component_key, jax.lax.stop_gradient(self.logits), axis=0, shape=shape)
        flat = chosen.reshape(-1, *self.batch_shape)
        loc, scale = (jnp.take_along_axis(each, flat, axis=0).reshape(shape) for each in (self.loc, jnp.exp(self.log_scale)))
        drawn = loc + scale * jax.random.normal(normal_key, shape, loc.dtype)
        drawn = jnp.exp(drawn) if self.is_log else drawn
        if self.zero_logit is None:
            return drawn
        is_zero = jax.random.uniform(zero_key, shape, loc.dtype) < jax.nn.sigmoid(self.zero_logit)
        return jnp.where(is_zero, 0.0, drawn)

    @property
    def mean(self) -> Float[Array, "..."]:
        """E[y]."""
        return self._moments[0]

    @property
    def variance(self) -> Float[Array, "..."]:
        """Var[y]."""
        first, second = self._moments
        return second - jnp.square(first)

    @property
    def nodes(self) -> Nodes:
        """Values and their probabilities, in place of the density: those of each component, and 0 where it has a mass."""
        found = of_normal(self.loc, self.log_scale)
        log_mass = found.log_mass + jax.nn.log_softmax(self.logits, axis=0)
        found = Nodes(*(each.reshape(-1, *self.batch_shape) for each in (found.value, log_mass, found.low, found.high)))
        if self.is_log:
            found = Nodes(jnp.exp(found.value), found.log_mass, jnp.exp(found.low), jnp.exp(found.high))
        if self.zero_logit is None:
            return found
        above = found._replace(log_mass=found.log_mass + jax.nn.log_sigmoid(-self.zero_logit))
        zero = jax.nn.log_sigmoid(self.zero_logit)[None]
        return joined([above, of_values(jnp.zeros_like(zero), zero)], axis=0)

    @property
    def _moments(self) -> tuple[Array, Array]:
        """E[y] and E[y^2]."""
        weights, variance = jax.nn.softmax(self.logits, axis=0), jnp.exp(2 * self.log_scale)
        if self.is_log:
            first, second = jnp.exp(self.loc + variance / 2), jnp.exp(2 * self.loc + 2 * variance)
        else:
            first, second = self.loc, jnp.square(self.loc) + variance
        first, second = (jnp.sum(weights * each, axis=0) for each in (first, second))
        if self.zero_logit is None:
            return first, second
        above = jax.nn.sigmoid(-self.zero_logit)
        return above * first, above * second


class AbstractNormalMixture(AbstractElementwise):
    """What mixtures share: heads (logits, locations, logarithms of scales, and perhaps the logit of 0), floors, and a start."""

    scale_floor: eqx.AbstractVar[np.ndarray]
    num_components: eqx.AbstractVar[int]
    is_log: eqx.AbstractClassVar[bool]
    has_zero: ClassVar[bool] = False

    @property
    @override
    def heads(self) -> int:
        return 3 * self.num_components + self.has_zero

    @override
    def elements(self, params: Float[Array, "heads ..."], total: Float[Array, ""] | None = None) -> NormalMixture:
        logits, loc, raw = (params[i * self.num_components : (i + 1) * self.num_components] for i in range(3))
        lowest = jnp.broadcast_to(jnp.log(self.scale_floor), raw.shape).astype(raw.dtype)
        highest = jnp.full_like(lowest, LARGEST_LOG_SIGMA if self.is_log else LARGEST_LOG_SCALE)
        # The floor of an element may lie above the largest scale of a logarithm.
        log_scale = jax.lax.clamp(jnp.minimum(lowest, highest), raw, highest)
        loc = jnp.clip(loc, -LARGEST_LOG_MEDIAN, LARGEST_LOG_MEDIAN) if self.is_log else loc
        return NormalMixture(logits, loc, log_scale, params[-1] if self.has_zero else None, is_log=self.is_log)

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Components at the quantiles of a normal law with the data's moments, each as wide as leaves their variance."""
        mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        wanted = mean
        if self.is_log:
            mean = wanted = np.maximum(mean, np.finfo(np.float32).tiny)
            variance = np.log1p(np.square(std / mean))
            mean, std = np.log(mean) - variance / 2, np.sqrt(variance)
        std = np.maximum(std, self.scale_floor)
        places = scipy.special.ndtri((np.arange(self.num_components) + 0.5) / self.num_components)
        within = math.sqrt(max(1 - float(np.mean(places**2)), _LEAST_WITHIN))
        shape = (self.num_components, *self.event_shape)
        loc = mean + places.reshape(-1, *[1] * len(self.event_shape)) * std
        scale = np.broadcast_to(np.maximum(within * std, self.scale_floor), shape)
        if self.is_log:
            # The components' mean is the wanted one: half of all numbers are zeros, where zeros have a mass.
            found = np.exp(loc + scale**2 / 2).mean(axis=0) * (0.5 if self.has_zero else 1.0)
            loc = loc + np.log(wanted / found)
        zero = [np.zeros((1, *self.event_shape))] if self.has_zero else []
        return np.concatenate([np.zeros(shape), np.broadcast_to(loc, shape), np.log(scale), *zero]).astype(np.float32)

    @override
    def monitors(self, params: Float[Array, "heads ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the part of the components' weight whose scale is held up by the floor."""
        weights = jax.nn.softmax(params[: self.num_components], axis=0)
        raw = params[2 * self.num_components : 3 * self.num_components]
        held = jnp.where(raw <= jnp.log(self.scale_floor), weights, 0.0)
        return {"fraction_at_floor": held.sum(axis=0).mean(dtype=jnp.float32)}


class GaussianMixture(AbstractNormalMixture):
    r"""Independent mixtures of K Gaussians, all of whose numbers are functions of z.

        p(y|z) = prod_d sum_k pi_{k, d} N(y_d; mu_{k, d}, sigma_{k, d}^2),     pi = softmax of K logits

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma; a number or one for each element.
    - `num_components`: K. Decoder outputs: K logits, K means, K logarithms of sigma.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    num_components: int = eqx.field(static=True, default=5)
    is_log: ClassVar[bool] = False
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.REAL
    scaling: ClassVar[Scaling] = "any"


class LogNormalMixture(AbstractNormalMixture):
    r"""Independent mixtures of K log-normal laws, for positive data whose law has more than one bump.

        p(y|z) = prod_d (1 / y_d) sum_k pi_{k, d} N(log y_d; mu_{k, d}, sigma_{k, d}^2),     y_d > 0

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma, which is relative: 0.01 is a hundredth of the value.
    - `num_components`: K. Decoder outputs: K logits, K means, K logarithms of sigma.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    num_components: int = eqx.field(static=True, default=5)
    is_log: ClassVar[bool] = True
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.POSITIVE
    scaling: ClassVar[Scaling] = "none"

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> LogNormalMixture:
        return cls(context.spec.event_shape, num_components=config.num_components, scale_floor=_relative_floor(config, context))


class ZeroInflatedLogNormal(AbstractNormalMixture):
    r"""Numbers that are exactly 0 with probability pi_d(z), and otherwise follow a mixture of K log-normal laws.

        P(y_d = 0|z) = pi_d,     p(y_d|z) = (1 - pi_d) (1 / y_d) sum_k w_{k, d} N(log y_d; mu_{k, d}, sigma_{k, d}^2) for y_d > 0

    Its measure is a point mass at 0 beside Lebesgue's: log p is a log-probability at 0 and a log-density above it.

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma, which is relative.
    - `num_components`: K. Decoder outputs: K logits, K means, K logarithms of sigma, and the logit of pi.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    num_components: int = eqx.field(static=True, default=5)
    is_log: ClassVar[bool] = True
    has_zero: ClassVar[bool] = True
    measure: ClassVar[Measure] = "mixed"
    support: ClassVar[Support] = Support.NONNEGATIVE
    scaling: ClassVar[Scaling] = "none"

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> ZeroInflatedLogNormal:
        return cls(context.spec.event_shape, num_components=config.num_components, scale_floor=_relative_floor(config, context))


def _relative_floor(config: PartConfig, context: BuildContext) -> np.ndarray:
    """The floor of a Gaussian for the data, relative to each element's mean."""
    mean = np.maximum(np.asarray(context.spec.mean).reshape(context.spec.event_shape), np.finfo(np.float32).tiny)
    return np.minimum(scale_floor(config, context) / mean, 0.5)
