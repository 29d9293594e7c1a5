"""Wake-sleep: the decoder learns from what the encoder makes of the data, the encoder from what the decoder dreams."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..models import AbstractLatentVariableModel, Draws
from .base import AbstractStatelessObjective, Estimated, Need, batch_terms
from .schedule import Step


class WakeSleep(AbstractStatelessObjective):
    r"""Two halves, each of which trains one half of the model (Hinton et al. 1995; Dayan et al. 1995).

        loss  = wake + sleep, means over the batch
        wake  = -E_{z ~ q(z|x)}[log p(x, z)], the gradient to p's numbers theta alone, and none through z
        sleep = -E_{(z', x') ~ p}[log q(z'|x')], the gradient to q's numbers phi alone, and none through the dream
        bound = the ELBO of each example

    The wake half is the gradient of the ELBO by theta. The sleep half is not that by phi: it brings q to the posterior by
    KL(p(z|x) || q(z|x)), the other direction, and on the model's own x' in place of the data. Where q is the exact posterior and
    theta at maximum likelihood both have mean 0, but away from there no function falls along the two together, so the loss is no
    bound and need not fall.

    A batch has a dream for each of its examples, under the example's own condition, with its own total where the density of
    counts is given it, and with the same elements hidden.

    - `num_samples`: draws of z for each example in the wake half.

    Raises `ConfigurationError`, when training begins, for a prior that is made of the posterior: its numbers are in both halves.
    """

    num_samples: int = eqx.field(static=True, default=1)
    needs: ClassVar[tuple[Need, ...]] = ("density", "own-prior")
    is_bound: ClassVar[bool] = False

    @override
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> Estimated:
        wake_key, dream_key, sleep_key = self.keys(key)
        # Where q is refined for each example, z is a function of theta too.
        no_path = jnp.zeros((len(batch), self.num_samples), jnp.float32)
        awake = Draws(self.num_samples, training, path_scale=no_path)
        terms = batch_terms(model.detached("recognition"), batch, wake_key, awake)
        wake = -batch.mean((terms.log_likelihood + terms.log_prior).mean(axis=1))
        dreamer = model.detached("generative")
        z, dreams = dreamt(dreamer, batch, dream_key)
        asleep = batch_terms(dreamer, dreams, sleep_key, Draws(1, training))
        sleep = -batch.mean(jax.vmap(lambda term, z: term.posterior.log_prob(z))(asleep, z))
        return terms, wake + sleep, None

    @staticmethod
    def keys(key: PRNGKeyArray) -> tuple[PRNGKeyArray, PRNGKeyArray, PRNGKeyArray]:
        """Those of the wake half, of the dreams, and of what is random in the encoder when it sees them."""
        wake_key, dream_key, sleep_key = jax.random.split(key, 3)
        return wake_key, dream_key, sleep_key


def dreamt(model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray) -> tuple[Float[Array, "batch latent"], Example]:
    """(z', x') ~ p(x, z) for each example, given what the example is given: its condition, its total, what of it is hidden."""

    def one(example: Example, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, "..."]]:
        latent_key, data_key = jax.random.split(key)
        z = model.sample_latent(latent_key, example.condition)
        _, draws = model.replicate(example, z, data_key[None])
        return z, draws[0]

    z, x = jax.vmap(one)(batch.on_device(), jax.random.split(key, len(batch)))
    return z, dataclasses.replace(batch, x=x)
