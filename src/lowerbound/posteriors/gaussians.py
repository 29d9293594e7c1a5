"""Families of Gaussian posteriors."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from typing_extensions import override

from ..densities import DiagonalGaussianDensity, FullGaussianDensity, LowRankGaussianDensity, ReflectedGaussianDensity
from .base import AbstractPosteriorFamily


class DiagonalGaussian(AbstractPosteriorFamily):
    r"""q(z|x) = N(z; mu(x), diag(sigma^2(x))) (Kingma and Welling 2014, eq. 9).

    The encoder puts out (mu, log sigma^2). The log-variance is clipped to +-15, so that no encoder output can overflow.
    """

    is_factorised: ClassVar[bool] = True

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """(2, latent_dim): mu and log sigma^2."""
        return (2, self.latent_dim)

    @override
    def at(self, params: Float[Array, "two latent"]) -> DiagonalGaussianDensity:
        return DiagonalGaussianDensity.clipped(params[0], params[1])


class FullGaussian(AbstractPosteriorFamily):
    r"""q(z|x) = N(z; mu(x), L(x) L(x)^T), L the Cholesky factor (Kingma and Welling 2019, arXiv 1906.02691, section 2.5.1).

    The encoder puts out mu, log sigma^2 and the strictly lower triangle of T, L = diag(sigma) T: so a narrow latent stays narrow.
    The diagonal of L is sigma, positive, its logarithm clipped to +-7.5 (log sigma^2 to +-15).
    """

    @property
    def _num_below(self) -> int:
        """How many numbers T has below its diagonal."""
        return self.latent_dim * (self.latent_dim - 1) // 2

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """mu, log sigma^2, and T below the diagonal row by row; all flat."""
        return (2 * self.latent_dim + self._num_below,)

    @override
    def at(self, params: Float[Array, " params"]) -> FullGaussianDensity:
        mu, log_variance, below = jnp.split(params, (self.latent_dim, 2 * self.latent_dim))
        identity = jnp.eye(self.latent_dim, dtype=params.dtype)
        lower = identity.at[np.tril_indices(self.latent_dim, -1)].set(below)
        return FullGaussianDensity(DiagonalGaussianDensity.clipped(mu, log_variance), lower)


class LowRankGaussian(AbstractPosteriorFamily):
    r"""q(z|x) = N(z; mu(x), diag(sigma^2(x)) + U(x) U(x)^T), U of `rank` columns (after Rezende et al. 2014, arXiv 1401.4082).

    The encoder puts out mu, log sigma^2 (clipped to +-15) and W = diag(sigma)^-1 U: so a narrow latent stays narrow, and the
    numbers stay well scaled. In the paper the inverse of the covariance has this form, with rank 1.

    - `rank`: columns of U.

    Raises `ConfigurationError` when it is below 1.
    """

    rank: int = eqx.field(static=True, default=2)

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """(2 + rank, latent_dim): mu, log sigma^2, and the columns of W."""
        return (2 + self.rank, self.latent_dim)

    @override
    def at(self, params: Float[Array, "heads latent"]) -> LowRankGaussianDensity:
        return LowRankGaussianDensity(DiagonalGaussianDensity.clipped(params[0], params[1]), params[2:].T)


class Householder(AbstractPosteriorFamily):
    r"""q(z|x) = N(H mu, H diag(sigma^2) H^T), H a product of Householder reflections that the encoder chooses for each example.

    (Tomczak and Welling 2016, Improving Variational Auto-Encoders using Householder Flow, arXiv 1611.09630, section 3.) All
    vectors v_k come from the encoder; in the paper each is a linear map of the one before.

    With an encoder output of 0 all reflections are along the same axis, and two in a row undo each other.

    - `num_flows`: K, reflections.

    Raises `ConfigurationError` when it is below 1.
    """

    num_flows: int = eqx.field(static=True, default=4)

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """(2 + num_flows, latent_dim): mu, log sigma^2, and the vectors."""
        return (2 + self.num_flows, self.latent_dim)

    @override
    def at(self, params: Float[Array, "heads latent"]) -> ReflectedGaussianDensity:
        # A reflection needs a direction also where the encoder says nothing.
        vectors = params[2:] + jnp.eye(1, self.latent_dim, dtype=params.dtype)
        return ReflectedGaussianDensity(DiagonalGaussianDensity.clipped(params[0], params[1]), vectors)
