"""The uniform prior on the unit sphere."""

from __future__ import annotations

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import ConfigurationError
from .base import AbstractLatentDensity, AbstractPrior, Recognise, Space


class HypersphericalUniform(AbstractPrior, AbstractLatentDensity):
    r"""p(z) = 1 / |S^{J-1}| on |z| = 1 in R^J, with respect to the sphere's surface measure (Davidson et al. 2018).

    |S^{J-1}| = 2 pi^{J/2} / Gamma(J/2)

    (arXiv 1804.00891. A sphere in R^J has J - 1 dimensions: some code counts `latent_dim` as J - 1.)

    - `latent_dim`: J >= 2, the length of z.

    Raises `ConfigurationError` below that.
    """

    latent_dim: int = eqx.field(static=True)
    space: ClassVar[Space] = "hypersphere"
    is_made_of_posterior: ClassVar[bool] = False

    def __check_init__(self) -> None:
        require_a_sphere("HypersphericalUniform", self.latent_dim)

    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> HypersphericalUniform:
        """Itself."""
        return self

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """The same everywhere on the sphere, in nats."""
        return jnp.asarray(-log_sphere_area(self.latent_dim), z.dtype)

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw: the direction of a draw from N(0, I)."""
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
