"""Householder flows: a diagonal Gaussian turned by reflections, which keeps volumes."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractLatentDensity, Space
from .base import AbstractPosterior, AbstractPosteriorFamily
from .checks import check_at_least_one
from .diagonal_gaussian import ConditionedDiagonalGaussian, DiagonalGaussian
from .gaussian_kl import gaussian_kl
from .orthogonal import product_of_reflections


class ConditionedHouseholder(AbstractPosterior):
    r"""z = H z_0, z_0 ~ N(mu, diag(sigma^2)), for one example: the Gaussian N(H mu, H diag(sigma^2) H^T).

    H = H_K ... H_1,   H_k = I - 2 v_k v_k^T / |v_k|^2
    """

    base: ConditionedDiagonalGaussian
    vectors: Float[Array, "flows latent"]

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = H (mu + sigma * epsilon), and log q(z|x): |det H| = 1."""
        z, log_prob = self.base.sample_and_log_prob(key)
        return product_of_reflections(z, self.vectors), log_prob

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw."""
        return self.sample_and_log_prob(key)[0]

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log N(H^T z; mu, diag(sigma^2)) in nats."""
        return self.base.log_prob(product_of_reflections(z, self.vectors, reverse=True))

    @property
    def mean(self) -> Float[Array, " latent"]:
        """H mu."""
        return product_of_reflections(self.base.mu, self.vectors)

    def kl_to(self, prior: AbstractLatentDensity) -> Float[Array, ""] | None:
        """In closed form to a diagonal Gaussian, as that of any Gaussian (`gaussian_kl`)."""
        rows = product_of_reflections(jnp.diag(jnp.exp(0.5 * self.base.log_variance)), self.vectors)
        return gaussian_kl(self.mean, jnp.sum(jnp.square(rows), axis=1), jnp.sum(self.base.log_variance), prior)


class Householder(AbstractPosteriorFamily):
    r"""q(z|x) = N(H mu, H diag(sigma^2) H^T), H a product of Householder reflections that the encoder chooses for each example.

    (Tomczak and Welling 2016, Improving Variational Auto-Encoders using Householder Flow, arXiv 1611.09630, section 3.) All
    vectors v_k come from the encoder; in the paper each is a linear map of the one before.

    With an encoder output of 0 all reflections are along the same axis, and two in a row undo each other.

    - `num_flows`: K, reflections.

    Raises `ConfigurationError` when it is below 1.
    """

    latent_dim: int = eqx.field(static=True)
    num_flows: int = eqx.field(static=True, default=4)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_at_least_one("householder", num_flows=self.num_flows)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(2 + num_flows, latent_dim): mu, log sigma^2, and the vectors."""
        return (2 + self.num_flows, self.latent_dim)

    def condition(self, params: Float[Array, "heads latent"]) -> ConditionedHouseholder:
        """q(z|x) with these parameters."""
        # A reflection needs a direction also where the encoder says nothing.
        vectors = params[2:] + jnp.eye(1, self.latent_dim, dtype=params.dtype)
        return ConditionedHouseholder(DiagonalGaussian(self.latent_dim).condition(params[:2]), vectors)
