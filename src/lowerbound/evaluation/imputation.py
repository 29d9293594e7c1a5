"""What a model says of the elements of an example that are not observed, given those that are."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from ..config.rules import COUNT
from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from ..storage.memory import check_number_fits
from .evidence import MOST_NUMBERS
from .latents import check_condition, check_density, full_batches
from .proposals import AbstractProposal, Defensive, Refined
from .running_weights import CHUNK

# Importance samples of each example: enough for the mean and for the quantiles of a 90 % interval.
NUM_SAMPLES = 200
# An encoder may be too sure of an example of which it sees little; with some draws from the prior no weight is unbounded.
PROPOSAL = Defensive(0.1)
# Below it the weights of an example rest on a few draws, and it is done again with q fitted to its own observed elements.
FEW_EFFECTIVE_SAMPLES = 10.0
RESCUE = Defensive(0.1, Refined(num_steps=100, rate=0.1, bound="iwae"))
_DRAWS_IN_FLIGHT, _MOST_EXAMPLES = 2**14, 64


@dataclasses.dataclass(frozen=True)
class Imputation:
    """What p(x_hidden | x_observed) is for each example, in the model's units of x; of observed elements, what z tells of them.

    - `observed`: (n, *event), which elements are. `mean`: E[x|x_observed]; `mean_error`: its standard error, from the noise of
      the importance samples. `draws`: (num_draws, n, *event), each x ~ p(x|x_observed).
    - `levels`: of the `quantiles`, (levels, n, *event), the smallest x with so much of the probability at or below it.
    - `probabilities`: of each coded column of a table, by its number, (n, K + 1), the last for a value that training did not see.
    - `effective_sample_size`: (n,), of K = `num_samples`; `is_rescued`: (n,), the examples that the posterior gave too few
      effective samples of, and that were done again from `RESCUE`.
    """

    observed: np.ndarray
    mean: np.ndarray
    mean_error: np.ndarray
    draws: np.ndarray
    levels: tuple[float, ...]
    quantiles: np.ndarray
    probabilities: dict[int, np.ndarray]
    effective_sample_size: np.ndarray
    is_rescued: np.ndarray
    num_samples: int

    def __len__(self) -> int:
        return len(self.mean)

    def quantile(self, level: float) -> np.ndarray:
        """(n, *event): the quantile of one of `levels`."""
        return self.quantiles[self.levels.index(level)]


def impute(
    model: AbstractLatentVariableModel,
    data: Example,
    *,
    num_samples: int = NUM_SAMPLES,
    num_draws: int = 0,
    levels: tuple[float, ...] = (0.5,),
    proposal: AbstractProposal | None = None,
    seed: int = 0,
) -> Imputation:
    r"""The conditional law of hidden elements by self-normalised importance sampling.

        z_k ~ r(z),   W_k = w_k / \sum_l w_l,   w_k = p(x_obs|z_k) p(z_k) / r(z_k)
        E[f(x_hid)|x_obs] = \sum_k W_k E[f(x_hid)|z_k]

    (Mattei and Frellsen 2019, arXiv 1812.02633, section 3.3.) r is q(z|x_obs), with a tenth of the draws from the prior. Draws
    are x ~ p(x|z) of z's that are chosen with the probabilities W_k; quantiles are those of one draw x_k ~ p(x|z_k) of each z_k,
    with these weights.
    Where a model infers its condition and it is not known, each sample is one of z and of the condition. An example whose
    effective sample size is below 10 is done again from `RESCUE`: the posterior fitted to its own observed elements. The draws of
    an example derive from (seed, its position) alone.

    - `proposal`: r, of your own; then no example is done again.

    Raises `ConfigurationError` for a deterministic code, for a likelihood whose elements depend on each other given z, and where
    elements are hidden that the likelihood cannot leave out.
    """
    check_density(model, "law of what is hidden")
    check_condition(model, data.condition)
    model.check_observed(data)
    if model.hidden_need_observed:
        raise ConfigurationError(
            "the likelihood ties the elements of an example together given z, so z alone cannot tell what is hidden. Train with "
            "a likelihood whose elements are independent given z, as most are (lowerbound parts likelihood)."
        )
    num_samples, num_draws = COUNT.convert("num_samples", num_samples), num_draws and COUNT.convert("num_draws", num_draws)
    size = 8 * int(np.prod(model.event_shape))
    check_number_fits("the number of draws", num_draws, size * len(data), f"draws of {len(data):,} rows")
    check_number_fits("the number of rows", len(data), size * (num_draws + len(levels) + 2), "rows with their draws")
    of_sample = 4 * (2 * int(np.prod(model.event_shape)) + model.outputs_per_example + model.latent_dim)
    conditions = model.condition_dim if model.infers_condition else 1
    check_number_fits("the number of samples", num_samples, 2 * of_sample * conditions, "samples of one row")
    plan = _Plan(num_samples, num_draws)
    found = _in_blocks(model, proposal or PROPOSAL, data, np.arange(len(data)), plan, levels, seed)
    poor = np.asarray(found.effective_sample_size) < FEW_EFFECTIVE_SAMPLES
    if proposal is None and poor.any() and num_samples > FEW_EFFECTIVE_SAMPLES:
        rows = np.flatnonzero(poor)
        better = _in_blocks(model, RESCUE, data[rows], rows, plan, levels, seed)
        found = jax.tree.map(lambda all_of_them, some: _replaced(all_of_them, rows, some), found, better)
    else:
        poor = np.zeros(len(data), bool)
    return Imputation(
        observed=np.ones(data.x.shape, bool) if data.observed is None else np.asarray(data.observed),
        mean=found.mean,
        mean_error=found.mean_error,
        draws=np.moveaxis(found.draws, 1, 0),
        levels=levels,
        quantiles=np.moveaxis(found.quantiles, 1, 0),
        probabilities=found.probabilities,
        effective_sample_size=found.effective_sample_size,
        is_rescued=poor,
        num_samples=num_samples,
    )


class _Plan(NamedTuple):
    num_samples: int
    num_draws: int


class _Found(eqx.Module):
    """Of one example, or of many along the first axis."""

    mean: Any
    mean_error: Any
    draws: Any
    quantiles: Any
    probabilities: dict[int, Any]
    effective_sample_size: Any


class _Samples(eqx.Module):
    """Samples of z, and of the condition where it is inferred, with what p(x|z) says at each."""

    z: Float[Array, "*samples latent"]
    condition: Float[Array, "*samples condition"] | None
    weights_key: Key[Array, "*samples"]
    log_weight: Float[Array, "*samples"]
    mean: Float[Array, "..."]
    draw: Float[Array, "..."]
    probabilities: dict[int, Float[Array, "*samples codes"]]


def _replaced(all_of_them: np.ndarray, rows: np.ndarray, some: np.ndarray) -> np.ndarray:
    copy = all_of_them.copy()
    copy[rows] = some
    return copy


def _in_blocks(
    model: AbstractLatentVariableModel,
    proposal: AbstractProposal,
    data: Example,
    streams: np.ndarray,
    plan: _Plan,
    levels: tuple[float, ...],
    seed: int,
) -> _Found:
    """All examples, in blocks of one size, so that one compiled program serves any number of them."""
    proposal.check(model)
    # An example is worked on by itself: what a row is worth does not depend on those beside it.
    numbers = max(1, model.outputs_per_example) * plan.num_samples
    size = max(1, min(_MOST_EXAMPLES, _DRAWS_IN_FLIGHT // plan.num_samples, MOST_NUMBERS // numbers))
    parts = []
    for index, kept in full_batches(len(data), size):
        # On some devices products of float32 matrices are rounded to fewer digits unless this is asked for.
        with jax.default_matmul_precision("highest"):
            block = _of_block(
                model,
                proposal,
                data[index].on_device(),
                jax.random.key(seed),
                jnp.asarray(streams[index]),
                jnp.asarray(levels, jnp.float32),
                plan,
            )
        parts.append(jax.tree.map(lambda array, kept=kept: np.asarray(array)[:kept], block))
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


@eqx.filter_jit
def _of_block(
    model: AbstractLatentVariableModel,
    proposal: AbstractProposal,
    block: Example,
    key: PRNGKeyArray,
    streams: Array,
    levels: Float[Array, " levels"],
    plan: _Plan,
) -> _Found:
    def one(example: Example, stream: Array) -> _Found:
        return _of_example(model, proposal, example, jax.random.fold_in(key, stream), key, levels, plan)

    return jax.vmap(one)(block, streams)


def _of_example(
    model: AbstractLatentVariableModel,
    proposal: AbstractProposal,
    example: Example,
    key: PRNGKeyArray,
    weights_key: PRNGKeyArray,
    levels: Float[Array, " levels"],
    plan: _Plan,
) -> _Found:
    sample_key, choice_key, noise_key = jax.random.split(key, 3)
    samples = _samples(model, proposal, example, sample_key, weights_key, plan.num_samples)
    log_weight = samples.log_weight
    is_finite = ~(jnp.isnan(log_weight) | (log_weight == jnp.inf))
    log_weight = jnp.where(is_finite, log_weight, -jnp.inf)
    # Where every weight is 0 the samples count alike, and an effective sample size of 0 says so.
    is_something = jnp.max(log_weight) > -jnp.inf
    weight = jax.nn.softmax(jnp.where(is_something, log_weight, 0.0))
    by_z = weight.reshape(plan.num_samples, -1).sum(axis=1)
    mean = jnp.tensordot(weight, samples.mean, axes=1)
    variance = jnp.tensordot(jnp.square(weight), jnp.square(samples.mean - mean), axes=1)
    chosen = jax.random.categorical(choice_key, jnp.log(weight), shape=(plan.num_draws,))

    def redrawn(index: Array, key: PRNGKeyArray) -> Array:
        condition = example.condition if samples.condition is None else samples.condition[index]
        own = dataclasses.replace(example, condition=condition)
        return model.drawn(samples.weights_key[index]).fill(own, samples.z[index], key).draw.astype(jnp.float32)

    return _Found(
        mean=mean,
        mean_error=jnp.sqrt(variance),
        draws=jax.vmap(redrawn)(chosen, jax.random.split(noise_key, plan.num_draws)),
        quantiles=_weighted_quantiles(samples.draw, weight, levels),
        probabilities={place: jnp.tensordot(weight, each, axes=1) for place, each in samples.probabilities.items()},
        effective_sample_size=jnp.where(is_something, 1 / jnp.sum(jnp.square(by_z)), 0.0),
    )


def _samples(
    model: AbstractLatentVariableModel,
    proposal: AbstractProposal,
    example: Example,
    key: PRNGKeyArray,
    weights_key: PRNGKeyArray,
    num_samples: int,
) -> _Samples:
    proposal_key, draws_key = jax.random.split(key)
    density = proposal.density(model, example, proposal_key)

    def one(keys: tuple[PRNGKeyArray, PRNGKeyArray]) -> _Samples:
        z_key, noise_key = jax.random.split(keys[0])
        z, log_proposal = density.sample_and_log_prob(z_key)
        drawn = model.drawn(keys[1])

        def given(condition: Array | None, log_share: Array | float, noise_key: PRNGKeyArray) -> _Samples:
            own = dataclasses.replace(example, condition=condition)
            log_joint = drawn.log_likelihood(own, z) + model.log_prior(z, condition)
            filling = drawn.fill(own, z, noise_key)
            return _Samples(
                z=z,
                condition=condition if model.infers_condition else None,
                weights_key=keys[1],
                log_weight=log_share + log_joint - log_proposal,
                mean=filling.mean.astype(jnp.float32),
                draw=filling.draw.astype(jnp.float32),
                probabilities=filling.probabilities,
            )

        if not model.infers_condition:
            return given(example.condition, 0.0, noise_key)
        # Given z alone a label leaves hidden and observed elements dependent, so that each label is a sample of its own.
        known = jnp.zeros(model.condition_dim, jnp.float32) if example.condition is None else example.condition
        log_shares = jnp.where(known.any(), jnp.log(known), -jnp.log(jnp.float32(model.condition_dim)))
        labels = jnp.eye(model.condition_dim, dtype=jnp.float32)
        return jax.vmap(given)(labels, log_shares, jax.random.split(noise_key, model.condition_dim))

    # The weights' keys know of no example: a model whose weights are random has the same ones for all.
    keys = jax.random.split(draws_key, num_samples), jax.random.split(weights_key, num_samples)
    samples = jax.lax.map(one, keys, batch_size=_chunk_of(num_samples))
    if not model.infers_condition:
        return samples
    return jax.tree.map(lambda array: array.reshape(-1, *array.shape[2:]), samples)


def _chunk_of(num_samples: int) -> int:
    """How many samples are drawn together: with none left over, where that can be, the loop is compiled once and not twice."""
    whole = [size for size in range(1, CHUNK + 1) if num_samples % size == 0]
    return whole[-1] if 4 * whole[-1] >= CHUNK or num_samples < CHUNK else CHUNK


def _weighted_quantiles(
    values: Float[Array, "samples ..."], weight: Float[Array, " samples"], levels: Float[Array, " levels"]
) -> Float[Array, "levels ..."]:
    """The smallest of the values of each element with so much weight at or below it."""
    order = jnp.argsort(values, axis=0)
    below = jnp.cumsum(weight[order], axis=0)
    # Sums of float32 weights end a little below 1.
    reached = below >= jnp.minimum(levels.reshape(-1, *[1] * values.ndim), 1.0) * below[-1]
    ranked = jnp.take_along_axis(values, order, axis=0)
    return jnp.take_along_axis(ranked[None], jnp.argmax(reached, axis=1)[:, None], axis=1)[:, 0]
