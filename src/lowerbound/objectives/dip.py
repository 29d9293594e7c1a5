"""Disentangled inferred priors: the ELBO with a pull of the aggregate posterior's covariance towards the identity."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..models import AbstractLatentVariableModel, LogTerms
from .base import AbstractPenalisedELBO, Need, is_on, kl_of

Weight = float | Float[Array, ""]


class AbstractDIPVAE(AbstractPenalisedELBO):
    """What both forms are: the ELBO, and the distance of a covariance of the latents from the identity."""

    num_samples: int = eqx.field(static=True, default=1)
    off_diagonal_weight: float = eqx.field(converter=float, default=10.0)
    diagonal_weight: float = eqx.field(converter=float, default=5.0)

    @abstractmethod
    def covariance(self, batch: Example, terms: LogTerms) -> Float[Array, "latent latent"]:
        """The covariance that is drawn to the identity."""

    @property
    @override
    def is_bound(self) -> bool:
        return not is_on(self.off_diagonal_weight) and not is_on(self.diagonal_weight)

    @override
    def loss(self, model: AbstractLatentVariableModel, batch: Example, terms: LogTerms, key: PRNGKeyArray) -> Float[Array, ""]:
        penalty = distance_from_identity(self.covariance(batch, terms), self.off_diagonal_weight, self.diagonal_weight)
        return penalty - batch.mean(terms.log_likelihood.mean(axis=1) - kl_of(terms))


class DIPVAEI(AbstractDIPVAE):
    r"""The ELBO and the covariance C = Cov_x[mu(x)] of the posteriors' means (Kumar et al. 2018, arXiv 1711.00848, eq. 6).

        loss  = mean over the batch of -ELBO + od sum_{i != j} C_ij^2 + d sum_i (C_ii - 1)^2
        bound = the ELBO of each example

    C is the batch's own, with 1/B. The sums run over ordered pairs, so each pair of latents counts twice, as in the paper.

    - `off_diagonal_weight`: od. `diagonal_weight`: d; the paper takes d = 10 od for this form.
    """

    @override
    def covariance(self, batch: Example, terms: LogTerms) -> Float[Array, "latent latent"]:
        return covariance(jax.vmap(lambda posterior: posterior.mean)(terms.posterior), batch)


class DIPVAEII(AbstractDIPVAE):
    r"""The ELBO and the covariance of the aggregate posterior, C = E_x[Cov[z|x]] + Cov_x[mu(x)] (Kumar et al. 2018, eq. 7).

        loss  = mean over the batch of -ELBO + od sum_{i != j} C_ij^2 + d sum_i (C_ii - 1)^2
        bound = the ELBO of each example

    C is that of the batch's own mixture (1/B) sum_i q(z|x_i), exactly.

    - `off_diagonal_weight`: od. `diagonal_weight`: d; the paper takes d = od for this form.
    """

    # Of which the variances are known.
    needs: ClassVar[tuple[Need, ...]] = ("density", "factorised-posterior")

    @override
    def covariance(self, batch: Example, terms: LogTerms) -> Float[Array, "latent latent"]:
        mean, variance = jax.vmap(lambda posterior: (posterior.mean, posterior.variance))(terms.posterior)
        return covariance(mean, batch) + jnp.diag(batch.mean(variance, axis=0))


def covariance(values: Float[Array, "batch latent"], batch: Example) -> Float[Array, "latent latent"]:
    """The covariance of the rows, with 1/B, by weight where the examples of `batch` have one."""
    centred = values - batch.mean(values, axis=0)
    if batch.weight is None:
        return centred.T @ centred / len(values)
    return batch.mean(centred[:, :, None] * centred[:, None, :], axis=0)


def distance_from_identity(
    matrix: Float[Array, "latent latent"], off_diagonal_weight: Weight, diagonal_weight: Weight
) -> Float[Array, ""]:
    """od sum_{i != j} C_ij^2 + d sum_i (C_ii - 1)^2."""
    diagonal = jnp.diag(matrix)
    off_diagonal = matrix - jnp.diag(diagonal)
    return off_diagonal_weight * jnp.square(off_diagonal).sum() + diagonal_weight * jnp.square(diagonal - 1).sum()
