"""The ELBO with its KL taken apart: mutual information, total correlation, and what is left for each latent."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..densities import AbstractFactorisedPosterior
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel, LogTerms
from .base import AbstractPenalisedELBO, Need
from .schedule import Step

# Of the log-densities of every draw under every posterior: 64 MiB in float32.
MOST_NUMBERS_AT_ONCE = 2**24


class KLParts(NamedTuple):
    """The three parts of the mean KL(q(z|x) || p(z)) of a batch, in nats; their sum is the mean of log q(z|x) - log p(z)."""

    mutual_information: Float[Array, ""]
    total_correlation: Float[Array, ""]
    by_latent: Float[Array, ""]


class BetaTCVAE(AbstractPenalisedELBO):
    r"""The KL in three parts with a weight for each (Chen et al. 2018, arXiv 1802.04942, eq. 4).

        loss  = mean over the batch of -E_q[log p(x|z)] + alpha I + beta TC + gamma D
        bound = the ELBO of each example

        I  = E[log q(z|x) - log q(z)]                    the index-code mutual information
        TC = E[log q(z) - sum_j log q(z_j)]              the total correlation
        D  = E[sum_j log q(z_j) - log p(z)]              the KL of each latent, where the prior is a product over them

    with q(z) = (1/N) sum_n q(z|x_n) over all N examples, estimated without bias from a batch (`stratified_log_weights`). Its
    logarithm has a bias, E[log of the estimate] <= log q(z), which moves nats from TC to I; their sum has none.

    - `num_examples`: N, the size of the training set, or the sum of its weights. `num_samples`: draws of z for each example.
    - `alpha`, `beta`, `gamma`: weights, 0 or more; all 1 is the ELBO.
    """

    num_examples: int = eqx.field(static=True)
    num_samples: int = eqx.field(static=True, default=1)
    alpha: float = eqx.field(converter=float, default=1.0)
    beta: float = eqx.field(converter=float, default=6.0)
    gamma: float = eqx.field(converter=float, default=1.0)
    needs: ClassVar[tuple[Need, ...]] = ("density", "factorised-posterior")

    def __check_init__(self) -> None:
        if self.num_examples < 2:
            raise ConfigurationError(
                f"beta-tc: num_examples is {self.num_examples}, but it compares examples; it needs 2 training examples or more."
            )

    @property
    @override
    def made_for(self) -> int:
        return self.num_examples

    @property
    @override
    def is_bound(self) -> bool:
        return self.alpha == self.beta == self.gamma == 1

    @override
    def loss(self, model: AbstractLatentVariableModel, batch: Example, terms: LogTerms, key: PRNGKeyArray) -> Float[Array, ""]:
        parts = kl_parts(batch, terms, self.num_examples)
        cost = self.alpha * parts.mutual_information + self.beta * parts.total_correlation + self.gamma * parts.by_latent
        return cost - batch.mean(terms.log_likelihood)

    @override
    def kl_weight(self, step: Step) -> Float[Array, ""]:
        """beta, the total correlation's."""
        return jnp.float32(self.beta)


def kl_parts(batch: Example, terms: LogTerms, num_examples: int) -> KLParts:
    """The three parts, estimated from the terms of a batch of examples drawn without replacement from `num_examples`."""
    posterior = terms.posterior
    if not isinstance(posterior, AbstractFactorisedPosterior):
        raise TypeError(f"kl_parts needs a posterior that is a product over latents, but it is {type(posterior).__name__}.")

    def of_one(
        pair: tuple[Float[Array, "samples latent"], Float[Array, " batch"]],
    ) -> tuple[Float[Array, " samples"], Float[Array, " samples"]]:
        """log q(z) and sum_j log q(z_j) at the draws of one example, from the posteriors of all."""
        z, log_weight = pair
        log_density = jax.vmap(lambda posterior: jax.vmap(posterior.log_prob_by_latent)(z))(posterior)
        weighted = log_weight[:, None, None] + log_density
        log_aggregate = jax.nn.logsumexp(log_weight[:, None] + log_density.sum(axis=-1), axis=0)
        return log_aggregate, jax.nn.logsumexp(weighted, axis=0).sum(axis=-1)

    # A batch of training goes at once; a large one of validation in parts, as the memory grows with its square.
    at_once = max(1, MOST_NUMBERS_AT_ONCE // terms.z.size)
    log_weights = (
        jnp.asarray(stratified_log_weights(len(terms.z), num_examples))
        if batch.weight is None
        else log_weights_of_counts(jnp.asarray(batch.weight, jnp.float32), num_examples)
    )
    log_aggregate, log_product = (
        jax.vmap(of_one)((terms.z, log_weights))
        if len(terms.z) <= at_once
        else jax.lax.map(of_one, (terms.z, log_weights), batch_size=at_once)
    )
    return KLParts(
        mutual_information=batch.mean(terms.log_posterior - log_aggregate),
        total_correlation=batch.mean(log_aggregate - log_product),
        by_latent=batch.mean(log_product - terms.log_prior),
    )


def stratified_log_weights(batch_size: int, num_examples: int) -> Float[np.ndarray, "own other"]:
    r"""The logarithms of W_ij in q(z_i) ~ sum_j W_ij q(z_i|x_j), for z_i ~ q(z|x_i) and j over a batch of B of N examples.

        W_ii = 1/N                          example i is in every batch that draws z_i
        W_ij = (N - 1) / (N (B - 1))        the other N - 1 examples, of which each such batch holds B - 1

    The mean over all batches that hold i is (1/N) sum_n q(z_i|x_n) exactly. Chen et al. 2018 (appendix C.2, minibatch
    stratified sampling, with their M = B - 1) give one of the others (N - M) / (N M) and the rest 1/M: the same mean, with the
    noise of which one is which; this is its average over the order of the batch. The published program strides along its
    matrix by B and not by B + 1, so that 1/N falls on its first column and not on its diagonal; most copies have kept that.

    A batch of one example says nothing of the others, and W = 1 takes it for all of them.
    """
    if batch_size == 1:
        return np.zeros((1, 1), np.float32)
    weights = np.full((batch_size, batch_size), (num_examples - 1) / (num_examples * (batch_size - 1)))
    np.fill_diagonal(weights, 1 / num_examples)
    return np.log(weights).astype(np.float32)


def log_weights_of_counts(counts: Float[Array, " batch"], num_examples: int) -> Float[Array, "own other"]:
    r"""`stratified_log_weights` where row j stands for n_j equal examples, B = sum_j n_j of them in all.

        W_ij = n_j (N - 1) / (N (B - 1)),   W_ii = 1/N + (n_i - 1) (N - 1) / (N (B - 1))

    A row that stands for less than one example has only the first term, and its weights are brought back to a sum of 1.
    """
    share = (num_examples - 1) / (num_examples * jnp.maximum(counts.sum() - 1, 1e-6))
    own = 1 / num_examples + jnp.maximum(counts - 1, 0) * share
    weights = jnp.where(jnp.eye(len(counts), dtype=bool), own, counts * share)
    return jnp.log(weights / weights.sum(axis=1, keepdims=True))
