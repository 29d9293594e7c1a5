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
MOST_EXAMPLES = 2000


def without_noise(model: AbstractLatentVariableModel) -> AbstractLatentVariableModel:
    """The model as training begins with it: what is fitted at the end is 0."""
    return model if model.noise is None else model.with_noise(jax.tree.map(np.zeros_like, model.noise))


def with_fitted_noise(model: AbstractLatentVariableModel, data: Example, seed: int = 0) -> AbstractLatentVariableModel:
    r"""The model with the numbers A of its noise where they explain most, and all others as they are.

        A = argmax of the mean over examples of E_q(z|x)[log p_A(x|z)]

    by Adam, on training examples and draws from their posteriors. The KL is what it was, so the bound rises by what A explains
    of what z leaves. A model without such numbers is given back, and so is one for which they explain nothing.

    - `data`: training examples, `MOST_EXAMPLES` of which are used.
    """
    if model.noise is None or not len(data):
        return model
    data = jax.tree.map(jnp.asarray, data[:MOST_EXAMPLES])
    rows = np.random.default_rng(seed).integers(len(data), size=(NUM_STEPS, min(BATCH_SIZE, len(data))))
    none = jax.tree.map(jnp.asarray, without_noise(model).noise)
    # Not from 0 itself, where numbers that may stand for each other have the same gradient.
    rng = np.random.default_rng(seed + 1)
    start = jax.tree.map(lambda leaf: leaf + START * rng.normal(size=leaf.shape).astype(np.float32), none)
    noise, gain = _fit(model, none, start, data, jnp.asarray(rows), jax.random.key(seed))
    fitted = jax.tree.map(np.asarray, noise if float(gain) > 0 else none)
    return model.with_noise(fitted)


@eqx.filter_jit
def _fit(
    model: AbstractLatentVariableModel, none: Any, start: Any, data: Example, rows: Int[Array, "steps batch"], key: PRNGKeyArray
) -> tuple[Any, Float[Array, ""]]:
    """The fitted numbers, and by how many nats an example of the last batch is likelier than without them."""
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, NUM_STEPS))

    def loss(noise: Any, batch: Example, key: PRNGKeyArray) -> Float[Array, ""]:
        whole = model.with_noise(noise)

        def one(example: Example, key: PRNGKeyArray) -> Array:
            z, _ = model.encode(example).sample_and_log_prob(key)
            return whole.log_likelihood(example, z)

        each = jax.vmap(one)(batch, jax.random.split(key, len(batch)))
        weight = jnp.ones_like(each) if batch.weight is None else batch.weight
        return -jnp.sum(weight * each) / jnp.maximum(jnp.sum(weight), jnp.finfo(each.dtype).tiny)

    def step(carry: tuple[Any, Any], step: tuple[Array, PRNGKeyArray]) -> tuple[tuple[Any, Any], None]:
        noise, state = carry
        rows, key = step
        gradient = jax.grad(loss)(noise, data[rows], key)
        # Optax mixes types of numbers.
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(noise, updates), state), None

    keys = jax.random.split(key, len(rows))
    noise, _ = jax.lax.scan(step, (start, optimizer.init(start)), (rows, keys))[0]
    last, last_key = data[rows[-1]], jax.random.fold_in(key, 0)
    return noise, loss(none, last, last_key) - loss(noise, last, last_key)
