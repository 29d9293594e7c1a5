"""Priors without anything to train."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Array, Float
from typing_extensions import override

from ..densities import Space, SphericalUniformDensity, StandardNormalDensity
from ..densities.sphere import require_a_sphere
from .base import AbstractPrior, Recognise


class StandardNormal(AbstractPrior):
    """p(z) = N(z; 0, I), the prior of Kingma and Welling (2014, section 3)."""

    is_factorised: ClassVar[bool] = True
    is_standard_normal: ClassVar[bool] = True

    @override
    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> StandardNormalDensity:
        return StandardNormalDensity(self.latent_dim)


class HypersphericalUniform(AbstractPrior):
    r"""p(z) = 1 / |S^{J-1}| on |z| = 1 in R^J, with respect to the sphere's surface measure (Davidson et al. 2018).

    |S^{J-1}| = 2 pi^{J/2} / Gamma(J/2)

    (arXiv 1804.00891. A sphere in R^J has J - 1 dimensions: some code counts `latent_dim` as J - 1.)

    - `latent_dim`: J >= 2, the length of z.

    Raises `ConfigurationError` below that.
    """

    space: ClassVar[Space | None] = "hypersphere"
    least_latents: ClassVar[int] = 2

    def __check_init__(self) -> None:
        require_a_sphere("HypersphericalUniform", self.latent_dim)

    @override
    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> SphericalUniformDensity:
        return SphericalUniformDensity(self.latent_dim)
