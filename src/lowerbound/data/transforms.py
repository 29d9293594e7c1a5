"""The model's own scale of the data, y = (x - shift) / scale, with the Jacobian that brings densities back to x."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from ..errors import ConfigurationError, unknown_name_message
from .spec import DataSpec

SMALLEST_SHARE_OF_TYPICAL_STD = 0.1
# Of a value from the end of an interval, as a share of its width.
SMALLEST_DISTANCE = 1e-6


def _as_float32(value: Any) -> np.ndarray:
    return np.asarray(value, dtype=np.float32)


class Affine(eqx.Module):
    r"""y = (x - shift) / scale for one example x, element by element.

    A density of y becomes one of x by log p(x) = log p(y) + log|det dy/dx|, where

        log|det dy/dx| = - sum_d log|scale_d|        (nats; d over all the elements of the event)

    - `shift`, `scale`: in the user's units; a number, or an array that broadcasts to the event's shape. They are constants,
      kept as NumPy arrays so that they are never mistaken for trained parameters.

    Raises `ConfigurationError` when a scale is zero or not finite, or a shift is not finite.

    >>> Affine(shift=0.0, scale=255.0).log_abs_det_jacobian((28, 20))
    -3103.10...
    """

    shift: np.ndarray = eqx.field(converter=_as_float32)
    scale: np.ndarray = eqx.field(converter=_as_float32)

    def __check_init__(self) -> None:
        for name, values, allowed in (
            ("shift", self.shift, np.isfinite(self.shift)),
            ("scale", self.scale, np.isfinite(self.scale) & (self.scale != 0)),
        ):
            if not allowed.all():
                index = tuple(int(i) for i in np.argwhere(~allowed)[0])
                at = f" at index {index}" if index else ""
                expected = "a finite number other than 0" if name == "scale" else "a finite number"
                raise ConfigurationError(
                    f"Affine: {name} is {values[index]:g}{at}; expected {expected}. "
                    "For an element that never changes use scale=1."
                )

    def forward(self, x: Num[Array | np.ndarray, "*event"]) -> Float[Array, "*event"]:
        """y, float32, from x of any numeric type."""
        return (jnp.asarray(x).astype(jnp.float32) - self.shift) / self.scale

    def inverse(self, y: Num[Array | np.ndarray, "*event"]) -> Float[Array, "*event"]:
        """x in the user's units, float32."""
        return jnp.asarray(y).astype(jnp.float32) * self.scale + self.shift

    def log_abs_det_jacobian(self, event_shape: tuple[int, ...]) -> float | Float[Array, ""]:
        """log|det dy/dx| in nats of an event of this shape; a Python float outside a compiled function."""
        if isinstance(self.scale, np.ndarray):
            log_scale = np.log(np.abs(self.scale.astype(np.float64)))
            return -float(np.broadcast_to(log_scale, event_shape).sum())
        # Inside `jit` the constants arrive traced.
        return -jnp.broadcast_to(jnp.log(jnp.abs(self.scale)), event_shape).sum()


def _unit(spec: DataSpec) -> Affine:
    width = spec.high - spec.low
    return Affine(shift=spec.low, scale=width if width > 0 and math.isfinite(width) else 1.0)


def _open_unit(spec: DataSpec) -> Affine:
    # Where training rows lie between 0 and 1, others may lie nearer to these ends; float32 tells less than this from 1 no longer.
    low, high = (0.0, 1.0) if spec.is_of_shares and not spec.limits_known else (spec.low, spec.high)
    half = max(0.5 * max(spec.step), SMALLEST_DISTANCE * (high - low))
    return Affine(shift=low - half, scale=high - low + 2 * half)


def _standard(spec: DataSpec) -> Affine:
    std = np.asarray(spec.std, np.float64).reshape(spec.event_shape)
    if spec.is_image:
        std = np.maximum(std, SMALLEST_SHARE_OF_TYPICAL_STD * np.sqrt(np.mean(std**2)))
    # A deviation too small for float32 would become a division by zero.
    varies = std > np.finfo(np.float32).tiny
    if spec.columns:
        # Codes are places, and stay what they are.
        return Affine(shift=np.where(spec.coded, 0.0, spec.mean), scale=np.where(varies & ~spec.coded, std, 1.0))
    return Affine(shift=np.asarray(spec.mean).reshape(spec.event_shape), scale=np.where(varies, std, 1.0))


def _by_column(spec: DataSpec) -> Affine:
    """Each column as its own likelihood wants it: standardised where that takes any number, else as it is."""
    free = [column.is_standardised for column in spec.columns]
    standard = _standard(spec)
    return Affine(shift=np.where(free, standard.shift, 0.0), scale=np.where(free, standard.scale, 1.0))


_SCALINGS = {
    "by-column": _by_column,
    "unit": _unit,
    "open-unit": _open_unit,
    "standard": _standard,
    "none": lambda _: Affine(shift=0.0, scale=1.0),
}


def choose_transform(spec: DataSpec, scaling: str) -> Affine:
    """The transform of the data that `spec` describes.

    - `"unit"`: [low, high] to [0, 1]. `"none"`: the data as they are.
    - `"by-column"`: each column of a table as its own likelihood wants it.
    - `"open-unit"`: [low - h, high + h] to [0, 1] with h half a step of the data, so that no value is 0 or 1 itself.
    - `"standard"`: to mean 0 and standard deviation 1, element by element. An element that never changes is only centred. In
      an image no deviation counts as less than a tenth of the typical one: a pixel that is lit once would otherwise be
      scaled to an enormous value where it is lit.

    Raises `ConfigurationError` for another name.
    """
    if scaling not in _SCALINGS:
        raise ConfigurationError(unknown_name_message("data.scaling", scaling, tuple(_SCALINGS)))
    return _SCALINGS[scaling](spec)
