"""What the encoder does with each latent: posterior means, KL, and which latents are active."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..config.entry import KINDS
from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel, Draws
from ..storage.memory import check_number_fits

# Burda et al. (2016), section 5.2: the variances fall in two clear groups on either side of it.
ACTIVE_VARIANCE = 0.01
# Examples that go through the networks together, and the decoder's outputs for them: large pictures go fewer at a time.
_BATCH, _OUTPUTS = 512, 2**24


def posterior_means(model: AbstractLatentVariableModel, data: Example | np.ndarray) -> np.ndarray:
    """E_q[z] of each example, (n, latent_dim); deterministic."""
    data = Example.of(data)
    if data.is_streamed:
        return in_blocks(model, lambda block: posterior_means(model, block), data)
    return np.asarray(_means(model, data.on_device()))


def posterior_stds(model: AbstractLatentVariableModel, data: Example | np.ndarray) -> np.ndarray:
    """The standard deviation of each z_j under q(z|x), (n, latent_dim); deterministic.

    Where the family has no closed form, that of fixed draws: about 4 % of it is their own error.
    """
    data = Example.of(data)
    if data.is_streamed:
        return in_blocks(model, lambda block: posterior_stds(model, block), data)
    return np.asarray(_stds(model, data.on_device()))


def posterior_draws(
    model: AbstractLatentVariableModel, data: Example | np.ndarray, num_draws: int, *, seed: int = 0
) -> np.ndarray:
    """Draws z ~ q(z|x) of each example, (num_draws, n, latent_dim)."""
    keys = jax.random.split(jax.random.key(seed), num_draws)
    return np.asarray(_posterior_draws(model, Example.of(data).on_device(), keys))


def kl_by_latent(model: AbstractLatentVariableModel, data: Example | np.ndarray, *, seed: int = 0) -> np.ndarray | None:
    """KL(q(z_j|x) || p(z_j)) in nats for each latent, the mean over `data`, by weight; None where there is no closed form."""
    data, weight = Example.of(data).counted
    values = _kl_by_latent(model, data.on_device(), jax.random.key(seed))
    return None if values is None else np.average(np.asarray(values, np.float64), axis=0, weights=weight)


def active_units(means: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Which latents are active: Var_x(E_q[z_j|x]) > 0.01 (Burda et al. 2016, section 5.2); booleans, (latent_dim,)."""
    centre = np.average(means, axis=0, weights=weight)
    return np.average(np.square(means - centre), axis=0, weights=weight) > ACTIVE_VARIANCE


