"""What waits for the end of training: how the noise that z leaves hangs together."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..data.examples import Example
from ..models import AbstractLatentVariableModel

# The numbers are few and each picture has thousands of pixels: after these steps more hardly move the bound.
NUM_STEPS, BATCH_SIZE, RATE, START = 300, 32, 0.03, 0.1
MOST_EXAMPLES, MOST_NUMBERS = 2000, 50_000_000


def without_noise(model: AbstractLatentVariableModel) -> AbstractLatentVariableModel:
    """The model as training begins with it: what is fitted at the end is 0."""
    return model if model.noise is None else model.with_noise(jax.tree.map(np.zeros_like, model.noise))


def has_noise(model: AbstractLatentVariableModel) -> bool:
    """Whether anything was fitted when training had ended."""
    return model.noise is not None and any(np.any(leaf) for leaf in jax.tree.leaves(model.noise))


def with_fitted_noise(
    model: AbstractLatentVariableModel,
    data: Example,
    held: Example | None = None,
    *,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
) -> AbstractLatentVariableModel:
    r"""The model with the numbers A of its noise where they explain most, and all others as they are.

        A = argmax of the mean over examples of E_q(z|x)[log p_A(x|z)]

    by Adam, on draws from the examples' posteriors. The KL is what it was, so the bound rises by what A explains of what z
    leaves. A model without such numbers is given back, and so is one for which they explain nothing.

    - `data`: training examples. `held`: others, which must be likelier for it; the training examples where there are none.
    """
    if model.noise is None or not len(data):
        return model
    data = jax.tree.map(jnp.asarray, data)
    rows = np.random.default_rng(seed).integers(len(data), size=(NUM_STEPS, min(batch_size, len(data))))
    none = jax.tree.map(jnp.asarray, without_noise(model).noise)
    # Not from 0 itself, where numbers that may stand for each other have the same gradient.
    rng = np.random.default_rng(seed + 1)
    start = jax.tree.map(lambda leaf: leaf + START * rng.normal(size=leaf.shape).astype(np.float32), none)
    noise = _fit(model, start, data, jnp.asarray(rows), jax.random.key(seed))
    judges = data if held is None or not len(held) else jax.tree.map(jnp.asarray, held)
    size = min(batch_size, len(judges))
    gains = [
        float(_gain(model, none, noise, judges[first : first + size], jax.random.key(first)))
        for first in range(0, len(judges) - size + 1, size)
    ]
    return model.with_noise(jax.tree.map(np.asarray, noise if np.mean(gains) > 0 else none))


def _mean_log_likelihood(model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray) -> Float[Array, ""]:
    """The mean over examples of log p(x|z), z ~ q(z|x)."""

    def one(example: Example, key: PRNGKeyArray) -> Array:
        z, _ = model.encode(example).sample_and_log_prob(key)
        return model.log_likelihood(example, z)

    each = jax.vmap(one)(batch, jax.random.split(key, len(batch)))
    weight = jnp.ones_like(each) if batch.weight is None else batch.weight
    return jnp.sum(weight * each) / jnp.maximum(jnp.sum(weight), jnp.finfo(each.dtype).tiny)


@eqx.filter_jit
def _gain(model: AbstractLatentVariableModel, none: Any, noise: Any, batch: Example, key: PRNGKeyArray) -> Float[Array, ""]:
    """By how many nats an example is likelier with the fitted numbers than without."""
    return _mean_log_likelihood(model.with_noise(noise), batch, key) - _mean_log_likelihood(model.with_noise(none), batch, key)


@eqx.filter_jit
def _fit(
    model: AbstractLatentVariableModel, start: Any, data: Example, rows: Int[Array, "steps batch"], key: PRNGKeyArray
) -> Any:
    """The fitted numbers."""
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, NUM_STEPS))

    def step(carry: tuple[Any, Any], step: tuple[Array, PRNGKeyArray]) -> tuple[tuple[Any, Any], None]:
        noise, state = carry
        rows, key = step
        gradient = jax.grad(lambda noise: -_mean_log_likelihood(model.with_noise(noise), data[rows], key))(noise)
        # Optax mixes types of numbers.
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(noise, updates), state), None

    return jax.lax.scan(step, (start, optimizer.init(start)), (rows, jax.random.split(key, len(rows))))[0][0]
