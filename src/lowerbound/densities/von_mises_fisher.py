"""The von Mises-Fisher density on the unit sphere."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from .base import AbstractPosterior
from .polar_angle import angle_at, log_normaliser
from .sphere import log_sphere_area, uniform_direction


class VonMisesFisherDensity(AbstractPosterior):
    """vMF(z; mu, kappa): a density with respect to the sphere's surface measure."""

    mu: Float[Array, " latent"]
    concentration: Float[Array, ""]

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = R (cos t, sin t v), v a uniform direction across, R a rotation that takes e_1 to mu; and its log-density."""
        angle_key, direction_key = jax.random.split(key)
        dim = len(self.mu)
        # Away from 0 and 1 by half of the generator's own step.
        uniform = jax.random.uniform(angle_key) * (1 - 2.0**-23) + 2.0**-24
        angle = angle_at(self.concentration, uniform, dim)
        across = uniform_direction(direction_key, dim - 1)
        local = jnp.concatenate([jnp.cos(angle)[None], jnp.sin(angle) * across])
        log_tilt = -2.0 * self.concentration * jnp.square(jnp.sin(angle / 2))
        return _from_first_axis(local, self.mu), log_tilt - self._log_normaliser()

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """In nats, for |z| = 1."""
        # kappa (mu . z - 1) would lose its digits where z is near mu.
        return -0.5 * self.concentration * jnp.sum(jnp.square(z - self.mu)) - self._log_normaliser()

    @property
    @override
    def mean(self) -> Float[Array, " latent"]:
        return self.mu

    def _log_normaliser(self) -> Float[Array, ""]:
        """log of the integral of exp(kappa (mu . z - 1)) over the sphere."""
        dim = len(self.mu)
        return log_normaliser(self.concentration, dim) + log_sphere_area(dim - 1)


def _from_first_axis(local: Float[Array, " dim"], mu: Float[Array, " dim"]) -> Float[Array, " dim"]:
    """`local` turned by an orthogonal map that takes e_1 to mu: Householder's reflection, with the sign that cannot cancel."""
    sign = jnp.where(mu[0] >= 0, 1.0, -1.0)
    # The reflection along e_1 - mu has no direction where mu is e_1. Along e_1 + sign mu, of length sqrt(2) or more, e_1 goes to
    # -sign mu.
    axis = (sign * mu).at[0].add(1.0)
    reflected = local - 2.0 * axis * jnp.dot(axis, local) / jnp.dot(axis, axis)
    return -sign * reflected
