"""Variables on a line rounded to equally spaced levels, such as 8-bit pixels: a logistic and a normal one."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints
from typing_extensions import override

from .lattice import Lattice

_NODES, _WEIGHTS = (values.tolist() for values in np.polynomial.legendre.leggauss(5))


class AbstractRounded(dist.Distribution):
    r"""loc + scale u, u of a law symmetric about 0 with the cdf F, rounded to the nearest of the levels.

        P(x = v) = F((v + h - loc) / scale) - F((v - h - loc) / scale),   h = half a step,

    where the lowest level takes the whole lower tail and the highest the whole upper tail, so the masses sum to 1.
    NumPyro has no such distribution.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"loc": constraints.real, "scale": constraints.positive}
    pytree_data_fields = ("loc", "scale")
    pytree_aux_fields = ("levels",)

    def __init__(self, loc: Any, scale: Any, levels: Lattice) -> None:
        self.loc, self.scale = jnp.broadcast_arrays(loc, scale)
        self.levels = levels
        super().__init__(self.loc.shape)

    @constraints.dependent_property(is_discrete=True, event_dim=0)  # pyright: ignore[reportArgumentType]
    def support(self) -> Any:
        """The levels."""
        return self.levels

    @abstractmethod
    def log_mass(self, value: Array) -> Array:
        """log P(x = value) in nats, for a value that is known to be a level."""

    @abstractmethod
    def _cdf(self, u: Array) -> Array: ...

    @abstractmethod
    def _noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Array: ...

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log P(x = value) in nats; -inf off the levels."""
        return jnp.where(self.levels(value), self.log_mass(value), -jnp.inf)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw the variable, round it to the nearest level within the range."""
        return self.levels.nearest(self.loc + self.scale * self._noise(key, self.shape(sample_shape)))

    @property
    def mean(self) -> Array:
        """E[x] = low + step * sum_{k >= 1} P(level >= k), summed exactly."""
        low, step = self.levels.low, self.levels.step
        edges = low + step * (jnp.arange(1, self.levels.num_levels, dtype=jnp.float32) - 0.5)
        return low + step * self._cdf((self.loc[..., None] - edges) / self.scale[..., None]).sum(-1)


class DiscretizedLogisticDistribution(AbstractRounded):
    """Logistic(loc, scale) rounded to levels (Kingma et al. 2016, arXiv 1606.04934, section 5.1)."""

    @override
    def log_mass(self, value: Array) -> Array:
        half = self.levels.step / 2
        # The difference first: it is exact where the value is near the location, which is where rounding would matter.
        centred, half_width = (value - self.loc) / self.scale, half / self.scale
        upper, lower = centred + half_width, centred - half_width
        # S(u) - S(l) = S(u) S(-l) (1 - exp(l - u)): each factor has a stable logarithm, and an edge level just drops factors.
        is_lowest = value < self.levels.low + half
        is_highest = value > self.levels.high - half
        log_below_upper = jnp.where(is_highest, 0.0, jax.nn.log_sigmoid(upper))
        log_above_lower = jnp.where(is_lowest, 0.0, jax.nn.log_sigmoid(-lower))
        log_width = jnp.where(is_lowest | is_highest, 0.0, jnp.log(-jnp.expm1(-2 * half_width)))
        return log_below_upper + log_above_lower + log_width

    @override
    def _cdf(self, u: Array) -> Array:
        return jax.nn.sigmoid(u)

    @override
    def _noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
        return jax.random.logistic(key, shape)


class QuantizedGaussianDistribution(AbstractRounded):
    """Normal(loc, scale) rounded to levels (Ho et al. 2020, arXiv 2006.11239, eq. 13).

    Often written as log(max(Phi - Phi, 1e-12)), which is no probability in the tails, and has no gradient there.
    """

    @override
    def log_mass(self, value: Array) -> Array:
        step = self.levels.step
        centre, width = (value - self.loc) / self.scale, step / self.scale
        is_lowest, is_highest = value < self.levels.low + step / 2, value > self.levels.high - step / 2
        # The tail beyond an edge level's inner edge, by the symmetry of Phi.
        tail = jax.scipy.special.log_ndtr(jnp.where(is_lowest, centre, -centre) + width / 2)
        return jnp.where(is_lowest | is_highest, tail, log_mass_between(centre, width))

    @override
    def _cdf(self, u: Array) -> Array:
        return jax.scipy.special.ndtr(u)

    @override
    def _noise(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
        return jax.random.normal(key, shape)


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
