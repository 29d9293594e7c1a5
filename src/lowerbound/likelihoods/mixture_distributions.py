"""Mixtures of normal laws, of numbers or of their logarithms, with masses at values that recur."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from numpyro.distributions import constraints

from .nodes import Nodes, joined, of_normal, of_values

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
# What one program rounds otherwise than another, of a number in float32.
_ROUNDING = 4 * float(jnp.finfo(jnp.float32).eps)


class NormalMixture(dist.Distribution):
    """Independent mixtures of K normal laws, components first: of y, or of log y where `is_log`; and of values that recur.

        P(y = a_j) = pi_j,     p(y) = (1 - sum_j pi_j) sum_k w_k N(y; loc_k, scale_k^2) elsewhere

    - `logits`, `loc`, `log_scale`: (K, *shape).
    - `atoms`: (J, *shape), values with a mass of their own, infinite where an element has fewer; None where none has any.
      `atom_logits`: (J, *shape), log(pi_j / (1 - sum pi)). `widths`: how near to an atom a number is that atom.
    - `has_zero`: of logarithms, whether 0 is one of the atoms.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("logits", "loc", "log_scale", "atoms", "atom_logits", "widths")
    pytree_aux_fields = ("is_log", "has_zero")

    def __init__(
        self,
        logits: Float[Array, "components ..."],
        loc: Float[Array, "components ..."],
        log_scale: Float[Array, "components ..."],
        atoms: Float[Array, "atoms ..."] | None = None,
        atom_logits: Float[Array, "atoms ..."] | None = None,
        widths: Float[Array, "atoms ..."] | None = None,
        *,
        is_log: bool = False,
        has_zero: bool = False,
    ) -> None:
        self.logits, self.loc, self.log_scale, self.is_log = logits, loc, log_scale, is_log
        self.atoms, self.atom_logits, self.widths, self.has_zero = atoms, atom_logits, widths, has_zero
        super().__init__(batch_shape=loc.shape[1:])

    @property
    def support(self) -> Any:
        """Any number; numbers above 0 where their logarithms are normal, and 0 beside them where it is an atom."""
        if not self.is_log:
            return constraints.real
        return constraints.nonnegative if self.has_zero else constraints.positive

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p(y) in nats, of each element; where y is a value that recurs the logarithm of its mass."""
        density = self._log_density(value)
        if self.atoms is None:
            return density
        log_masses, log_rest = self.log_masses
        here = is_atom(value, self.atoms, self.widths)
        log_mass = jnp.max(jnp.where(here, _before(log_masses, value, len(self.batch_shape)), -jnp.inf), axis=0)
        return jnp.where(here.any(axis=0), log_mass, density + log_rest)

    def _log_density(self, value: Array) -> Array:
        if not self.is_log:
            return self._of_normal(value)
        is_above = value > 0
        logs = jnp.log(jnp.where(is_above, value, 1.0))
        return jnp.where(is_above, self._of_normal(logs) - logs, -jnp.inf)

    @property
    def log_masses(self) -> tuple[Array, Array]:
        """log P(y = a_j), and that of y being none of them."""
        assert self.atoms is not None
        assert self.atom_logits is not None
        logits = jnp.where(jnp.isfinite(self.atoms), self.atom_logits, -jnp.inf)
        joined_logits = jnp.concatenate([logits, jnp.zeros_like(logits[:1])])
        log_masses = jax.nn.log_softmax(joined_logits, axis=0)
        return log_masses[:-1], log_masses[-1]

    def _of_normal(self, u: Array) -> Array:
        logits, loc, log_scale = (_before(each, u, len(self.batch_shape)) for each in (self.logits, self.loc, self.log_scale))
        each = logits - 0.5 * jnp.square((u - loc) * jnp.exp(-log_scale)) - log_scale
        log_weights = jax.nn.logsumexp(self.logits, axis=0)
        return jax.nn.logsumexp(each, axis=0) - log_weights - _HALF_LOG_TWO_PI

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws; no gradient flows through the choice of a component."""
        component_key, normal_key, atom_key = jax.random.split(key, 3)
        shape = (*sample_shape, *self.batch_shape)
        chosen = jax.random.categorical(component_key, jax.lax.stop_gradient(self.logits), axis=0, shape=shape)
        flat = chosen.reshape(-1, *self.batch_shape)
        loc, scale = (jnp.take_along_axis(each, flat, axis=0).reshape(shape) for each in (self.loc, jnp.exp(self.log_scale)))
        drawn = loc + scale * jax.random.normal(normal_key, shape, loc.dtype)
        drawn = jnp.exp(drawn) if self.is_log else drawn
        if self.atoms is None:
            return drawn
        log_masses, log_rest = self.log_masses
        logits = jnp.concatenate([log_masses, log_rest[None]])
        place = jax.random.categorical(atom_key, jax.lax.stop_gradient(logits), axis=0, shape=shape)
        values = jnp.broadcast_to(_before(self.atoms, drawn, len(self.batch_shape)), (len(self.atoms), *shape))
        atom = jnp.take_along_axis(values, jnp.minimum(place, len(self.atoms) - 1)[None], axis=0)[0]
        return jnp.where(place < len(self.atoms), atom, drawn)

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
        """Values and their probabilities, in place of the density: those of each component, and the values that recur."""
        found = of_normal(self.loc, self.log_scale)
        log_mass = found.log_mass + jax.nn.log_softmax(self.logits, axis=0)
        found = Nodes(*(each.reshape(-1, *self.batch_shape) for each in (found.value, log_mass, found.low, found.high)))
        if self.is_log:
            found = Nodes(jnp.exp(found.value), found.log_mass, jnp.exp(found.low), jnp.exp(found.high))
        if self.atoms is None:
            return found
        log_masses, log_rest = self.log_masses
        rest = found._replace(log_mass=found.log_mass + log_rest)
        return joined([rest, of_values(_finite(self.atoms), log_masses)], axis=0)

    @property
    def _moments(self) -> tuple[Array, Array]:
        """E[y] and E[y^2]."""
        weights, variance = jax.nn.softmax(self.logits, axis=0), jnp.exp(2 * self.log_scale)
        if self.is_log:
            first, second = jnp.exp(self.loc + variance / 2), jnp.exp(2 * self.loc + 2 * variance)
        else:
            first, second = self.loc, jnp.square(self.loc) + variance
        first, second = (jnp.sum(weights * each, axis=0) for each in (first, second))
        if self.atoms is None:
            return first, second
        log_masses, log_rest = self.log_masses
        masses, atoms, rest = jnp.exp(log_masses), _finite(self.atoms), jnp.exp(log_rest)
        return rest * first + jnp.sum(masses * atoms, axis=0), rest * second + jnp.sum(masses * jnp.square(atoms), axis=0)


def _before(parts: Array, value: Array, num_axes: int) -> Array:
    """Parts of a law, the first axis theirs, with room for the axes that the values have before an example's."""
    return parts.reshape(len(parts), *(1,) * (value.ndim - num_axes), *parts.shape[1:])


def is_atom(
    value: Any, atoms: Float[Array, "atoms ..."], widths: Float[Array, "atoms ..."] | None = None
) -> Bool[Array, "atoms ..."]:
    """Which of the atoms each element is, but for rounding; at most one, where atoms are farther apart than their `widths`."""
    if widths is None:
        widths = _ROUNDING * jnp.abs(atoms)
    atoms, widths = (_before(each, value, each.ndim - 1) for each in (atoms, widths))
    return (jnp.abs(value - atoms) <= widths) & jnp.isfinite(atoms)


def rounding_of(atoms: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """How far a number (x - shift) / scale may lie from an atom that it is, with offset = shift / scale."""
    return _ROUNDING * (np.where(np.isfinite(atoms), np.abs(atoms), 0.0) + np.abs(offset))


def _finite(atoms: Array) -> Array:
    """Numbers in place of the atoms that an element lacks, which have no mass."""
    return jnp.where(jnp.isfinite(atoms), atoms, 0.0)
