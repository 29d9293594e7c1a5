"""The Gaussian posterior whose covariance is diagonal plus low rank."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractLatentDensity, Space
from .base import AbstractPosterior, AbstractPosteriorFamily
from .checks import check_at_least_one
from .diagonal_gaussian import ConditionedDiagonalGaussian, DiagonalGaussian
from .gaussian_kl import gaussian_kl
from .orthogonal import orthonormal_columns


class ConditionedLowRankGaussian(AbstractPosterior):
    r"""N(z; mu, diag(sigma^2) + U U^T), U = diag(sigma) W, for one example.

    With y = (z - mu) / sigma and K = I + W^T W (Woodbury's identity and the matrix determinant lemma):

        (z - mu)^T C^-1 (z - mu) = |y|^2 - y^T W K^-1 W^T y,   log|C| = sum_j log sigma_j^2 + log|K|

    Both are taken from the QR decomposition of A = (W over I), of A^T A = K: the first is the squared length of what is left
    of (y, 0) beside the columns of A, a difference of large numbers otherwise.
    """

    base: ConditionedDiagonalGaussian
    factor: Float[Array, "latent rank"]

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = mu + sigma * (epsilon_1 + W epsilon_2), both epsilons from N(0, I), and log q(z|x)."""
        latent, rank = self.factor.shape
        epsilon = jax.random.normal(key, (latent + rank,))
        whitened = epsilon[:latent] + self.factor @ epsilon[latent:]
        return self.base.mu + self._scale * whitened, self._log_prob(whitened)

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw."""
        return self.sample_and_log_prob(key)[0]

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log N(z; mu, diag(sigma^2) + U U^T) in nats."""
        return self._log_prob((z - self.base.mu) / self._scale)

    @property
    def mean(self) -> Float[Array, " latent"]:
        """mu."""
        return self.base.mu

    def kl_to(self, prior: AbstractLatentDensity) -> Float[Array, ""] | None:
        """In closed form to a diagonal Gaussian (`gaussian_kl`)."""
        variance = self.base.variance * (1.0 + jnp.sum(jnp.square(self.factor), axis=1))
        return gaussian_kl(self.base.mu, variance, self._qr()[1], prior)

    @property
    def _scale(self) -> Float[Array, " latent"]:
        return jnp.exp(0.5 * self.base.log_variance)

    def _qr(self) -> tuple[Float[Array, "latent_and_rank rank"], Float[Array, ""]]:
        """(Q of A, log|C|)."""
        stacked = jnp.concatenate([self.factor, jnp.eye(self.factor.shape[1], dtype=self.factor.dtype)])
        q = orthonormal_columns(stacked)
        # |R_kk| >= 1, as K - I is positive semidefinite.
        diagonal = jnp.maximum(jnp.sum(q * stacked, axis=0), 1.0)
        return q, jnp.sum(self.base.log_variance) + 2.0 * jnp.sum(jnp.log(diagonal))

    def _log_prob(self, whitened: Float[Array, " latent"]) -> Float[Array, ""]:
        q, log_determinant = self._qr()
        padded = jnp.concatenate([whitened, jnp.zeros(self.factor.shape[1], whitened.dtype)])
        squared = jnp.sum(jnp.square(padded - q @ (q.T @ padded)))
        return -0.5 * (squared + log_determinant + len(whitened) * jnp.log(2 * jnp.pi))


class LowRankGaussian(AbstractPosteriorFamily):
    r"""q(z|x) = N(z; mu(x), diag(sigma^2(x)) + U(x) U(x)^T), U of `rank` columns (after Rezende et al. 2014, arXiv 1401.4082).

    The encoder puts out mu, log sigma^2 (clipped to +-15) and W = diag(sigma)^-1 U: so a narrow latent stays narrow, and the
    numbers stay well scaled. In the paper the inverse of the covariance has this form, with rank 1.

    - `rank`: columns of U.

    Raises `ConfigurationError` when it is below 1.
    """

    latent_dim: int = eqx.field(static=True)
    rank: int = eqx.field(static=True, default=2)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_at_least_one("low-rank-gaussian", rank=self.rank)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(2 + rank, latent_dim): mu, log sigma^2, and the columns of W."""
        return (2 + self.rank, self.latent_dim)

    def condition(self, params: Float[Array, "heads latent"]) -> ConditionedLowRankGaussian:
        """q(z|x) with these parameters."""
        return ConditionedLowRankGaussian(DiagonalGaussian(self.latent_dim).condition(params[:2]), params[2:].T)
