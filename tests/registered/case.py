"""A part as its tests see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from checks import Density
from jaxtyping import PRNGKeyArray

from lowerbound.models import split_trained

LATENT_DIM = 2
EXTREME = 50.0
Make = Callable[[PRNGKeyArray], Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """A part as its tests see it.

    - `make(key)`: the part, with fresh weights where it has weights.
    - `inputs(part, key)`: ordinary inputs; `extremes(part)`: inputs at the edge of what may come, +-50 for raw network outputs.
    - `call(part, *inputs)`: all that the part can say of the inputs; `shapes(part)`: the shapes of the same.
    - `density(part, key)`: a density at random parameters, where the part has one.
    """

    make: Make
    inputs: Callable[[Any, PRNGKeyArray], tuple[Any, ...]]
    extremes: Callable[[Any], list[tuple[Any, ...]]]
    call: Callable[..., dict[str, Any]]
    shapes: Callable[[Any], dict[str, Any]]
    density: Callable[[Any, PRNGKeyArray], Density] | None = None


def perturbed(part: Any, key: PRNGKeyArray, scale: float = 0.3) -> Any:
    """The part with noise added to all its trained numbers, as if it had been trained: some parts start flat."""
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    trained, rest = split_trained(part)
    moved = jax.tree.map(lambda leaf: jnp.asarray(leaf + scale * random.standard_normal(leaf.shape), leaf.dtype), trained)
    return eqx.combine(moved, rest)


def numpyro(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPyro's own distributions mix dtypes (Bernoulli's does), which strict promotion would refuse."""
    return jax.numpy_dtype_promotion("standard")(function)
