"""Monte Carlo EM: the decoder learns from draws of the exact posterior, which Hamiltonian chains bring, one for each example."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel, Draws
from ..sampling.hamiltonian import place_at, transition
from ..sampling.step_size import WANTED_ACCEPTANCE, tuned
from .base import AbstractObjective, LossRecord, Need, batch_terms, kl_of, record_of
from .schedule import Step

# The leapfrog's step at first, and how far a batch whose moves are all accepted, or all refused, changes its logarithm.
FIRST_STEP_SIZE, GAIN = 0.1, 0.1


class Chains(eqx.Module):
    """What is remembered from step to step: where the chain of each training example is, and the log of their step size."""

    z: Float[Array, "examples latent"]
    log_step_size: Float[Array, ""]


class MonteCarloEM(AbstractObjective):
    r"""Expectation maximisation whose expectation is one draw of p(z|x) by a Markov chain (Kingma and Welling 2014, appendix E).

        loss  = mean over the batch of -log p(x, z) - log q(z|x),   z the state of the example's own chain
        bound = the ELBO of each example under q

    Each training example has a chain, which starts at a draw of N(0, I) and moves when the example's batch comes: one Hamiltonian
    transition of `num_leapfrog` steps that leaves p(z|x) as it is for the weights of the moment. Then the batch stays for five
    steps of the optimiser (`steps_per_batch`; a pass over the data is five steps for each batch). The leapfrog's step size, one
    for all chains, follows the acceptance by stochastic approximation:

        log step <- log step + 0.1 (mean acceptance probability of the batch - `acceptance`)

    **The encoder has no part in this.** It is trained beside it, by the second term, to maximise log q(z|x) at the chains' draws,
    with no gradient to the decoder: so a model has a q by which it can be evaluated, reported and encoded with like any other.
    Neither is the chain's posterior limited to q's family, nor does q change what the decoder learns.

    The loss is no bound. Examples that have no chain, those of validation, are judged by minus the ELBO under q. Dropout acts on
    the encoder alone: chains and decoder see the decoder as it is.

    - `num_leapfrog`: steps of each move, 1 or more; the paper takes 10.
    - `acceptance`: the mean probability of acceptance that the step size is tuned to, above 0 and below 1; the paper takes 0.9.

    Raises `ConfigurationError`, when training begins, for latents on a sphere, a prior that is made of the posterior, and where
    there cannot be a chain for each example: data that a feed brings, or that each step draws anew.
    """

    num_leapfrog: int = eqx.field(static=True, default=10)
    acceptance: float = eqx.field(converter=float, default=WANTED_ACCEPTANCE)
    num_samples: ClassVar[int] = 1
    needs: ClassVar[tuple[Need, ...]] = ("density", "own-prior", "euclidean-space")
    is_bound: ClassVar[bool] = False
    remembers_examples: ClassVar[bool] = True
    steps_per_batch: ClassVar[int] = 5

    @override
    def initial_state(self, model: AbstractLatentVariableModel, num_examples: int, key: PRNGKeyArray) -> Chains:
        z = jax.random.normal(key, (num_examples, model.latent_dim), jnp.float32)
        return Chains(z, jnp.log(jnp.float32(FIRST_STEP_SIZE)))

    @override
    def __call__(
        self,
        model: AbstractLatentVariableModel,
        batch: Example,
        key: PRNGKeyArray,
        step: Step,
        state: Chains | None = None,
        *,
        training: bool = False,
    ) -> LossRecord:
        draw_key, move_key = jax.random.split(key)
        terms = batch_terms(model.detached("generative"), batch, draw_key, Draws(1, training))
        if not training:
            return record_of(model, batch, terms, -batch.mean(terms.log_likelihood.mean(axis=1) - kl_of(terms)))
        if state is None or batch.index is None or step is None:
            raise ConfigurationError(
                "MonteCarloEM: a training step needs the chains and must know which of them are the batch's, but "
                f"{'state' if state is None else 'step' if step is None else 'batch.index'} is None; give "
                "state=objective.initial_state(model, num_examples, key), Example(x, index=rows) and the step's number, or use a "
                "Trainer."
            )
        z, log_step_size = self._moved(model, batch, move_key, step, state)
        chains = Chains(state.z.at[batch.index].set(z), log_step_size)
        log_joint = jax.vmap(lambda example, z: _log_joint(model, example, z))(batch.on_device(), z)
        log_posterior = jax.vmap(lambda term, z: term.posterior.log_prob(z))(terms, z)
        record = record_of(model, batch, terms, -batch.mean(log_joint + log_posterior))
        return dataclasses.replace(record, state=chains)

    def _moved(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Array, state: Chains
    ) -> tuple[Float[Array, "batch latent"], Float[Array, ""]]:
        """The batch's chains and the log step size: after a move where the batch is new, as they are where it stays."""
        # All that it is about is given: no gradient flows through a chain.
        state = jax.lax.stop_gradient(state)
        before = state.z[batch.index]

        def moved() -> tuple[Array, Array]:
            still, step_size = model.detached("generative").detached("recognition"), jnp.exp(state.log_step_size)

            def one(example: Example, z: Array, key: PRNGKeyArray) -> tuple[Array, Array]:
                densities = (lambda z: _log_joint(still, example, z),)
                place, probability = transition(
                    densities, jnp.ones(1, jnp.float32), place_at(densities, z), step_size, self.num_leapfrog, key
                )
                return place.z, probability

            z, probability = jax.vmap(one)(batch.on_device(), before, jax.random.split(key, len(batch)))
            return z, tuned(state.log_step_size, batch.mean(probability), GAIN, self.acceptance)

        return jax.lax.cond(step % self.steps_per_batch == 0, moved, lambda: (before, state.log_step_size))


def _log_joint(model: AbstractLatentVariableModel, example: Example, z: Float[Array, " latent"]) -> Float[Array, ""]:
    return model.log_likelihood(example, z) + model.log_prior(z, example.condition)
