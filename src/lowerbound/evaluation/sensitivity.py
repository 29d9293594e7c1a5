"""Which elements of its input the encoder listens to."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..data.examples import Example
from ..models import AbstractLatentVariableModel
from .latents import check_condition

MOST_EXAMPLES = 200
_BATCH = 50


def input_sensitivity(
    model: AbstractLatentVariableModel, data: Example | np.ndarray, std: np.ndarray, *, seed: int = 0
) -> np.ndarray:
    r"""How far the code moves when one element of x moves by its own standard deviation, for each (flattened) element.

        s_d = std_d sqrt( E_x sum_j (d E_q[z_j] / d x_d)^2 )

    The sum over latents is estimated without bias from one random direction for each example: E_v (v' J)_d^2 = sum_j J_jd^2
    for v ~ N(0, I). In the latents' own units.

    - `std`: the elements' standard deviations, in the user's units. At most `MOST_EXAMPLES` examples are used, the first ones.

    Raises `ConfigurationError` when the model's condition is missing.
    """
    data = Example.of(data)[:MOST_EXAMPLES]
    check_condition(model, data.condition)
    directions = np.random.default_rng(seed).standard_normal((len(data), model.latent_dim)).astype(np.float32)
    squares = np.asarray(_squares(model, data.on_device(), jnp.asarray(directions)), np.float64)
    return np.asarray(std, np.float64).reshape(-1) * np.sqrt(squares.reshape(-1))


@eqx.filter_jit
def _squares(
    model: AbstractLatentVariableModel, data: Example, directions: Float[Array, "examples latent"]
) -> Float[Array, "..."]:
    def one(row: tuple[Example, Array]) -> Array:
        example, direction = row

        def along(x: Array) -> Array:
            return jnp.dot(direction, model.encode(dataclasses.replace(example, x=x)).mean)

        return jnp.square(jax.grad(along)(jnp.asarray(example.known, direction.dtype)))

    return data.mean(jax.lax.map(one, (data, directions), batch_size=_BATCH), axis=0)
