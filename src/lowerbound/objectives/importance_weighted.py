"""Bounds of importance weights: tighter with more draws, in groups or mixed with the ELBO, with low-variance gradients."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..models import AbstractLatentVariableModel, Draws, LogTerms
from .base import AbstractStatelessObjective, Estimated, GradientEstimator, batch_terms, log_weight_of
from .schedule import Step


class AbstractImportanceWeighted(AbstractStatelessObjective):
    """Bounds that are a function of one example's log-weights, all draws side by side, those of a group next to each other."""

    is_bound: ClassVar[bool] = True

    @property
    @abstractmethod
    def num_groups(self) -> int:
        """M; 1 where the draws are one group."""

    @property
    @abstractmethod
    def gradient(self) -> GradientEstimator:
        """How the gradient of q reaches the encoder; see `IWAE`."""

    @abstractmethod
    def bound(self, log_weight: Float[Array, " draws"]) -> Float[Array, ""]:
        """The bound of one example."""

    @abstractmethod
    def path_scale(self, log_weight: Float[Array, " draws"]) -> Float[Array, " draws"]:
        """For "dreg": how much of each draw's gradient goes on to the encoder."""

    def values(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, *, training: bool
    ) -> tuple[LogTerms, Float[Array, " batch"]]:
        """The terms of a batch and the bound of each example, with the gradient that the estimator gives it."""
        num_draws = self.num_groups * self.num_samples
        if self.gradient != "dreg":
            terms = batch_terms(model, batch, key, Draws(num_draws, training, path_only=self.gradient == "stl"))
            return terms, jax.vmap(self.bound)(log_weight_of(terms))
        # The factors must be known before the pass that they act in, so it comes twice with the same draws: a quarter more work.
        first = batch_terms(model, batch, key, Draws(num_draws, training, path_only=True))
        log_weight = jax.lax.stop_gradient(log_weight_of(first))
        scale = jax.vmap(self.path_scale)(log_weight)
        terms = batch_terms(model, batch, key, Draws(num_draws, training, path_only=True, path_scale=scale))
        weighted = jnp.sum(jax.vmap(jax.grad(self.bound))(log_weight) * log_weight_of(terms), axis=1)
        return terms, jax.vmap(self.bound)(log_weight) + weighted - jax.lax.stop_gradient(weighted)


class AbstractMeanOfGroups(AbstractImportanceWeighted):
    """(1/M) sum_m log (1/K) sum_k w_{m,k} of M groups of K draws, which is what is reported too."""

    @override
    def bound(self, log_weight: Float[Array, " draws"]) -> Float[Array, ""]:
        return log_mean_exp(log_weight.reshape(self.num_groups, self.num_samples)).mean()

    @override
    def path_scale(self, log_weight: Float[Array, " draws"]) -> Float[Array, " draws"]:
        return jax.nn.softmax(log_weight.reshape(self.num_groups, self.num_samples), axis=1).reshape(-1)

    @override
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> Estimated:
        terms, values = self.values(model, batch, key, training=training)
        return terms, -batch.mean(values), values


class IWAE(AbstractMeanOfGroups):
    r"""log p(x) >= IWAE_K(x) = E[log (1/K) sum_k w_k]  (Burda et al. 2016, arXiv 1509.00519, eq. 8).

    w_k = p(x, z_k) / q(z_k|x) are the importance weights of K draws from q(z|x).

        loss = -mean over the batch of log (1/K) sum_k w_k,   bound = the same for each example

    With v_k = w_k / sum_l w_l the decoder's gradient is always sum_k v_k d log w_k / d theta; the encoder's is, for `gradient`

        plain   sum_k v_k (d log w_k / d phi, z and q both moving): right in expectation, its signal falls with K
        stl     sum_k v_k (d log w_k / d z_k)(d z_k / d phi): less noise, but biased for K > 1, since v_k depends on q too
        dreg    sum_k v_k^2 (d log w_k / d z_k)(d z_k / d phi): right in expectation, and with less noise
                (Tucker et al. 2019, arXiv 1810.04152, eq. 8)

    A prior that shares the encoder (VampPrior) belongs to the decoder's side, and gets v_k.

    - `num_samples`: K >= 1 draws of z for each example.
    """

    num_samples: int = eqx.field(static=True, default=5)
    gradient: GradientEstimator = eqx.field(static=True, default="plain")
    num_groups: ClassVar[int] = 1

    @property
    @override
    def bound_name(self) -> str:
        return iwae_name(self.num_samples)


