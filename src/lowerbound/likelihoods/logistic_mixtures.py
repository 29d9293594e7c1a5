"""Mixtures of discretised logistics, element by element or over the three colours of a pixel together, for NumPyro."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints

from .lattice import Lattice, picked
from .level_distributions import DiscretizedLogisticDistribution

# The mean of green and blue is taken over this many equally likely values of each colour before.
_MEAN_NODES = 12


class LogisticMixture(dist.Distribution):
    r"""Independent elements, each a mixture of K discretised logistics (Salimans et al. 2017, arXiv 1701.05517, eq. 1 and 2).

        P(x = v) = sum_k pi_k [S((v + h - mu_k) / s_k) - S((v - h - mu_k) / s_k)],   S = sigmoid,   h = half a step,

    with whole tails at the lowest and highest level; see `DiscretizedLogisticDistribution`.

    - `logits`, `loc`, `scale`: of shape (K, *event), where log pi is the log-softmax of the logits over K.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"logits": constraints.real}
    pytree_data_fields = ("logits", "component")

    def __init__(
        self,
        logits: Float[Array, "components ..."],
        loc: Float[Array, "components ..."],
        scale: Float[Array, "components ..."],
        levels: Lattice,
    ) -> None:
        self.logits = logits
        self.component = DiscretizedLogisticDistribution(loc, scale, levels)
        super().__init__(batch_shape=logits.shape[1:])

    @property
    def support(self) -> Any:
        """The levels."""
        return self.component.support

    def log_prob(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """log P(x = value) in nats, element by element."""
        components = -1 - len(self.batch_shape)
        each = self.component.log_mass(jnp.expand_dims(value, components))
        log_mass = jax.nn.logsumexp(jax.nn.log_softmax(self.logits, axis=0) + each, axis=components)
        return jnp.where(self.support(value), log_mass, -jnp.inf)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """A component, then a level of it."""
        component_key, level_key = jax.random.split(key)
        shape = self.shape(sample_shape)
        chosen = jax.random.categorical(component_key, self.logits, axis=0, shape=shape)
        loc, scale = (picked(array, chosen) for array in (self.component.loc, self.component.scale))
        return self.component.levels.nearest(loc + scale * jax.random.logistic(level_key, shape))

    @property
    def mean(self) -> Float[Array, "..."]:
        """sum_k pi_k E_k[x], each summed over the levels exactly."""
        return jnp.sum(jax.nn.softmax(self.logits, axis=0) * self.component.mean, axis=0)

    @property
    def centre(self) -> Float[Array, "..."]:
        """E[x] within half a level, in closed form (`clipped_mean`)."""
        means = clipped_mean(self.component.loc, self.component.scale, self.component.levels)
        return jnp.sum(jax.nn.softmax(self.logits, axis=0) * means, axis=0)


class ColourLogisticMixture(dist.Distribution):
    r"""Independent pixels, each a mixture over its three colours together (Salimans et al. 2017, arXiv 1701.05517, eq. 3).

        P(r, g, b) = sum_k pi_k P(r; mu_r, s_r) P(g; mu_g + alpha (r - m), s_g) P(b; mu_b + beta (r - m) + gamma (g - m), s_b)

    with the discretised logistics P of `LogisticMixture`, one indicator k for the whole pixel, and m the middle of the
    range. (The paper's range is [-1, 1], so that there m = 0; without m a coefficient would also shift the location.)

    - `logits`: (K, height, width). `loc`, `scale`: (K, height, width, 3). `coefficients`: alpha, beta and gamma along the last
      axis, (K, height, width, 3).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"logits": constraints.real}
    pytree_data_fields = ("logits", "component", "coefficients")

    def __init__(
        self,
        logits: Float[Array, "components height width"],
        loc: Float[Array, "components height width 3"],
        scale: Float[Array, "components height width 3"],
        coefficients: Float[Array, "components height width 3"],
        levels: Lattice,
    ) -> None:
        self.logits, self.coefficients = logits, coefficients
        self.component = DiscretizedLogisticDistribution(loc, scale, levels)
        super().__init__(batch_shape=logits.shape[1:], event_shape=(3,))

    @property
    def support(self) -> Any:
        """The levels."""
        return constraints.independent(self.component.support, 1)

    def log_prob(self, value: Float[Array, "... 3"]) -> Float[Array, "..."]:
        """log P(r, g, b) in nats, pixel by pixel."""
        joint = jax.nn.log_softmax(self.logits, axis=0) + self._by_colour(value).sum(-1)
        return jnp.where(self.support(value), jax.nn.logsumexp(joint, axis=-3), -jnp.inf)

    def log_prob_by_colour(self, value: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
        """log P(r), log P(g | r) and log P(b | r, g) in nats, which sum to `log_prob`."""
        so_far = jax.nn.log_softmax(self.logits, axis=0)[..., None] + jnp.cumsum(self._by_colour(value), axis=-1)
        first = jax.nn.logsumexp(so_far, axis=-4)
        each = jnp.concatenate([first[..., :1], jnp.diff(first, axis=-1)], axis=-1)
        return jnp.where(self._levels(value), each, -jnp.inf)

    def _by_colour(self, value: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
        """The log-masses of each component's colours, given those before."""
        value = jnp.expand_dims(value, -4)
        red, green = (value[..., colour] - self._middle for colour in (0, 1))
        alpha, beta, gamma = (self.coefficients[..., pair] for pair in (0, 1, 2))
        shift = jnp.stack([jnp.zeros_like(alpha) * red, alpha * red, beta * red + gamma * green], axis=-1)
        return self._like(self.component.loc + shift, self.component.scale).log_mass(value)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "... 3"]:
        """The pixel's component, then red, green and blue in turn, each rounded to its level before the next looks at it.

        The paper's own code never rounds, so that its draws are no levels.
        """
        component_key, level_key = jax.random.split(key)
        shape = (*sample_shape, *self.batch_shape)
        chosen = jax.random.categorical(component_key, self.logits, axis=0, shape=shape)
        loc, scale, coefficients = (
            jnp.stack([picked(array[..., colour], chosen) for colour in range(3)], axis=-1)
            for array in (self.component.loc, self.component.scale, self.coefficients)
        )
        noise = scale * jax.random.logistic(level_key, (*shape, 3))
        red = self._levels.nearest(loc[..., 0] + noise[..., 0])
        green_loc = loc[..., 1] + coefficients[..., 0] * (red - self._middle)
        green = self._levels.nearest(green_loc + noise[..., 1])
        blue_loc = loc[..., 2] + coefficients[..., 1] * (red - self._middle) + coefficients[..., 2] * (green - self._middle)
        return jnp.stack([red, green, self._levels.nearest(blue_loc + noise[..., 2])], axis=-1)

    @property
    def mean(self) -> Float[Array, "height width 3"]:
        r"""E[r], E[g] and E[b], the last two within a level's half of the exact sums over all levels of the colours before.

        The mean of green is no linear function of the mean of red, because its tails are cut off at the ends of the range. For
        256 levels the exact mean of blue is a sum of 65,536 terms for each component of each pixel; instead red and
        green each take 12 equally likely values, the levels of their distribution's quantiles (i + 1/2) / 12. For each, the
        next colour's mean is low + integral from low to high of S((mu - e) / s) de in closed form, which stands for the sum over
        the edges e between levels.
        """
        quantiles = (jnp.arange(_MEAN_NODES, dtype=self.logits.dtype) + 0.5) / _MEAN_NODES
        nodes = jnp.log(quantiles) - jnp.log1p(-quantiles)
        (_, green_loc, blue_loc), scales = (
            [array[..., colour] for colour in range(3)] for array in (self.component.loc, self.component.scale)
        )
        alpha, beta, gamma = (self.coefficients[..., pair] for pair in range(3))
        zeros = jnp.zeros_like(self.logits)

        # Node by node: all of them at once are 144 numbers for each component of each pixel.
        def with_red(sums: tuple[Array, Array], node: Array) -> tuple[tuple[Array, Array], None]:
            red = self._levels.nearest(self.component.loc[..., 0] + scales[0] * node) - self._middle
            shifted = green_loc + alpha * red

            def with_green(total: Array, node: Array) -> tuple[Array, None]:
                green = self._levels.nearest(shifted + scales[1] * node) - self._middle
                return total + clipped_mean(blue_loc + beta * red + gamma * green, scales[2], self._levels), None

            of_blue = jax.lax.scan(with_green, zeros, nodes)[0] / _MEAN_NODES
            return (sums[0] + clipped_mean(shifted, scales[1], self._levels), sums[1] + of_blue), None

        of_green, of_blue = (total / _MEAN_NODES for total in jax.lax.scan(with_red, (zeros, zeros), nodes)[0])
        of_red = self._like(self.component.loc[..., 0], scales[0]).mean
        weights = jax.nn.softmax(self.logits, axis=0)[..., None]
        return jnp.sum(weights * jnp.stack([of_red, of_green, of_blue], axis=-1), axis=0)

    @property
    def centre(self) -> Float[Array, "height width 3"]:
        """About E[x], in closed form: each colour's mean where the colours before have their own means."""
        locs, scales = ([array[..., colour] for colour in range(3)] for array in (self.component.loc, self.component.scale))
        alpha, beta, gamma = (self.coefficients[..., pair] for pair in range(3))
        red = clipped_mean(locs[0], scales[0], self._levels)
        green = clipped_mean(locs[1] + alpha * (red - self._middle), scales[1], self._levels)
        shift = beta * (red - self._middle) + gamma * (green - self._middle)
        blue = clipped_mean(locs[2] + shift, scales[2], self._levels)
        weights = jax.nn.softmax(self.logits, axis=0)[..., None]
        return jnp.sum(weights * jnp.stack([red, green, blue], axis=-1), axis=0)

    @property
    def _levels(self) -> Lattice:
        return self.component.levels

    @property
    def _middle(self) -> float:
        return 0.5 * (self._levels.low + self._levels.high)

    def _like(self, loc: Array, scale: Array) -> DiscretizedLogisticDistribution:
        return DiscretizedLogisticDistribution(loc, scale, self._levels)


def clipped_mean(loc: Float[Array, "..."], scale: Float[Array, "..."], levels: Lattice) -> Float[Array, "..."]:
    """E[x] of a logistic variable cut off at the ends of the range: within half a level of the rounded variable's."""
    below, above = jax.nn.softplus((loc - levels.low) / scale), jax.nn.softplus((loc - levels.high) / scale)
    return levels.low + scale * (below - above)
