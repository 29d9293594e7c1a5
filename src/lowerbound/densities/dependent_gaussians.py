"""Gaussians whose latents depend on each other."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..bijections.orthogonal import orthonormal_columns, product_of_reflections
from .base import AbstractPosterior
from .diagonal_gaussian import DiagonalGaussianDensity


class AbstractDependentGaussian(AbstractPosterior):
    """N(z; m, C), made of a diagonal Gaussian N(mu, diag(sigma^2)) and of what ties its latents to each other."""

    base: eqx.AbstractVar[DiagonalGaussianDensity]

    @property
    @abstractmethod
    def variance(self) -> Float[Array, " latent"]:
        """The diagonal of C."""

    @property
    @override
    def mean(self) -> Float[Array, " latent"]:
        return self.base.mu

    @property
    def log_determinant(self) -> Float[Array, ""]:
        """log|C|; that of the base where what ties the latents keeps volumes."""
        return jnp.sum(self.base.log_variance)

    @property
    def scale(self) -> Float[Array, " latent"]:
        """sigma."""
        return jnp.exp(0.5 * self.base.log_variance)


class FullGaussianDensity(AbstractDependentGaussian):
    r"""N(z; mu, L L^T), L = diag(sigma) T, T lower triangular with a diagonal of ones.

    log|L L^T| = sum_j log sigma_j^2
    """

    base: DiagonalGaussianDensity
    lower: Float[Array, "latent latent"]

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = mu + L epsilon with epsilon ~ N(0, I), and its log-density."""
        epsilon = jax.random.normal(key, self.base.mu.shape)
        return self.base.mu + self.scale * (self.lower @ epsilon), self._log_prob(epsilon)

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        whitened = (z - self.base.mu) / self.scale
        return self._log_prob(solve_triangular(self.lower, whitened, lower=True, unit_diagonal=True))

    @property
    @override
    def variance(self) -> Float[Array, " latent"]:
        return self.base.variance * jnp.sum(jnp.square(self.lower), axis=1)

    def _log_prob(self, epsilon: Float[Array, " latent"]) -> Float[Array, ""]:
        return -0.5 * jnp.sum(jnp.square(epsilon) + self.base.log_variance + jnp.log(2 * jnp.pi))


class LowRankGaussianDensity(AbstractDependentGaussian):
    r"""N(z; mu, diag(sigma^2) + U U^T), U = diag(sigma) W.

    With y = (z - mu) / sigma and K = I + W^T W (Woodbury's identity and the matrix determinant lemma):

        (z - mu)^T C^-1 (z - mu) = |y|^2 - y^T W K^-1 W^T y,   log|C| = sum_j log sigma_j^2 + log|K|

    Both are taken from the QR decomposition of A = (W over I), of A^T A = K: the first is the squared length of what is left
    of (y, 0) beside the columns of A, a difference of large numbers otherwise.
    """

    base: DiagonalGaussianDensity
    factor: Float[Array, "latent rank"]

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = mu + sigma * (epsilon_1 + W epsilon_2), both epsilons from N(0, I), and its log-density."""
        latent, rank = self.factor.shape
        epsilon = jax.random.normal(key, (latent + rank,))
        whitened = epsilon[:latent] + self.factor @ epsilon[latent:]
        return self.base.mu + self.scale * whitened, self._log_prob(whitened)

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        return self._log_prob((z - self.base.mu) / self.scale)

    @property
    @override
    def variance(self) -> Float[Array, " latent"]:
        return self.base.variance * (1.0 + jnp.sum(jnp.square(self.factor), axis=1))

    @property
    @override
    def log_determinant(self) -> Float[Array, ""]:
        return self._qr()[1]

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


class ReflectedGaussianDensity(AbstractDependentGaussian):
    r"""z = H z_0, z_0 ~ N(mu, diag(sigma^2)): the Gaussian N(H mu, H diag(sigma^2) H^T); |det H| = 1.

    H = H_K ... H_1,   H_k = I - 2 v_k v_k^T / |v_k|^2
    """

    base: DiagonalGaussianDensity
    vectors: Float[Array, "flows latent"]

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        z, log_prob = self.base.sample_and_log_prob(key)
        return product_of_reflections(z, self.vectors), log_prob

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        return self.base.log_prob(product_of_reflections(z, self.vectors, reverse=True))

    @property
    @override
    def mean(self) -> Float[Array, " latent"]:
        return product_of_reflections(self.base.mu, self.vectors)

    @property
    @override
    def variance(self) -> Float[Array, " latent"]:
        return jnp.sum(jnp.square(product_of_reflections(jnp.diag(self.scale), self.vectors)), axis=1)
