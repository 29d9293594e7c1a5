"""The ELBO with its KL taken apart: mutual information, total correlation, and what is left for each latent."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..config.context import ObjectiveContext
from ..config.sections import ObjectiveConfig
from ..data.examples import Examples
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel, LogTerms
from ..posteriors import AbstractFactorisedPosterior
from .base import AbstractObjective, LossRecord, Need, batch_terms, record_of
from .importance_weighted import check_draws


class KLParts(NamedTuple):
    """The three parts of the mean KL(q(z|x) || p(z)) of a batch, in nats; their sum is the mean of log q(z|x) - log p(z)."""

    mutual_information: Float[Array, ""]
    total_correlation: Float[Array, ""]
    by_latent: Float[Array, ""]


class BetaTCVAE(AbstractObjective):
    r"""The KL in three parts with a weight for each (Chen et al. 2018, arXiv 1802.04942, eq. 4).

        loss  = mean over the batch of -E_q[log p(x|z)] + alpha I + beta TC + gamma D
        bound = the ELBO of each example

        I  = E[log q(z|x) - log q(z)]                    the index-code mutual information
        TC = E[log q(z) - sum_j log q(z_j)]              the total correlation
        D  = E[sum_j log q(z_j) - log p(z)]              the KL of each latent, where the prior is a product over them

    with q(z) = (1/N) sum_n q(z|x_n) over all N examples, estimated without bias from a batch (`stratified_log_weights`). Its
    logarithm has a bias, E[log of the estimate] <= log q(z), which moves nats from TC to I; their sum has none.

    - `num_examples`: N, the size of the training set. `num_samples`: draws of z for each example.
    - `alpha`, `beta`, `gamma`: weights, 0 or more; all 1 is the ELBO.
    """

    num_examples: int = eqx.field(static=True)
    num_samples: int = eqx.field(static=True, default=1)
    alpha: float = eqx.field(static=True, default=1.0)
    beta: float = eqx.field(static=True, default=6.0)
    gamma: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        check_draws(self.num_samples)
        if self.num_examples < 2:
            raise ConfigurationError(
                f"beta-tc: num_examples is {self.num_examples}, but it compares examples; it needs 2 training examples or more."
            )
        for name in ("alpha", "beta", "gamma"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"objective.{name} is {getattr(self, name)}; beta-tc needs 0 or more (1 is the ELBO).")

    @classmethod
    def build(cls, config: ObjectiveConfig, context: ObjectiveContext) -> BetaTCVAE:
        """With the configured weights and the number of training examples."""
        return cls(context.num_examples, config.num_samples, config.alpha, config.beta, config.gamma)

    @property
    def needs(self) -> tuple[Need, ...]:
        """A density that is a product over latents."""
        return ("density", "factorised-posterior")

    @property
    def bound_name(self) -> str:
        """The ELBO."""
        return "ELBO"

    def __call__(
        self,
        model: AbstractLatentVariableModel,
        batch: Examples,
        key: PRNGKeyArray,
        step: Int[Array, ""],
        *,
        training: bool = False,
    ) -> LossRecord:
        """The record of one batch at one step."""
        terms = batch_terms(model, batch, key, self.num_samples, training=training)
        parts = kl_parts(terms, self.num_examples)
        cost = self.alpha * parts.mutual_information + self.beta * parts.total_correlation + self.gamma * parts.by_latent
        return record_of(model, terms, cost - terms.log_likelihood.mean())

    def kl_weight(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """beta, the total correlation's."""
        return jnp.float32(self.beta)


def kl_parts(terms: LogTerms, num_examples: int) -> KLParts:
    """The three parts, estimated from the terms of a batch of examples drawn without replacement from `num_examples`."""
    log_weights = stratified_log_weights(len(terms.z), num_examples)[:, :, None]

    def log_densities(posterior: AbstractFactorisedPosterior) -> Float[Array, "batch samples latent"]:
        return jax.vmap(jax.vmap(posterior.log_prob_by_latent))(terms.z)

    # pairs[j, i, s, l] = log q(z_isl | x_j): draws of example i under the posterior of example j.
    posterior = terms.posterior
    assert isinstance(posterior, AbstractFactorisedPosterior)  # `needs` was checked
    pairs = jax.vmap(log_densities)(posterior)
    log_aggregate = jax.nn.logsumexp(log_weights + pairs.sum(axis=-1), axis=0)
    log_product = jax.nn.logsumexp(log_weights[..., None] + pairs, axis=0).sum(axis=-1)
    return KLParts(
        mutual_information=jnp.mean(terms.log_posterior - log_aggregate),
        total_correlation=jnp.mean(log_aggregate - log_product),
        by_latent=jnp.mean(log_product - terms.log_prior),
    )


def stratified_log_weights(batch_size: int, num_examples: int) -> Float[np.ndarray, "other own"]:
    r"""The logarithms of W_ji in q(z_i) ~ sum_j W_ji q(z_i|x_j), for z_i ~ q(z|x_i) and j over a batch of B of N examples.

        W_ii = 1/N                          example i is in every batch that draws z_i
        W_ji = (N - 1) / (N (B - 1))        the other N - 1 examples, of which each such batch holds B - 1

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
