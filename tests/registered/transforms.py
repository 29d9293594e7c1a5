"""Every transform of the data, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lowerbound.data.transforms import Affine

from .case import Case

TRANSFORMS: dict[str, Callable[[], Affine]] = {
    "affine": lambda: Affine(shift=0.0, scale=255.0),
    "affine-per-element": lambda: Affine(shift=np.array([1.0, -2.0, 300.0]), scale=np.array([0.5, -4.0, 1000.0])),
}
TRANSFORM_EVENT_SHAPE = (3,)


def transform_case(make: Callable[[], Affine]) -> Case:
    def call(part: Affine, x: Array) -> dict[str, Any]:
        log_det = part.log_abs_det_jacobian(TRANSFORM_EVENT_SHAPE)
        return {"forward": part.forward(x), "inverse": part.inverse(x), "log_det": jnp.asarray(log_det, jnp.float32)}

    shape = TRANSFORM_EVENT_SHAPE
    return Case(
        lambda key: make(),
        inputs=lambda part, key: (255 * jax.random.uniform(key, shape),),
        extremes=lambda part: [(jnp.full(shape, value, jnp.float32),) for value in (-1e6, 1e6)],
        call=call,
        shapes=lambda part: {"forward": shape, "inverse": shape, "log_det": ()},
    )
