"""The evidence log p(x) by importance sampling, in bounded memory, and the ELBO from the same draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

from ..data.examples import Examples
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from .latents import check_condition

# Rows of decoder output in flight at once: enough to fill a matrix product, few enough to stay in the caches.
ROWS_PER_PRODUCT = 2048
SAMPLES_PER_PRODUCT = 64


class EvidenceEstimate(NamedTuple):
    """One number an example, in nats, about x in the user's units.

    - `log_evidence`: log (1/K) sum_k w_k, a lower bound on log p(x) in expectation that rises with K.
    - `elbo`: E_q[log p(x|z)] - KL, the mean over the same K draws, with the closed-form KL where there is one.
    - `kl`: KL(q(z|x) || p(z)), in closed form or as the mean over the draws.
    """

    log_evidence: Float[Array | np.ndarray, "*examples"]
    elbo: Float[Array | np.ndarray, "*examples"]
    kl: Float[Array | np.ndarray, "*examples"]


def estimate_evidence(
    model: AbstractLatentVariableModel,
    data: Examples | np.ndarray,
    num_samples: int,
    *,
    seed: int = 0,
    streams: Int[np.ndarray, " examples"] | None = None,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> EvidenceEstimate:
    r"""Importance-sampled log-evidence of each example (Burda et al. 2016, arXiv 1509.00519, eq. 8).

        log p(x) >= E[ log (1/K) sum_{k=1..K} w_k ],   w_k = p(x|z_k) p(z_k) / q(z_k|x),   z_k ~ q(z|x)

    The mean is a running log-mean-exp, so that memory does not grow with K = `num_samples`. The draws of an example derive
    from (seed, its position in `data`) alone, or from (seed, its number in `streams`) where that is given. `on_progress` is
    told how many examples are done.

    Raises `ConfigurationError` when `num_samples` is below 1, when the model has no density, and when its condition is missing.
    """
    if not model.has_density:
        raise ConfigurationError(
            "this model is a deterministic autoencoder: it defines no log p(x), so there is no evidence to estimate. Its "
            "reconstruction and its codes are what it has; for a likelihood train with posterior.name=diagonal-gaussian and "
            "objective.name=elbo."
        )
    data = Examples.of(data)
    check_condition(model, data.condition)
    if num_samples < 1:
        raise ConfigurationError(f"num_samples is {num_samples}; it must be a whole number from 1 up, for example 1000.")
    per_product = min(num_samples, SAMPLES_PER_PRODUCT)
    size = ROWS_PER_PRODUCT // per_product
    key = jax.random.key(seed)
    streams = np.arange(len(data)) if streams is None else streams
    parts: list[EvidenceEstimate] = []
    # A batch that is not full is filled up with the data's own first rows: one compiled program serves all batches of all
    # data, and what is said of an example does not depend on how many others come with it.
    for start in range(0, len(data), size):
        index = np.arange(start, start + size) % len(data)
        rows = jax.tree.map(jnp.asarray, data[index])
        batch = _estimate_batch(model, rows, key, jnp.asarray(streams[index]), num_samples, per_product)
        kept = min(size, len(data) - start)
        parts.append(EvidenceEstimate(*(np.asarray(values)[:kept] for values in batch)))
        on_progress(start + kept)
    return EvidenceEstimate(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@eqx.filter_jit
def _estimate_batch(
    model: AbstractLatentVariableModel,
    batch: Examples,
    key: PRNGKeyArray,
    index: Int[Array, " batch"],
    num_samples: int,
    per_product: int,
) -> EvidenceEstimate:
    def one_example(x: Num[Array, "..."], condition: Array | None, example_key: PRNGKeyArray) -> EvidenceEstimate:
        def draw(chunk: Int[Array, ""] | int, count: int) -> tuple[Array, Array, Array]:
            terms = model.log_terms(x, jax.random.fold_in(example_key, chunk), count, condition=condition)
            log_sum = jax.nn.logsumexp(terms.log_weight)
            return log_sum, terms.log_likelihood.sum(), terms.kl * count

        def accumulate(totals: tuple[Array, Array, Array], chunk: Int[Array, ""]) -> tuple[tuple[Array, Array, Array], None]:
            return _add(totals, draw(chunk, per_product)), None

        whole, rest = divmod(num_samples, per_product)
        start = (jnp.float32(-jnp.inf), jnp.float32(0), jnp.float32(0))
        totals, _ = jax.lax.scan(accumulate, start, jnp.arange(whole))
        if rest:
            totals = _add(totals, draw(whole, rest))
        log_sum, log_likelihood, kl = totals[0], totals[1] / num_samples, totals[2] / num_samples
        return EvidenceEstimate(log_sum - jnp.log(jnp.float32(num_samples)), log_likelihood - kl, kl)

    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(index)
    return jax.vmap(one_example)(*batch.arrays, keys)


def _add(totals: tuple[Array, Array, Array], more: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    return jnp.logaddexp(totals[0], more[0]), totals[1] + more[1], totals[2] + more[2]
