"""The von Mises-Fisher posterior on the unit sphere."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from ..densities import Space, VonMisesFisherDensity
from ..densities.sphere import require_a_sphere
from .base import AbstractPosteriorFamily

# Within these `polar_angle` is exact; at 1e4 a draw strays from the mean direction by a degree or so for each root of J.
SMALLEST_CONCENTRATION = 1e-3
LARGEST_CONCENTRATION = 1e4


class VonMisesFisher(AbstractPosteriorFamily):
    r"""q(z|x) = C(kappa) exp(kappa mu . z) on |z| = 1 (Davidson et al. 2018, Hyperspherical VAEs, arXiv 1804.00891).

    C(kappa) = kappa^{J/2-1} / ((2 pi)^{J/2} I_{J/2-1}(kappa))

    The encoder puts out a vector, whose direction is mu, and a number a with kappa = softplus(a) + 0.001, at most 10^4. (The
    authors' code has softplus(a) + 1, which keeps the uniform law out of the family.) C is integrated rather than made of the
    Bessel function I, which overflows; draws invert the distribution function instead of rejecting, so that z is a smooth
    function of kappa and its gradient has no score-function part. The prior must live on the sphere too.

    - `latent_dim`: J >= 2, the length of z; the sphere has J - 1 dimensions.

    Raises `ConfigurationError` below that.
    """

    space: ClassVar[Space] = "hypersphere"

    def __check_init__(self) -> None:
        require_a_sphere("VonMisesFisher", self.latent_dim)

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """(latent_dim + 1,): the vector along mu, and the raw concentration."""
        return (self.latent_dim + 1,)

    @override
    def at(self, params: Float[Array, " params"]) -> VonMisesFisherDensity:
        raw, raw_concentration = params[:-1], params[-1]
        # A vector of length 0 has no direction, and no gradient of it.
        has_direction = jnp.sum(jnp.square(raw)) > 1e-20
        along = jnp.where(has_direction, raw, jnp.zeros_like(raw).at[0].set(1.0))
        concentration = jax.nn.softplus(raw_concentration) + SMALLEST_CONCENTRATION
        return VonMisesFisherDensity(along / jnp.linalg.norm(along), jnp.minimum(concentration, LARGEST_CONCENTRATION))
