"""The evidence lower bound, with its KL term weighted and warmed up in the loss where asked."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from .base import AbstractObjective, LossRecord


class ELBO(AbstractObjective):
    r"""log p(x) >= ELBO(x) = E_q[log p(x|z)] - KL(q(z|x) || p(z)) (Kingma and Welling 2014, eq. 3).

    The expectation is the mean over L = `num_samples` reparametrised draws (their eq. 7); the KL is exact where it has a
    closed form. The two roles of this number are kept apart:

        loss  = mean over the batch of -(E_q[log p(x|z)] - w KL),  w = beta * min(1, (step + 1) / warmup_steps)
        bound = E_q[log p(x|z)] - KL for each example, always with w = 1

    - `num_samples`: L >= 1.
    - `beta`: weight of the KL in the loss (Higgins et al. 2017); with beta != 1 the loss is no bound, the bound still is.
    - `warmup_steps`: steps over which the weight rises linearly from 0 to beta (Sonderby et al. 2016); 0 for none.
    """

    num_samples: int = eqx.field(static=True, default=1)
    beta: float = eqx.field(static=True, default=1.0)
    warmup_steps: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        if self.num_samples < 1:
            raise ConfigurationError(f"objective.num_samples is {self.num_samples}; it must be a whole number from 1 up.")
        if self.beta < 0:
            raise ConfigurationError(f"objective.beta is {self.beta}; it must be 0 or more (1 gives the bound itself).")
        if self.warmup_steps < 0:
            raise ConfigurationError(f"objective.warmup_steps is {self.warmup_steps}; it must be 0 (none) or more.")

    def __call__(
        self,
        model: AbstractLatentVariableModel,
        batch: Num[Array, "batch ..."],
        key: PRNGKeyArray,
        step: Int[Array, ""],
        *,
        training: bool = False,
    ) -> LossRecord:
        """The record of one batch at one step."""
        keys = jax.random.split(key, batch.shape[0])
        terms = jax.vmap(lambda x, k: model.log_terms(x, k, self.num_samples, training=training))(batch, keys)
        with jax.named_scope("ELB"):
            log_likelihood = terms.log_likelihood.mean(axis=1)
            kl = jax.vmap(lambda term: term.kl)(terms)
            loss = -jnp.mean(log_likelihood - self.kl_weight(step) * kl)
            return LossRecord(loss, log_likelihood - kl, log_likelihood, kl, jax.tree.map(jnp.mean, terms.monitors))

    def kl_weight(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """w = beta * min(1, (step + 1) / warmup_steps)."""
        if self.warmup_steps == 0:
            return jnp.float32(self.beta)
        return self.beta * jnp.minimum(1.0, (step + 1).astype(jnp.float32) / self.warmup_steps)
