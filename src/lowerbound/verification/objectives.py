"""What training maximises, beside the same figures in NumPy from the same draws, or by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, PRNGKeyArray

from ..data.examples import Example
from ..models import Draws, SingleLayer
from ..objectives import ELBO, IWAE, MIWAE, WakeSleep
from ..objectives.base import AbstractObjective, batch_terms
from ..objectives.dip import covariance, distance_from_identity
from ..objectives.total_correlation import stratified_log_weights
from ..objectives.wake_sleep import dreamt
from .figure import Figure
from .linear_gaussian import TRUTH, poor_model

SUBJECT = "linear-Gaussian model"
GROUPS, SAMPLES = 2, 3


def bounds_of_objectives() -> Iterator[Figure]:
    """The bounds that training reports: the logarithm of a mean, the mean of those, and the ELBO whatever weighs its KL."""
    log_weight, log_likelihood, kl, *found = (np.asarray(each, np.float64) for each in _records(poor_model()))
    log_means = scipy.special.logsumexp(log_weight.reshape(-1, GROUPS, SAMPLES), axis=2) - np.log(SAMPLES)
    truths = {
        "IWAE bound": scipy.special.logsumexp(log_weight, axis=1) - np.log(GROUPS * SAMPLES),
        "MIWAE bound": log_means.mean(axis=1),
        "ELBO, trained with its KL four times as heavy": log_likelihood.mean(axis=1) - kl,
    }
    for (name, truth), bound in zip(truths.items(), found, strict=True):
        yield Figure(SUBJECT, f"{name}, largest error", float(np.abs(bound - truth).max()), 0.0, 1e-4, "nats")


@eqx.filter_jit
def _records(model: SingleLayer) -> tuple[Array | None, ...]:
    """(log-weights, log-likelihoods, KL) of each example, and its bound under each objective, from the same draws."""
    batch, key = Example(jnp.asarray(TRUTH.draw(8, seed=3))), jax.random.key(0)
    terms = batch_terms(model, batch, key, Draws(GROUPS * SAMPLES))
    objectives: tuple[AbstractObjective, ...] = (
        IWAE(GROUPS * SAMPLES),
        MIWAE(SAMPLES, GROUPS),
        ELBO(GROUPS * SAMPLES, beta=4.0),
    )
    bounds = (objective(model, batch, key, jnp.int32(0), training=True).bound for objective in objectives)
    log_weight = terms.log_likelihood + terms.log_prior - terms.log_posterior
    return log_weight, terms.log_likelihood, jax.vmap(lambda term: term.kl)(terms), *bounds


def dreg_gradient() -> Iterator[Figure]:
    """The doubly reparametrised gradient of q's mean is sum_k v_k^2 d log w_k / dz_k (Tucker et al. 2019, eq. 8)."""
    model, x = poor_model(), TRUTH.draw(1, seed=3)
    gradient, z, params = (np.asarray(each, np.float64) for each in _gradient_and_draws(model, jnp.asarray(x)))
    mean, variance = params[0], np.exp(params[1])
    residual = x[0] - TRUTH.bias - z @ TRUTH.weight.T
    log_weight = -0.5 * ((residual / TRUTH.scale) ** 2).sum(axis=1) - 0.5 * (z**2).sum(axis=1)
    log_weight += 0.5 * ((z - mean) ** 2 / variance).sum(axis=1)
    share = scipy.special.softmax(log_weight)
    slope = residual @ TRUTH.weight / TRUTH.scale**2 - z + (z - mean) / variance
    error = float(np.abs(-gradient - share**2 @ slope).max())
    yield Figure(SUBJECT, "gradient of q's mean by dreg, largest error", error, 0.0, 1e-3, "nats")


@eqx.filter_jit
def _gradient_and_draws(model: SingleLayer, x: Array) -> tuple[Array, Array, Array]:
    batch, key = Example(x), jax.random.key(0)
    z = batch_terms(model, batch, key, Draws(4)).z[0]
    return _gradient(IWAE(4, "dreg"), model, batch, key), z, model.encoder(x[0])


def _gradient(objective: AbstractObjective, model: SingleLayer, batch: Example, key: PRNGKeyArray) -> Array:
    """That of the loss by the encoder's bias."""

    def loss(bias: Array) -> Array:
        moved: Any = eqx.tree_at(lambda model: model.encoder.bias, model, bias)
        return objective(moved, batch, key, jnp.int32(0), training=True).loss

    encoder: Any = model.encoder
    return jax.grad(loss)(encoder.bias)


def sleep_gradient() -> Iterator[Figure]:
    """The sleep half moves q's mean towards the latents that were dreamt: d -log q(z'|x') / dmean = (mean - z') / variance."""
    model = poor_model()
    gradient, z, params = (
        np.asarray(each, np.float64) for each in _gradient_and_dreams(model, jnp.asarray(TRUTH.draw(8, seed=3)))
    )
    truth = ((params[:, 0] - z) / np.exp(params[:, 1])).mean(axis=0)
    error = float(np.abs(gradient - truth).max())
    yield Figure(SUBJECT, "gradient of q's mean by wake-sleep, largest error", error, 0.0, 1e-4, "nats")


@eqx.filter_jit
def _gradient_and_dreams(model: SingleLayer, x: Array) -> tuple[Array, Array, Array]:
    batch, key = Example(x), jax.random.key(0)
    z, dreams = dreamt(model, batch, WakeSleep.keys(key)[1])
    return _gradient(WakeSleep(), model, batch, key), z, jax.vmap(model.encoder)(dreams.x)


def penalties() -> Iterator[Figure]:
    """What an aggregate posterior is made of: weights of a batch that are right in the mean, and moments with 1/B."""
    densities = np.random.default_rng(0).uniform(size=5)
    weights = np.exp(np.asarray(stratified_log_weights(3, 5), np.float64))
    means = [
        np.mean([weights[batch.index(i)] @ densities[list(batch)] for batch in itertools.combinations(range(5), 3) if i in batch])
        for i in range(5)
    ]
    # Of all batches that hold example i, with it at its own place.
    error = float(np.abs(np.array(means) - densities.mean()).max())
    yield Figure("batches of 3 of 5 examples", "mean of q(z) over them, largest error", error, 0.0, 1e-6)
    values = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    truth = np.cov(values.astype(np.float64).T, bias=True)
    error = float(np.abs(np.asarray(covariance(jnp.asarray(values), Example(values)), np.float64) - truth).max())
    yield Figure("codes of 4 examples", "covariance, largest error", error, 0.0, 1e-5)
    penalty = distance_from_identity(jnp.array([[3.0, 0.5], [0.5, 2.0]]), 10.0, 5.0)
    yield Figure("covariance ((3, 1/2), (1/2, 2))", "penalty of DIP-VAE", float(penalty), 10 * 0.5 + 5 * 5, 1e-4)
