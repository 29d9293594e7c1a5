"""The discretised logistic: a probability mass on equally spaced levels, such as 8-bit pixels."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints

from ..config.context import BuildContext
from ..config.part import PartConfig
from .base import AbstractElementwise, Measure, Scaling, Support
from .lattice import Lattice
from .location_scale import LARGEST_LOG_SCALE, squeeze, unsqueeze


class DiscretizedLogisticDistribution(dist.Distribution):
    r"""Logistic(loc, scale) rounded to `num_levels` equally spaced levels of [low, high].

        P(x = v) = S((v + h - loc) / scale) - S((v - h - loc) / scale),   S = sigmoid,   h = half a step,

    where the lowest level takes the whole lower tail and the highest the whole upper tail, so the masses sum to 1
    (Kingma et al. 2016, arXiv 1606.04934, section 5.1; Salimans et al. 2017, arXiv 1701.05517, eq. 2).
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012 (NumPyro's own convention)
    loc: Array
    scale: Array
    pytree_data_fields = ("loc", "scale")
    pytree_aux_fields = ("low", "high", "num_levels")

    def __init__(
        self,
        loc: Any,
        scale: Any,
        *,
        low: float = 0.0,
        high: float = 1.0,
        num_levels: int = 256,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale = jnp.broadcast_arrays(loc, scale)
        self.low, self.high, self.num_levels = low, high, num_levels
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)  # pyright: ignore[reportArgumentType]
    def support(self) -> Any:
        """The levels."""
        return self.levels

    @property
    def levels(self) -> Lattice:
        """The levels, as a constraint."""
        return Lattice(self.low, self.high, self.num_levels)

    @property
    def step(self) -> float:
        """The distance between two levels."""
        return (self.high - self.low) / (self.num_levels - 1)

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log P(x = value) in nats; -inf off the levels."""
        return jnp.where(self.levels(value), self.log_mass(value), -jnp.inf)

    def log_mass(self, value: Array) -> Array:
        """log P(x = value) in nats, for a value that is known to be a level."""
        half = self.step / 2
        # The difference first: it is exact where the value is near the location, which is where rounding would matter.
        centred, half_width = (value - self.loc) / self.scale, half / self.scale
        upper, lower = centred + half_width, centred - half_width
        # S(u) - S(l) = S(u) S(-l) (1 - exp(l - u)): each factor has a stable logarithm, and an edge level just drops factors.
        is_lowest = value < self.low + half
        is_highest = value > self.high - half
        log_below_upper = jnp.where(is_highest, 0.0, jax.nn.log_sigmoid(upper))
        log_above_lower = jnp.where(is_lowest, 0.0, jax.nn.log_sigmoid(-lower))
        log_width = jnp.where(is_lowest | is_highest, 0.0, jnp.log(-jnp.expm1(-2 * half_width)))
        return log_below_upper + log_above_lower + log_width

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw the logistic variable, round it to the nearest level, keep it within the range."""
        continuous = self.loc + self.scale * jax.random.logistic(key, self.shape(sample_shape))
        level = jnp.clip(jnp.round((continuous - self.low) / self.step), 0, self.num_levels - 1)
        # Divided last: 255 times the float32 nearest to k / 255 is k exactly, so 8-bit draws come back as whole numbers.
        return self.low + (self.high - self.low) * (level / (self.num_levels - 1))

    @property
    def mean(self) -> Array:
        """E[x] = low + step * sum_{k >= 1} P(level >= k), summed exactly."""
        edges = self.low + self.step * (jnp.arange(1, self.num_levels, dtype=jnp.float32) - 0.5)
        above = jax.nn.sigmoid((self.loc[..., None] - edges) / self.scale[..., None])
        return self.low + self.step * above.sum(-1)


class DiscretizedLogistic(AbstractElementwise):
    r"""Independent discretised logistics with mean and scale from z.

    Decoder outputs (a, s): loc = low + (high - low) sigmoid(a) (or a itself when `bounded_mean` is False),
    scale = max(exp(s), floor), and at most e^30. The floor is a tenth of a step: there nearly all mass is on one level already.
    See `DiscretizedLogisticDistribution` for the masses.

    - `low`, `high`: lowest and highest level in the model's scale of the data; `num_levels`: how many there are.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    low: float = eqx.field(static=True, default=0.0)
    high: float = eqx.field(static=True, default=1.0)
    num_levels: int = eqx.field(static=True, default=256)
    bounded_mean: bool = eqx.field(static=True, default=True)
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = "levels"
    code: ClassVar[str] = "DiscretizedLogistic({shape}, {low:g}, {high:g}, {num_levels})"
    scaling: ClassVar[Scaling] = "unit"
    given_total: ClassVar[bool] = False

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> DiscretizedLogistic:
        """On the data's own levels."""
        spec = context.spec
        bounded = config.mean == "sigmoid"
        return cls(spec.event_shape, float(context.low), float(context.high), spec.num_levels, bounded_mean=bounded)

    @property
    def mean(self) -> str:
        """ "sigmoid" for a bounded location, or "free"."""
        return "sigmoid" if self.bounded_mean else "free"

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(2, *event_shape): the location's and the log-scale's numbers."""
        return (2, *self.event_shape)

    @property
    def log_scale_floor(self) -> float:
        """The logarithm of the smallest scale, a tenth of the distance between two levels."""
        return float(np.log(0.1 * (self.high - self.low) / (self.num_levels - 1)))

    def elements(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """DiscretizedLogisticDistribution."""
        loc = squeeze(params[0], self.low, self.high) if self.bounded_mean else params[0]
        scale = jnp.exp(jnp.clip(params[1], self.log_scale_floor, LARGEST_LOG_SCALE))
        masses = DiscretizedLogisticDistribution(loc, scale, low=self.low, high=self.high, num_levels=self.num_levels)
        return masses

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The location at the mean and, because a logistic's variance is (pi scale)^2 / 3, the scale at sqrt(3) std / pi."""
        location = unsqueeze(mean, self.low, self.high) if self.bounded_mean else mean
        log_scale = np.log(np.maximum(np.sqrt(3.0) / np.pi * std, np.exp(self.log_scale_floor)))
        return np.stack([location, log_scale]).astype(np.float32)

    def monitors(self, params: Float[Array, "two ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        return {"fraction_at_floor": (params[1] <= self.log_scale_floor).mean(dtype=jnp.float32)}
