"""The uniform density on the unit sphere."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..errors import ConfigurationError
from .base import AbstractLatentDensity


class SphericalUniformDensity(AbstractLatentDensity):
    """1 / |S^{J-1}| on |z| = 1 in R^J, J = `latent_dim`, with respect to the sphere's surface measure."""

    latent_dim: int = eqx.field(static=True)

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        return jnp.asarray(-log_sphere_area(self.latent_dim), z.dtype)

    @override
    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        return uniform_direction(key, self.latent_dim)


def log_sphere_area(dim: int) -> float:
    """log of the surface of the unit sphere in R^dim: log 2 + (dim/2) log pi - log Gamma(dim/2)."""
    return math.log(2) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)


def uniform_direction(key: PRNGKeyArray, dim: int) -> Float[Array, " dim"]:
    """A unit vector of R^dim, every direction as likely as any other."""
    normal = jax.random.normal(key, (dim,))
    return normal / jnp.linalg.norm(normal)


def require_a_sphere(name: str, latent_dim: int) -> None:
    """Raises `ConfigurationError` when the sphere in R^latent_dim is no more than two points."""
    if latent_dim < 2:
        raise ConfigurationError(
            f"{name}: latent_dim is {latent_dim}; the unit sphere needs 2 (a circle) or more. Set model.latent_dim=2 or more."
        )
