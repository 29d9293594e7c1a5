"""The quantised Gaussian: a probability mass on equally spaced levels from a Gaussian's mass between their edges."""

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

from ..config.context import BuildContext
from ..config.part import PartConfig
from .base import AbstractElementwise, Measure, Scaling, Support
from .lattice import Lattice
from .location_scale import LARGEST_LOG_SCALE, squeeze, unsqueeze

_NODES, _WEIGHTS = (values.tolist() for values in np.polynomial.legendre.leggauss(5))


class QuantizedGaussianDistribution(dist.Distribution):
    r"""Normal(loc, scale) rounded to `num_levels` equally spaced levels of [low, high].

        P(x = v) = Phi((v + h - loc) / scale) - Phi((v - h - loc) / scale),   h = half a step,

    where the lowest level takes the whole lower tail and the highest the whole upper tail, so the masses sum to 1 (Ho et al.
    2020, arXiv 2006.11239, eq. 13). Often written as log(max(Phi - Phi, 1e-12)), which is no probability in the tails, and has no
    gradient there.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(
        self,
        loc: Float[Array, "..."],
        scale: Float[Array, "..."],
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
        centre, width = (value - self.loc) / self.scale, self.step / self.scale
        is_lowest, is_highest = value < self.low + half, value > self.high - half
        # The tail beyond an edge level's inner edge, by the symmetry of Phi.
        tail = jax.scipy.special.log_ndtr(jnp.where(is_lowest, centre, -centre) + width / 2)
        return jnp.where(is_lowest | is_highest, tail, log_mass_between(centre, width))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw the Gaussian, round it to the nearest level, keep it within the range."""
        continuous = self.loc + self.scale * jax.random.normal(key, self.shape(sample_shape))
        level = jnp.clip(jnp.round((continuous - self.low) / self.step), 0, self.num_levels - 1)
        # Divided last: 255 times the float32 nearest to k / 255 is k exactly, so 8-bit draws come back as whole numbers.
        return self.low + (self.high - self.low) * (level / (self.num_levels - 1))

    @property
    def mean(self) -> Array:
        """E[x] = low + step * sum_{k >= 1} P(level >= k), summed exactly."""
        edges = self.low + self.step * (jnp.arange(1, self.num_levels, dtype=jnp.float32) - 0.5)
        above = jax.scipy.special.ndtr((self.loc[..., None] - edges) / self.scale[..., None])
        return self.low + self.step * above.sum(-1)


def log_mass_between(centre: Float[Array, "..."], width: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""log[ Phi(c + w/2) - Phi(c - w/2) ], to float32 precision for every c and every w > 0.

    In the lower tail (by symmetry) the two log Phi are far enough apart to be subtracted, unless the interval is narrow. There,
    with 5 nodes of Gauss and Legendre,

        mass = phi(c) * integral over |t| < w/2 of exp(-c t - t^2/2) dt.
    """
    distance = jnp.abs(centre)
    is_narrow = (width < 1) & (distance * width < 2)
    log_upper, log_lower = (jax.scipy.special.log_ndtr(side * width / 2 - distance) for side in (1, -1))
    # Where the interval is not narrow the true difference is above 0.5; in the far tail rounding can lose it.
    between = log_upper + jnp.log(-jnp.expm1(-jnp.maximum(log_upper - log_lower, 0.5)))
    half, slope = jnp.where(is_narrow, width / 2, 0.5), jnp.where(is_narrow, distance, 0.0)
    integrand = [
        weight * jnp.exp(-slope * half * node - jnp.square(half * node) / 2)
        for node, weight in zip(_NODES, _WEIGHTS, strict=True)
    ]
    narrow = -jnp.square(slope) / 2 - 0.5 * math.log(2 * math.pi) + jnp.log(half) + jnp.log(sum(integrand))
    return jnp.where(is_narrow, narrow, between)


class QuantizedGaussian(AbstractElementwise):
    r"""Independent quantised Gaussians with mean and scale from z.

    Decoder outputs (a, s): loc = low + (high - low) sigmoid(a) (or a itself when `bounded_mean` is False),
    scale = max(exp(s), floor), and at most e^30. The floor is a tenth of a step: there nearly all mass is on one level already.
    See `QuantizedGaussianDistribution` for the masses.

    - `low`, `high`: lowest and highest level in the model's scale of the data; `num_levels`: how many there are.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    low: float = eqx.field(static=True, default=0.0)
    high: float = eqx.field(static=True, default=1.0)
    num_levels: int = eqx.field(static=True, default=256)
    bounded_mean: bool = eqx.field(static=True, default=True)
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = "levels"
    code: ClassVar[str] = "QuantizedGaussian({shape}, {low:g}, {high:g}, {num_levels})"
    scaling: ClassVar[Scaling] = "unit"
    given_total: ClassVar[bool] = False

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> QuantizedGaussian:
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
        return math.log(0.1 * (self.high - self.low) / (self.num_levels - 1))

    def elements(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """QuantizedGaussianDistribution."""
        loc = squeeze(params[0], self.low, self.high) if self.bounded_mean else params[0]
        scale = jnp.exp(jnp.clip(params[1], self.log_scale_floor, LARGEST_LOG_SCALE))
        masses = QuantizedGaussianDistribution(loc, scale, low=self.low, high=self.high, num_levels=self.num_levels)
        return masses

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The location at the mean and the scale at the deviation."""
        loc = unsqueeze(mean, self.low, self.high) if self.bounded_mean else mean
        return np.stack([loc, np.log(np.maximum(std, math.exp(self.log_scale_floor)))]).astype(np.float32)

    def monitors(self, params: Float[Array, "two ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        return {"fraction_at_floor": (params[1] <= self.log_scale_floor).mean(dtype=jnp.float32)}
