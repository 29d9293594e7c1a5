"""The Gaussian posterior with any covariance."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractLatentDensity, Space
from .base import AbstractPosterior, AbstractPosteriorFamily
from .diagonal_gaussian import ConditionedDiagonalGaussian, DiagonalGaussian
from .flows import unpacked
from .gaussian_kl import gaussian_kl


class ConditionedFullGaussian(AbstractPosterior):
    r"""N(z; mu, L L^T), L = diag(sigma) T, T lower triangular with a diagonal of ones, for one example.

    log|L L^T| = sum_j log sigma_j^2
    """

    base: ConditionedDiagonalGaussian
    lower: Float[Array, "latent latent"]

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = mu + L epsilon with epsilon ~ N(0, I), and log q(z|x)."""
        epsilon = jax.random.normal(key, self.base.mu.shape)
        return self.base.mu + self._scale * (self.lower @ epsilon), self._log_prob(epsilon)

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw."""
        return self.sample_and_log_prob(key)[0]

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log N(z; mu, L L^T) in nats."""
        whitened = (z - self.base.mu) / self._scale
        return self._log_prob(solve_triangular(self.lower, whitened, lower=True, unit_diagonal=True))

    @property
    def mean(self) -> Float[Array, " latent"]:
        """mu."""
        return self.base.mu

    def kl_to(self, prior: AbstractLatentDensity) -> Float[Array, ""] | None:
        """In closed form to a diagonal Gaussian (`gaussian_kl`)."""
        variance = self.base.variance * jnp.sum(jnp.square(self.lower), axis=1)
        return gaussian_kl(self.base.mu, variance, jnp.sum(self.base.log_variance), prior)

    @property
    def _scale(self) -> Float[Array, " latent"]:
        return jnp.exp(0.5 * self.base.log_variance)

    def _log_prob(self, epsilon: Float[Array, " latent"]) -> Float[Array, ""]:
        return -0.5 * jnp.sum(jnp.square(epsilon) + self.base.log_variance + jnp.log(2 * jnp.pi))


class FullGaussian(AbstractPosteriorFamily):
    r"""q(z|x) = N(z; mu(x), L(x) L(x)^T), L the Cholesky factor (Kingma and Welling 2019, arXiv 1906.02691, section 2.5.1).

    The encoder puts out mu, log sigma^2 and the strictly lower triangle of T, L = diag(sigma) T: so a narrow latent stays narrow.
    The diagonal of L is sigma, positive, its logarithm clipped to +-7.5 (log sigma^2 to +-15).
    """

    latent_dim: int = eqx.field(static=True)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    @property
    def _num_below(self) -> int:
        """How many numbers T has below its diagonal."""
        return self.latent_dim * (self.latent_dim - 1) // 2

    @property
    def param_shape(self) -> tuple[int, ...]:
        """mu, log sigma^2, and T below the diagonal row by row; all flat."""
        return (2 * self.latent_dim + self._num_below,)

    def condition(self, params: Float[Array, " params"]) -> ConditionedFullGaussian:
        """q(z|x) with these parameters."""
        base, below = unpacked(params, [(2, self.latent_dim), (self._num_below,)])
        identity = jnp.eye(self.latent_dim, dtype=params.dtype)
        lower = identity.at[np.tril_indices(self.latent_dim, -1)].set(below)
        return ConditionedFullGaussian(DiagonalGaussian(self.latent_dim).condition(base), lower)