def decode(
    model: AbstractLatentVariableModel,
    latents: np.ndarray,
    *,
    condition: Array | np.ndarray | None = None,
    draw: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """E[x|z] for each row of `latents`, or one draw x ~ p(x|z), in the user's units.

    - `condition`: (n, condition_dim), as `ConditionSpec.encode` gives it, where the model takes one.

    Raises `ConfigurationError` when the model takes a condition and none is given.
    """
    check_condition(model, condition)
    keys = jax.random.split(jax.random.key(seed), len(latents))
    return np.asarray(_decode(model, jnp.asarray(latents, jnp.float32), _on_device(condition), keys, draw))


def sample(
    model: AbstractLatentVariableModel,
    num_samples: int,
    *,
    condition: Array | np.ndarray | None = None,
    draw: bool = True,
    seed: int = 0,
) -> np.ndarray:
    """`num_samples` new examples in the user's units: z ~ p(z), then x ~ p(x|z), or its mean when `draw` is False.

    - `condition`: (num_samples, condition_dim), where the model takes one. A label that the model infers is drawn where it is not
      given, so that E[x|z] is that of an example of some class, and no mean over all of them.

    Raises `ConfigurationError` when the model takes a condition and none is given.
    """
    check_condition(model, condition)
    if model.infers_condition:
        condition = _with_drawn_labels(model, condition, num_samples, seed)
    prior_key, _ = jax.random.split(jax.random.key(seed))
    keys = prior_key, jax.random.key(seed + 1)
    # What the blocks give, and the array that they are joined into.
    check_number_fits("the number of samples", num_samples, 8 * math.prod(model.event_shape), "new examples")
    rows = np.arange(num_samples), None if condition is None else np.asarray(condition, np.float32)
    return in_blocks(model, lambda block: np.asarray(_sample(model, block, keys, draw)), rows)


def rows_at_once(model: AbstractLatentVariableModel) -> int:
    """How many examples, or draws, go through the model's networks together."""
    return max(1, min(_BATCH, _OUTPUTS // max(1, model.outputs_per_example)))


def in_blocks(model: AbstractLatentVariableModel, function: Callable[[Any], np.ndarray], rows: Any) -> np.ndarray:
    """`function` of all rows of a PyTree of arrays, a block at a time."""
    parts = []
    for index, kept in full_batches(len(jax.tree.leaves(rows)[0]), rows_at_once(model)):
        block = rows[index] if isinstance(rows, Example) else jax.tree.map(lambda array, index=index: array[index], rows)
        parts.append(function(block)[:kept])
    return np.concatenate(parts)


def full_batches(count: int, size: int, start: int = 0) -> Iterator[tuple[np.ndarray, int]]:
    """The numbers of the rows of each batch, and how many of them are not there to fill it up.

    Batches of one size, the last filled up with the data's own first rows: one compiled program serves all batches of all data,
    and what is said of a row does not depend on how many others come with it.
    """
    for first in range(start, count, size):
        yield np.arange(first, first + size) % count, min(size, count - first)


def prior_draws(
    model: AbstractLatentVariableModel,
    num_samples: int,
    *,
    condition: Array | np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """`num_samples` draws z ~ p(z), (num_samples, latent_dim); under a condition, z ~ p(z|c) for each row of it.

    Raises `ConfigurationError` when the model takes a condition and none is given.
    """
    check_condition(model, condition)
    prior_key, _ = jax.random.split(jax.random.key(seed))
    return np.asarray(_prior_draws(model, _on_device(condition), jax.random.split(prior_key, num_samples)))


def check_density(model: AbstractLatentVariableModel, what: str, name: str = "this model") -> None:
    """Raise `ConfigurationError` where the model is a deterministic code, of which there is no `what`."""
    if not model.has_density:
        works = " and ".join(f"{kind}.name={KINDS[kind].default}" for kind in ("posterior", "objective"))
        raise ConfigurationError(
            f"{name} is a deterministic autoencoder: its code is one point, neither q(z|x) nor p(x) is a density, and there is "
            f"no {what}. For a likelihood train with {works}."
        )


def check_condition(model: AbstractLatentVariableModel, condition: Array | np.ndarray | None) -> None:
    """Raise `ConfigurationError` when a model that takes a condition, and does not infer it, is given none."""
    if model.condition_dim > 0 and condition is None and not model.infers_condition:
        raise ConfigurationError(
            f"the model was trained with a condition of {model.condition_dim} numbers for each example, and none was given. Give "
            "one row for each example: condition=... in Python, --condition on the command line."
        )


def _with_drawn_labels(
    model: AbstractLatentVariableModel, condition: Array | np.ndarray | None, count: int, seed: int
) -> np.ndarray:
    """The labels, one-hot, those that are missing drawn from p(y), under which all classes are equally probable."""
    given = np.zeros((count, model.condition_dim), np.float32) if condition is None else np.asarray(condition, np.float32)
    drawn = np.eye(model.condition_dim, dtype=np.float32)[np.random.default_rng(seed).integers(0, model.condition_dim, count)]
    return np.where(given.any(axis=1, keepdims=True), given, drawn)


def _on_device(condition: Array | np.ndarray | None) -> Array | None:
    return None if condition is None else jnp.asarray(condition, jnp.float32)


@eqx.filter_jit
def _prior_draws(model: AbstractLatentVariableModel, condition: Array | None, keys: Array) -> Array:
    return jax.lax.map(lambda pair: model.sample_latent(*pair), (keys, condition), batch_size=_BATCH)


@eqx.filter_jit
def _sample(model: AbstractLatentVariableModel, rows: tuple[Array, Array | None], keys: tuple[Array, Array], draw: bool) -> Array:
    def one(number: Array, condition: Array | None) -> Array:
        # The keys that a split for so many rows would give, whatever their number.
        prior_key, x_key = (jax.random.fold_in(key, number) for key in keys)
        z = model.sample_latent(prior_key, condition)
        return model.decode_draw(z, x_key, condition) if draw else model.decode_mean(z, condition)

    return jax.vmap(one)(*rows)


@eqx.filter_jit
def _means(model: AbstractLatentVariableModel, data: Example) -> Float[Array, "examples latent"]:
    return jax.lax.map(lambda example: model.encode(example).mean, data, batch_size=rows_at_once(model))


@eqx.filter_jit
def _stds(model: AbstractLatentVariableModel, data: Example) -> Float[Array, "examples latent"]:
    return jax.lax.map(lambda example: jnp.sqrt(model.encode(example).variance), data, batch_size=rows_at_once(model))


@eqx.filter_jit
def _posterior_draws(model: AbstractLatentVariableModel, data: Example, keys: Array) -> Float[Array, "draws examples latent"]:
    def one(example: Example, keys: Array) -> Array:
        return jax.vmap(model.encode(example).sample)(keys)

    rows = jax.vmap(lambda key: jax.random.split(key, len(data)), out_axes=1)(keys)
    return jnp.swapaxes(jax.lax.map(lambda both: one(*both), (data, rows), batch_size=rows_at_once(model)), 0, 1)


@eqx.filter_jit
def _kl_by_latent(model: AbstractLatentVariableModel, data: Example, key: Array) -> Array | None:
    def one(example: Example) -> Array | None:
        return model.log_terms(example, key, Draws(1)).kl_by_latent

    return jax.lax.map(one, data, batch_size=rows_at_once(model))


@eqx.filter_jit
def _decode(
    model: AbstractLatentVariableModel, latents: Float[Array, "n latent"], condition: Array | None, keys: Array, draw: bool
) -> Array:
    def one(row: tuple[Array, Array | None, Array]) -> Array:
        z, condition, key = row
        return model.decode_draw(z, key, condition) if draw else model.decode_mean(z, condition)

    return jax.lax.map(one, (latents, condition, keys), batch_size=rows_at_once(model))
