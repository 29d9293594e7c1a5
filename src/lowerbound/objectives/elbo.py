"""The evidence lower bound, with its KL term weighted, warmed up, kept alive or given a capacity in the loss where asked."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel, Draws
from .base import AbstractStatelessObjective, Estimated, GradientEstimator, Need, batch_terms, is_on, kl_of
from .needs import check_needs
from .schedule import Course, Step, WarmUp


class ELBO(AbstractStatelessObjective):
    r"""log p(x) >= ELBO(x) = E_q[log p(x|z)] - KL(q(z|x) || p(z)) (Kingma and Welling 2014, eq. 3).

    The expectation is the mean over L = `num_samples` reparametrised draws (their eq. 7); the KL is exact where it has a
    closed form. The two roles of this number are kept apart:

        loss  = mean over the batch of -(E_q[log p(x|z)] - w R),   w = beta * warm-up(step)
        bound = E_q[log p(x|z)] - KL for each example, always with w = 1 and R = KL

        R = KL                                                   as it is
        R = sum_j max(free_nats, batch mean of KL_j)             with `free_nats` (Kingma et al. 2016, arXiv 1606.04934, eq. 15)
        R = |KL - C|, C = capacity_nats * rise(step)             with `capacity_nats` (Burgess et al. 2018, arXiv 1804.03599,
                                                                 eq. 8), rise = min(1, (t + 1) / capacity_steps)

    Free nats are held against the mean over the batch, so that a latent may cost nothing for one example and much for another;
    some libraries hold each example's own KL, or the sum over latents, against the threshold. The capacity is the distance of
    each example's own KL, as the equation is written for one x; some libraries take that of the batch's mean.

    - `num_samples`: L >= 1.
    - `beta`: weight of the KL in the loss (Higgins et al. 2017); with beta != 1 the loss is no bound, the bound still is.
    - `warmup_steps`, `warmup`: see `WarmUp`; 0 for none.
    - `free_nats`: nats of each latent that cost nothing; needs a KL in closed form for each latent.
    - `capacity_nats`, `capacity_steps`: the KL's target at the end of its rise, and the steps of that rise.
    - `gradient`: "plain", or "stl" (sticking the landing, Roeder et al. 2017): the KL's gradient is then that of the draws'
      log q - log p, through z alone; it has no variance where q is the exact posterior.
    """

    num_samples: int = eqx.field(static=True, default=1)
    beta: float = eqx.field(converter=float, default=1.0)
    warmup_steps: int = eqx.field(static=True, default=0)
    warmup: Course = eqx.field(static=True, default="linear")
    free_nats: float = eqx.field(converter=float, default=0.0)
    capacity_nats: float = eqx.field(converter=float, default=0.0)
    capacity_steps: int = eqx.field(static=True, default=0)
    gradient: GradientEstimator = eqx.field(static=True, default="plain")

    def __check_init__(self) -> None:
        if is_on(self.free_nats) and is_on(self.capacity_nats):
            raise ConfigurationError(
                "objective.free_nats and objective.capacity_nats are both set, and both replace the KL in the loss; set one to 0."
            )
        if self.gradient == "stl" and (is_on(self.free_nats) or is_on(self.capacity_nats)):
            raise ConfigurationError(
                "objective.gradient is 'stl', which takes the KL from the draws, but free_nats or capacity_nats needs the KL "
                "itself; set objective.gradient=plain, or both of them to 0."
            )
        if self.gradient == "dreg":
            raise ConfigurationError(
                f"objective.gradient is {self.gradient!r}, but the ELBO takes 'plain' or 'stl'. Doubly reparametrised gradients "
                "('dreg') are for importance weights: objective.name=iwae."
            )

    @property
    @override
    def needs(self) -> tuple[Need, ...]:
        return ("density", "kl-by-latent") if is_on(self.free_nats) else ("density",)

    @property
    @override
    def is_bound(self) -> bool:
        return self.beta == 1 and not is_on(self.free_nats) and not is_on(self.capacity_nats)

    @override
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> Estimated:
        is_stl = self.gradient == "stl"
        terms = batch_terms(model, batch, key, Draws(self.num_samples, training, is_stl))
        log_likelihood = terms.log_likelihood.mean(axis=1)
        kl = kl_of(terms)
        weight = self.kl_weight(step)
        if is_on(self.free_nats):
            check_needs(self, model)
            kl_by_latent = jax.vmap(lambda term: term.kl_by_latent)(terms)
            cost = jnp.maximum(self.free_nats, batch.mean(kl_by_latent, axis=0)).sum()
        elif is_on(self.capacity_nats):
            cost = jnp.abs(kl - self.capacity(step))
        elif is_stl:
            cost = (terms.log_posterior - terms.log_prior).mean(axis=1)
        else:
            cost = kl
        return terms, -batch.mean(log_likelihood - weight * cost), None

    @override
    def kl_weight(self, step: Step) -> Float[Array, ""]:
        """w = beta * warm-up(step)."""
        return self.beta * WarmUp(self.warmup_steps, self.warmup)(step)

    def capacity(self, step: Step) -> Float[Array, ""]:
        """C in nats at a step."""
        return self.capacity_nats * WarmUp(self.capacity_steps)(step)
