"""The variational Renyi bound."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..models import AbstractLatentVariableModel, Draws
from .base import AbstractStatelessObjective, Estimated, batch_terms, kl_of, log_weight_of
from .importance_weighted import iwae_name, log_mean_exp
from .schedule import Step


class RenyiBound(AbstractStatelessObjective):
    r"""VR_a(x) = (1 / (1 - a)) log E_q[w^(1 - a)],   w = p(x, z) / q(z|x)  (Li and Turner 2016, arXiv 1602.02311).

        loss  = -mean over the batch of (1 / (1 - a)) log (1/K) sum_k w_k^(1 - a);   for a = 1 of E_q[log p(x|z)] - KL
        bound = log (1/K) sum_k w_k, the IWAE bound of the same draws

    a = 0 is the IWAE bound, a -> 1 the ELBO, 0 < a < 1 lies between; a > 1 lies below the ELBO. For a < 0 the number is above
    the IWAE bound, no bound on log p(x) in either direction with finitely many draws, and never to be reported as one. For a
    >= 0 the logarithm of the weights' mean of order 1 - a <= 1 never exceeds that of their plain mean, draw for draw; so the
    IWAE bound, which does not depend on a, is at least as tight, and it is what is reported.

    - `num_samples`: K >= 1; with one draw every a gives the same. `alpha`: a, any number.
    """

    num_samples: int = eqx.field(static=True, default=5)
    alpha: float = eqx.field(converter=float, default=0.5)

    @property
    @override
    def is_bound(self) -> bool:
        return self.alpha >= 0

    @property
    @override
    def bound_name(self) -> str:
        return iwae_name(self.num_samples)

    @override
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> Estimated:
        terms = batch_terms(model, batch, key, Draws(self.num_samples, training))
        is_elbo = jnp.asarray(self.alpha == 1)
        # Both are computed, so that another order needs no other program; that of the ELBO has no power mean to divide by 0.
        order = jnp.where(is_elbo, 1.0, 1.0 - self.alpha)
        of_order = log_power_mean(log_weight_of(terms), order)
        values = jnp.where(is_elbo, terms.log_likelihood.mean(axis=1) - kl_of(terms), of_order)
        return terms, -batch.mean(values), log_mean_exp(log_weight_of(terms))


def log_power_mean(log_weight: Float[Array, "*batch draws"], order: float | Float[Array, ""]) -> Float[Array, "*batch"]:
    """(1/s) log (1/K) sum_k w_k^s for an order s other than 0, over the last axis."""
    # log1p and expm1, not logsumexp: near s = 0 the terms differ from 1 by s log w, which a rounded 1 would swallow.
    largest = jax.lax.stop_gradient((order * log_weight).max(axis=-1, keepdims=True) / order)
    relative = jnp.expm1(order * (log_weight - largest)).mean(axis=-1)
    return largest[..., 0] + jnp.log1p(relative) / order