class MIWAE(AbstractMeanOfGroups):
    r"""MIWAE_{M,K}(x) = E[(1/M) sum_m log (1/K) sum_k w_{m,k}]  (Rainforth et al. 2018, arXiv 1802.04537).

    In expectation it is IWAE_K; M averages the noise of its gradient, where a larger K drowns the encoder's signal in it. The
    logarithm is of the mean over K, and the mean over M of logarithms: with the two axes swapped, as seen in public code, M and
    K change roles. The loss is minus this number, which is also the reported bound. `gradient` as in `IWAE`, in each group.

    - `num_samples`: K >= 1, draws in a group. `num_groups`: M >= 1; M K draws in all.
    """

    num_samples: int = eqx.field(static=True, default=5)
    num_groups: int = eqx.field(static=True, default=1)
    gradient: GradientEstimator = eqx.field(static=True, default="plain")

    @property
    @override
    def bound_name(self) -> str:
        return f"MIWAE bound, {self.num_groups} x {_samples(self.num_samples)}"


class CIWAE(AbstractImportanceWeighted):
    r"""CIWAE_{b,K}(x) = b ELBO(x) + (1 - b) IWAE_K(x)  (Rainforth et al. 2018, arXiv 1802.04537).

        loss  = -mean over the batch of [b (1/K) sum_k log w_k + (1 - b) log (1/K) sum_k w_k]
        bound = IWAE_K of the same draws, the tighter of the two

    `gradient` as in `IWAE`. Under "dreg" a draw's gradient is b/K + (1 - b) v_k for the decoder and b/K + (1 - b) v_k^2 for the
    encoder: the ELBO's doubly reparametrised gradient is the one of "stl".

    - `num_samples`: K >= 1 draws of z for each example. `elbo_weight`: b from 0 (IWAE) to 1 (the ELBO).
    """

    num_samples: int = eqx.field(static=True, default=5)
    elbo_weight: float = eqx.field(converter=float, default=0.5)
    gradient: GradientEstimator = eqx.field(static=True, default="plain")
    num_groups: ClassVar[int] = 1

    @property
    @override
    def bound_name(self) -> str:
        return iwae_name(self.num_samples)

    @override
    def bound(self, log_weight: Float[Array, " draws"]) -> Float[Array, ""]:
        return self.elbo_weight * log_weight.mean() + (1 - self.elbo_weight) * log_mean_exp(log_weight)

    @override
    def path_scale(self, log_weight: Float[Array, " draws"]) -> Float[Array, " draws"]:
        b, share = self.elbo_weight, jax.nn.softmax(log_weight)
        of_decoder, of_encoder = b / len(share) + (1 - b) * share, b / len(share) + (1 - b) * share**2
        return of_encoder / jnp.maximum(of_decoder, jnp.finfo(share.dtype).tiny)

    @override
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> Estimated:
        terms, values = self.values(model, batch, key, training=training)
        return terms, -batch.mean(values), log_mean_exp(log_weight_of(terms))


class PIWAE(AbstractStatelessObjective):
    r"""The decoder by IWAE_{MK}, the encoder by MIWAE_{M,K}, of the same M K draws (Rainforth et al. 2018, arXiv 1802.04537).

    A tighter bound is better for the decoder and the prior, and worse for the signal that reaches the encoder, so each has its
    own. The loss's value, and the bound, are those of the decoder; `gradient`, as in `IWAE`, is the encoder's estimator.

    - `num_samples`: K >= 1, draws in a group. `num_groups`: M >= 1.
    """

    num_samples: int = eqx.field(static=True, default=5)
    num_groups: int = eqx.field(static=True, default=1)
    gradient: GradientEstimator = eqx.field(static=True, default="plain")
    is_bound: ClassVar[bool] = True

    @property
    @override
    def bound_name(self) -> str:
        return iwae_name(self.num_groups * self.num_samples)

    @override
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> Estimated:
        of_groups, of_all = MIWAE(self.num_samples, self.num_groups, self.gradient), IWAE(self.num_groups * self.num_samples)
        # The same key, so the same draws.
        _, of_encoder = of_groups.values(model.detached("generative"), batch, key, training=training)
        terms, of_decoder = of_all.values(model.detached("recognition"), batch, key, training=training)
        # Each half's gradient from its own bound; the value is the decoder's, so that the loss stays minus the reported bound.
        loss = -batch.mean(of_decoder + of_encoder - jax.lax.stop_gradient(of_encoder))
        return terms, loss, of_decoder


def log_mean_exp(log_weight: Float[Array, "*batch draws"]) -> Float[Array, "*batch"]:
    """log (1/K) sum_k exp(log w_k) over the last axis."""
    return jax.nn.logsumexp(log_weight, axis=-1) - jnp.log(jnp.float32(log_weight.shape[-1]))


def iwae_name(num_samples: int) -> str:
    """ "IWAE bound, 5 samples"."""
    return f"IWAE bound, {_samples(num_samples)}"


def _samples(count: int) -> str:
    return f"{count} sample" if count == 1 else f"{count} samples"
