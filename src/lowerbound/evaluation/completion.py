"""Document completion: how probable the rest of an example's counts is, given some of them."""

from __future__ import annotations

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..config.rules import COUNT
from ..data.examples import Example
from ..errors import ConfigurationError, DataError
from ..models import AbstractLatentVariableModel
from .evidence import examples_at_once
from .latents import check_condition, check_density, full_batches
from .proposals import AbstractProposal, Amortised, log_weight

NUM_SAMPLES = 200
# Numbers of the samples' proportions that are held at once.
_IN_FLIGHT = 2**24


@dataclasses.dataclass(frozen=True)
class Completion:
    """log-probabilities in nats of held-out counts given others of the same example, one entry an example, (n,).

    - `word_by_word`: sum_d x_d log E[p_d(z) | given], every word predicted from the given ones alone.
    - `together`: log E[prod_d p_d(z)^x_d | given], where each word that is predicted also tells of the next ones.
    - `num_words`: sum_d x_d of what was held out. Both are about words in one order: no multinomial coefficient is in them.
    - `effective_sample_size`: of the samples' weights given the given counts, of which `word_by_word` is made, of K =
      `num_samples`; `effective_sample_size_together`: with the held-out counts too, of which `together` is made.
    """

    word_by_word: np.ndarray
    together: np.ndarray
    num_words: np.ndarray
    effective_sample_size: np.ndarray
    effective_sample_size_together: np.ndarray
    num_samples: int

    @property
    def perplexity(self) -> float:
        """exp of minus the mean log-probability of a held-out word, each predicted from the given words alone."""
        return perplexity(self.word_by_word, self.num_words)

    @property
    def perplexity_together(self) -> float:
        """The same where the held-out words of an example also tell of each other."""
        return perplexity(self.together, self.num_words)


def perplexity(log_probs: np.ndarray, num_words: np.ndarray) -> float:
    """exp(-sum_i log p_i / sum_i n_i): every word counts once, so that long documents count for more."""
    return math.exp(-float(np.sum(log_probs, dtype=np.float64)) / float(np.sum(num_words, dtype=np.float64)))


def completion(
    model: AbstractLatentVariableModel,
    given: Example | np.ndarray,
    held_out: np.ndarray,
    *,
    num_samples: int = NUM_SAMPLES,
    proposal: AbstractProposal | None = None,
    seed: int = 0,
) -> Completion:
    r"""The predictive law of held-out counts (document completion: Wallach et al. 2009, "Evaluation methods for topic models").

        z_k ~ r(z),   W_k = w_k / \sum_l w_l,   w_k = p(x|z_k) p(z_k) / r(z_k),   x the given counts
        E[f(z) | x] = \sum_k W_k f(z_k)

    by self-normalised importance sampling: right as K = `num_samples` grows, and at no K a bound. r is the `proposal`, by default
    q(z|x). The number of words on either side is given, not predicted. The draws of an example derive from (seed, its position)
    alone.

    - `given`: (n, *event) counts that the model sees, or examples. `held_out`: counts of the same shape that it does not see.

    Raises `ConfigurationError` for a model that is not one of counts given their total (its words have no proportions), when
    its condition is missing or it has no density; `DataError` where the two shapes differ or a count is below 0.
    """
    proposal = Amortised() if proposal is None else proposal
    check_density(model, "predictive law of counts")
    data = Example.of(given)
    check_condition(model, data.condition)
    if model.given != "total":
        raise ConfigurationError(
            "completion is about words, each drawn with the proportions that z says, and this model is of another kind. Train "
            "one of counts given their total (lowerbound parts likelihood)."
        )
    if held_out.shape != data.x.shape:
        raise DataError(
            f"held_out has shape {held_out.shape}, but the given counts have {data.x.shape}; give one row of counts for each "
            "example, 0 for a word that is not in it."
        )
    if not (held_out >= 0).all():
        raise DataError("held_out holds numbers below 0 or NaN; expected counts, how often each word comes.")
    proposal.check(model)
    num_samples = COUNT.convert("num_samples", num_samples)
    size = max(1, min(examples_at_once(model, num_samples), _IN_FLIGHT // (num_samples * math.prod(model.event_shape))))
    columns: list[tuple[np.ndarray, ...]] = []
    for index, kept in full_batches(len(data), size):
        rows, words = data[index].on_device(), jnp.asarray(held_out[index], jnp.float32)
        # On some devices products of float32 matrices are rounded to fewer digits unless this is asked for.
        with jax.default_matmul_precision("highest"):
            found = _of_block(model, proposal, rows, words, jax.random.key(seed), jnp.asarray(index), num_samples)
        columns.append(tuple(np.asarray(values, np.float64)[:kept] for values in found))
    word_by_word, together, own, both = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    num_words = held_out.reshape(len(held_out), -1).sum(axis=1, dtype=np.int64)
    return Completion(word_by_word, together, num_words, own, both, num_samples)


@eqx.filter_jit
def _of_block(
    model: AbstractLatentVariableModel,
    proposal: AbstractProposal,
    block: Example,
    held_out: Float[Array, "block ..."],
    key: PRNGKeyArray,
    streams: Int[Array, " block"],
    num_samples: int,
) -> tuple[Float[Array, " block"], ...]:
    def one(example: Example, words: Array, stream: Array) -> tuple[Array, ...]:
        proposal_key, draws_key = jax.random.split(jax.random.fold_in(key, stream))
        density = proposal.density(model, example, proposal_key)

        def draw(z_key: PRNGKeyArray, weights_key: PRNGKeyArray) -> tuple[Array, Array]:
            drawn = model.drawn(weights_key)
            # The same key gives the same z here and in the weight.
            z, _ = density.sample_and_log_prob(z_key)
            mean = drawn.decode_mean(z, example.condition)
            return log_weight(drawn, density, example, z_key)[0], jnp.log(mean) - jnp.log(mean.sum())

        # The weights' keys know of no example: a model whose weights are random has the same ones for all.
        keys = jax.random.split(draws_key, num_samples), jax.random.split(key, num_samples)
        log_weights, log_proportions = jax.vmap(draw)(*keys)
        log_weights = jnp.where(jnp.isfinite(log_weights), log_weights, -jnp.inf)
        log_shares = jax.nn.log_softmax(log_weights)
        # What is not there adds nothing, also where its proportion underflows.
        there = words > 0
        each = jnp.where(there, words * log_proportions, 0.0).reshape(num_samples, -1).sum(axis=1)
        log_mean = jax.nn.logsumexp(log_shares.reshape(-1, *[1] * words.ndim) + log_proportions, axis=0)
        return (
            jnp.where(there, words * log_mean, 0.0).sum(),
            jax.nn.logsumexp(log_shares + each),
            _effective_number(log_shares),
            _effective_number(log_shares + each),
        )

    return jax.vmap(one)(block, held_out, streams)


def _effective_number(log_weights: Float[Array, " samples"]) -> Float[Array, ""]:
    """(sum w)^2 / sum w^2."""
    return jnp.exp(2 * jax.nn.logsumexp(log_weights) - jax.nn.logsumexp(2 * log_weights))
