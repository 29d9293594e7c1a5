"""How long the matrix products of one step take by themselves in JAX: what is left for XLA to reach, whatever stands around."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
from _job import BATCH, LAYERS

from lowerbound.training.program import CPU_OPTIONS

PRODUCTS_IN_A_LOOP = 200
REPEATS = 5


def product_seconds(rows: int, inner: int, columns: int, contracted: tuple[int, int]) -> float:
    """One product with a result of rows x columns: the fastest of a few loops, per product.

    `contracted` says along which axis each factor is summed over: (1, 0) is a @ b, (1, 1) is a @ b.T, (0, 0) is a.T @ b.
    """
    generator = np.random.default_rng(0)
    shapes = [
        (rows, inner) if contracted[0] == 1 else (inner, rows),
        (inner, columns) if contracted[1] == 0 else (columns, inner),
    ]
    first, second = (jnp.asarray(generator.standard_normal(shape, np.float32)) for shape in shapes)
    numbers = ((contracted[0],), (contracted[1],)), ((), ())

    def body(carry: jax.Array, _: None) -> tuple[jax.Array, None]:
        # The result goes back into one element of a factor, so that no product can be left out or taken out of the loop.
        product = jax.lax.optimization_barrier(jax.lax.dot_general(carry, second, numbers))
        return carry.at[0, 0].add(1e-9 * product[0, 0]), None

    options = CPU_OPTIONS if jax.default_backend() == "cpu" else {}
    loop = jax.jit(lambda carry: jax.lax.scan(body, carry, None, length=PRODUCTS_IN_A_LOOP)[0], compiler_options=options)
    loop(first).block_until_ready()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        loop(first).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return min(seconds) / PRODUCTS_IN_A_LOOP


def step_product_seconds() -> float:
    """The sum over all products of a step: forward, the weights' gradient, and the input's gradient but for the first layer."""
    total = 0.0
    for number, (fan_in, fan_out) in enumerate(LAYERS):
        total += product_seconds(BATCH, fan_in, fan_out, (1, 0))
        total += product_seconds(fan_in, BATCH, fan_out, (0, 0))
        if number > 0:
            total += product_seconds(BATCH, fan_out, fan_in, (1, 1))
    return total
