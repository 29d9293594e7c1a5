"""The evidence log p(x) by importance sampling, in bounded memory, and the ELBO beside it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..config.rules import Integer
from ..data.examples import Example
from ..devices.mesh import dealt, on_each, place
from ..models import AbstractLatentVariableModel, Draws
from .latents import check_condition, check_density, full_batches
from .proposals import AbstractProposal, Amortised, as_proposal, log_weight
from .running_weights import CHUNK, RunningWeights
from .unfinished import Unfinished, fingerprint

# Rows of decoder output in flight at once: enough to fill a matrix product, few enough to stay in the caches of a CPU, where one
# example alone waits for all of them too, and on an accelerator in its memory, so many numbers at most.
CPU_ROWS, ACCELERATOR_ROWS, MOST_NUMBERS = 512, 16384, 2**28
# More samples of each example take days, and add nothing.
_SAMPLES = Integer(1, 10**8)
# Draws of q(z|x) for the ELBO where the weights come from another proposal.
ELBO_DRAWS = 64


class EvidenceEstimate(NamedTuple):
    """One number an example, in nats, about x in the user's units.

    - `log_evidence`: log (1/K) sum_k w_k, a lower bound on log p(x) in expectation that rises with K.
    - `elbo`: E_q[log p(x|z)] - KL for the encoder's own q, the mean over the K draws (over at most 64 draws of q where the
      weights come from another proposal), with the closed-form KL where there is one.
    - `kl`: KL(q(z|x) || p(z)), in closed form or as the mean over the draws.
    - `effective_sample_size`: (sum_k w_k)^2 / sum_k w_k^2. `not_finite`: how many of the K weights were not
      finite, and count as 0.
    - `half_bound`: the same bound from K/2 samples, from the same weights in two halves; NaN for K = 1.
    - `bounds`: the bound at K' = 1, 2, 4, ... up to K from the same weights, one column for each (`bound_sizes`).

    Where the model's weights are random, `log_evidence` estimates the log predictive density log E_q(theta)[p(x|theta)], and
    `elbo` is less the weights' KL / N: of the training examples X its mean is a lower bound on log p(X) / N.
    """

    log_evidence: Float[Array | np.ndarray, "*examples"]
    elbo: Float[Array | np.ndarray, "*examples"]
    kl: Float[Array | np.ndarray, "*examples"]
    effective_sample_size: Float[Array | np.ndarray, "*examples"]
    not_finite: Int[Array | np.ndarray, "*examples"]
    half_bound: Float[Array | np.ndarray, "*examples"]
    bounds: Float[Array | np.ndarray, "*examples sizes"]


def estimate_evidence(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    num_samples: int,
    *,
    seed: int = 0,
    streams: Int[np.ndarray, " examples"] | None = None,
    proposal: AbstractProposal | str | None = None,
    unfinished: Unfinished | None = None,
    mesh: Mesh | None = None,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> EvidenceEstimate:
    r"""Importance-sampled log-evidence of each example (Burda et al. 2016, arXiv 1509.00519, eq. 8).

        log p(x) >= E[ log (1/K) sum_{k=1..K} w_k ],   w_k = p(x|z_k) p(z_k) / r(z_k),   z_k ~ r(z)

    The mean is a running log-mean-exp, so that memory does not grow with K = `num_samples`. r is the `proposal`, by default the
    posterior q(z|x). Of a model whose weights are random each draw has its own theta_k ~ q(theta), the same for all examples:
    w_k = p(x|z_k, theta_k) p(z_k) / r(z_k), of mean E_q(theta)[p(x|theta)]. The draws of an example derive from (seed, its
    position in `data`) alone, or from (seed, its number in `streams`) where that is given. `on_progress` is told how many
    examples are done. What is found is kept in `unfinished` on the way: the same call after a kill goes on from there, and ends
    with the same bits as one that was never stopped.

    - `mesh`: the devices that share the examples; one by default.

    Raises `ConfigurationError` when `num_samples` is below 1, when the model has no density, when its condition is missing, and
    when it has no such proposal.
    """
    proposal = as_proposal(proposal)
    check_density(model, "evidence to estimate")
    data = Example.of(data)
    model.check_observed(data)
    check_condition(model, data.condition)
    proposal.check(model)
    _SAMPLES.convert("num_samples", num_samples)
    mesh = mesh if mesh is not None and mesh.size > 1 else None
    size = examples_at_once(model, num_samples) * (1 if mesh is None else mesh.size)
    key = jax.random.key(seed)
    streams = np.arange(len(data)) if streams is None else streams
    parts: list[EvidenceEstimate] = []
    done, mark = 0, ""
    if unfinished is not None:
        mark = fingerprint(model, proposal, data, num_samples, seed, streams, size)
        if columns := unfinished.read(mark):
            parts, done = [EvidenceEstimate(*columns)], len(columns[0])
            on_progress(done)
    on_devices = model
    if mesh is not None:
        arrays, rest = eqx.partition(model, eqx.is_array)
        on_devices, key = eqx.combine(place(arrays, mesh), rest), place(key, mesh)
    for index, kept in full_batches(len(data), size, done):
        on_host = data[index], streams[index]
        rows, own = jax.tree.map(jnp.asarray, on_host) if mesh is None else dealt(on_host, mesh)
        # On some devices products of float32 matrices are rounded to fewer digits unless this is asked for.
        with jax.default_matmul_precision("highest"):
            batch = _estimate_batch(on_devices, proposal, rows, key, own, num_samples, mesh)
        parts.append(EvidenceEstimate(*(np.asarray(values)[:kept] for values in batch)))
        done += kept
        if unfinished is not None and unfinished.is_due and done < len(data):
            unfinished.write(mark, [np.asarray(column) for column in _joined(parts)])
        on_progress(done)
    if unfinished is not None:
        unfinished.remove(mark)
    return _joined(parts)


def _joined(parts: list[EvidenceEstimate]) -> EvidenceEstimate:
    return EvidenceEstimate(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def own_streams(data: Example) -> Int[np.ndarray, " examples"]:
    """A number of each example that derives from its values alone, for `streams`: what is found of it depends on no other."""
    blocks = (data.x.read(rows) for rows in data.x.blocks()) if data.is_streamed else (np.asarray(data.x),)
    return np.asarray([zlib.crc32(row.astype(np.float32).tobytes()) >> 1 for block in blocks for row in block], np.int32)


def examples_at_once(model: AbstractLatentVariableModel, num_samples: int) -> int:
    """How many examples are in flight together; it depends on the model, K and the kind of device alone."""
    rows = CPU_ROWS if jax.default_backend() == "cpu" else ACCELERATOR_ROWS
    rows = min(rows, MOST_NUMBERS // max(1, model.outputs_per_example))
    return max(1, rows // min(num_samples, CHUNK))


@eqx.filter_jit
def _estimate_batch(
    model: AbstractLatentVariableModel,
    proposal: AbstractProposal,
    batch: Example,
    key: PRNGKeyArray,
    index: Int[Array | np.ndarray, " batch"],
    num_samples: int,
    mesh: Mesh | None,
) -> EvidenceEstimate:
    is_posterior = isinstance(proposal, Amortised)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(index)

    def one_example(example: Example, example_key: PRNGKeyArray) -> EvidenceEstimate:
        proposal_key, elbo_key, draws_key = jax.random.split(example_key, 3)
        density = proposal.density(model, example, proposal_key)
        # Of the encoder's posterior: its closed-form KL where there is one, and where the weights come from elsewhere the ELBO.
        own = model.log_terms(example, elbo_key, Draws(1 if is_posterior else min(num_samples, ELBO_DRAWS)))

        def weigh(key: PRNGKeyArray, weights_key: PRNGKeyArray) -> tuple[Array, Array, Array]:
            return log_weight(model.drawn(weights_key), density, example, key)

        def draw(totals: _Totals, chunk: Int[Array, ""] | int, count: int) -> _Totals:
            # The weights' keys know of no example.
            draw_keys, weights_keys = (jax.random.split(jax.random.fold_in(each, chunk), count) for each in (draws_key, key))
            log_weights, log_likelihoods, surpluses = jax.vmap(weigh)(draw_keys, weights_keys)
            return _Totals(
                totals.weights.add(log_weights, chunk),
                totals.log_likelihood + log_likelihoods.sum(),
                totals.surplus + surpluses.sum(),
            )

        whole, rest = divmod(num_samples, CHUNK)
        totals = _Totals(RunningWeights.empty(num_samples), jnp.float32(0), jnp.float32(0))
        totals, _ = jax.lax.scan(lambda totals, chunk: (draw(totals, chunk, CHUNK), None), totals, jnp.arange(whole))
        if rest:
            totals = draw(totals, whole, rest)
        log_likelihood, kl = own.log_likelihood.mean(), own.kl
        if is_posterior:
            log_likelihood = totals.log_likelihood / num_samples
            kl = own.kl if own.has_exact_kl else totals.surplus / num_samples
        elbo, share = log_likelihood - kl, model.weights_kl
        if share is not None:
            if not is_posterior:
                # What `own` says is said at the mean weights.
                weights_keys = jax.random.split(key, len(own.z))
                each = jax.vmap(lambda z, key: model.drawn(key).log_likelihood(example, z))(own.z, weights_keys)
                elbo = each.mean() - kl
            elbo = elbo - share
        return EvidenceEstimate(
            log_evidence=totals.weights.log_evidence(num_samples),
            elbo=elbo,
            kl=kl,
            effective_sample_size=totals.weights.effective_sample_size(),
            not_finite=totals.weights.not_finite,
            half_bound=totals.weights.half_bound(num_samples),
            bounds=totals.weights.bounds(num_samples),
        )

    found = jax.vmap(one_example)(batch, keys)
    return found if mesh is None else on_each(found, mesh)


class _Totals(NamedTuple):
    """Sums over the draws of one example: the weights, log p(x|z), and log r(z) - log p(z)."""

    weights: RunningWeights
    log_likelihood: Float[Array, ""]
    surplus: Float[Array, ""]
