"""The convolution made for XLA's CPU compiler against JAX's own: values, gradients, batches, and the order of the axes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lowerbound.models import split_trained
from lowerbound.networks import ConvNetwork
from lowerbound.networks.cpu_convolution import Padding, convolve

PADDING: Padding = ((1, 1), (0, 2))
_RNG = np.random.default_rng(0)
X, WEIGHT = (jnp.asarray(_RNG.normal(size=shape), jnp.float32) for shape in ((4, 5, 6, 2), (3, 2, 2, 3)))
Y = jnp.asarray(_RNG.normal(size=(4, 5, 7, 3)), jnp.float32)
# What XLA's fast convolution on CPU takes: examples, height, width, channels; the kernel's channels last.
FAST = "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"


def _own(x: Any, weight: Any) -> Any:
    return convolve(x, weight, PADDING)


def _of_jax(x: Any, weight: Any) -> Any:
    return jax.lax.conv_general_dilated(x, weight, (1, 1), PADDING, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _one(function: Callable[..., Any], x: Any, weight: Any) -> Any:
    return function(x[None], weight)[0]


def _weighted(function: Callable[..., Any], x: Any, weight: Any) -> Any:
    return jnp.sum(jnp.sin(function(x, weight)) * Y)


def _each_weighted(function: Callable[..., Any], x: Any, weight: Any) -> Any:
    return jnp.sum(jnp.sin(_one(function, x, weight)) * Y[0])


USES: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "value": lambda f: f(X, WEIGHT),
    "batch": lambda f: jax.vmap(lambda x: _one(f, x, WEIGHT))(X),
    "batch-of-batches": lambda f: jax.vmap(jax.vmap(lambda x: _one(f, x, WEIGHT)), 1)(X.reshape(2, 2, *X.shape[1:])),
    "other-weights-for-each": lambda f: jax.vmap(lambda x, w: _one(f, x, w))(X, jnp.stack([WEIGHT, 2 * WEIGHT, -WEIGHT, WEIGHT])),
    "gradients": lambda f: jax.grad(lambda x, w: _weighted(f, x, w), (0, 1))(X, WEIGHT),
    "gradients-of-a-batch": lambda f: jax.grad(lambda w: jax.vmap(lambda x: _each_weighted(f, x, w))(X).sum())(WEIGHT),
    "gradients-for-each": lambda f: jax.vmap(lambda x: jax.grad(lambda x, w: _each_weighted(f, x, w), (0, 1))(x, WEIGHT))(X),
    "forward-mode": lambda f: jax.jvp(f, (X, WEIGHT), (2 * X, WEIGHT + 1)),
    "second-derivative": lambda f: jax.grad(
        lambda w: (
            jnp.square(jax.grad(lambda x: _weighted(f, x, w))(X)).sum()
            + jnp.square(jax.grad(lambda w: _weighted(f, X, w))(w)).sum()
        )
    )(WEIGHT),
}


@pytest.mark.parametrize("use", USES)
def test_it_says_what_jax_says(use: str) -> None:
    own, expected = USES[use](_own), USES[use](_of_jax)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), own, expected)
    # The negative control: the convolution of a turned kernel, as some libraries mean the word, differs.
    turned = USES[use](lambda x, w: _own(x, jnp.flip(w, (0, 1))))
    assert any(np.abs(a - b).max() > 0.1 for a, b in zip(jax.tree.leaves(turned), jax.tree.leaves(expected), strict=True))


def _orders(function: Callable[..., Any], *arguments: Any) -> list[str]:
    text = jax.jit(function).lower(*arguments).as_text()
    return re.findall(r"stablehlo.convolution.*dim_numbers = (.*?), window", text)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere it is JAX's own convolution")
def test_both_gradients_keep_the_one_order_of_axes_that_is_fast_inside_a_loop() -> None:
    gradient = jax.grad(lambda x, w: _weighted(_own, x, w), (0, 1))
    assert _orders(gradient, X, WEIGHT) == [FAST] * 3
    others = jax.grad(lambda x, w: _weighted(_of_jax, x, w), (0, 1))
    assert sorted(order == FAST for order in _orders(others, X, WEIGHT)) == [False, False, True]


def test_a_batch_through_a_network_is_one_convolution_and_its_gradient_one_more_for_each_argument() -> None:
    # Pyright takes a module's arguments from its fields where only its base writes them down.
    encoder = ConvNetwork(  # pyright: ignore[reportCallIssue]
        (5, 7),
        (3,),
        image_shape=(5, 7),
        channels=(4, 6),
        key=jax.random.key(0),  # pyright: ignore[reportCallIssue]
    )
    trained, rest = split_trained(encoder)
    images = jnp.ones((11, 5, 7))

    def loss(trained: Any) -> jax.Array:
        return jnp.square(jax.vmap(eqx.combine(trained, rest))(images)).sum()

    text = jax.jit(jax.grad(loss)).lower(trained).as_text()
    lines = [line for line in text.splitlines() if "stablehlo.convolution" in line]
    # Two convolutions; both weights; and the second's input.
    assert len(lines) == 5
    assert all("feature_group_count = 1" in line and "batch_group_count = 1" in line and "11x" in line for line in lines)
    # The negative control: other weights for each image make groups.
    each = jax.tree.map(lambda leaf: jnp.stack([leaf] * 11), trained)
    grouped = jax.jit(jax.vmap(lambda trained, x: eqx.combine(trained, rest)(x))).lower(each, images).as_text()
    assert "feature_group_count = 11" in grouped
