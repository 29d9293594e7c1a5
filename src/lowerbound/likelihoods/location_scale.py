"""What likelihoods with a location and a scale share: a location within a range, the smallest scale, and its bounds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..data.spec import DataSpec
from .counts import initial_log_inverse_dispersion

# The scale stays below e^30, so that an example far from all training data gets a very low score and not an infinite one.
LARGEST_LOG_SCALE = 30.0
# Continuous data recorded to many digits have no step worth the name; below this part of an element's own standard
# deviation a scale describes single examples, not the data.
SMALLEST_RELATIVE_SCALE = 1e-3


# A part's constants arrive traced inside a compiled program.
_Constant = np.ndarray | Array | float


def floored_log_scale(raw: Float[Array, "..."], scale_floor: _Constant, event_shape: tuple[int, ...]) -> Float[Array, "..."]:
    """log of max(exp(raw), scale_floor) and at most 30, for each element of the event; `raw` and the floor broadcast to it."""
    # Held before exp: that keeps one transcendental function where softplus would take two more. The gradient of clamp
    # is a selection; those of maximum and minimum share out ties with two divisions for each element.
    lowest = jnp.broadcast_to(jnp.log(scale_floor).astype(raw.dtype), event_shape)
    return jax.lax.clamp(lowest, jnp.broadcast_to(raw, event_shape), jnp.full_like(lowest, LARGEST_LOG_SCALE))


def squeeze(raw: Float[Array, "..."], low: _Constant, high: _Constant) -> Float[Array, "..."]:
    """low + (high - low) * sigmoid(raw)."""
    return jax.nn.sigmoid(raw) * (high - low) + low


def unsqueeze(value: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """The inverse of `squeeze`, for a value kept at least a hundredth of the range away from its ends."""
    # Data that are all one value have no width; then every raw number gives that value.
    width = np.where(np.subtract(high, low) > 0, np.subtract(high, low), 1.0)
    share = np.clip((value - low) / width, 0.01, 0.99)
    return np.log(share) - np.log1p(-share)


def location(raw: Float[Array, "..."], mean_range: np.ndarray | Array | None) -> Float[Array, "..."]:
    """The raw number itself, or squeezed into `mean_range` (low and high, stacked) where there is one."""
    return raw if mean_range is None else squeeze(raw, mean_range[0], mean_range[1])


def raw_location(value: np.ndarray, mean_range: np.ndarray | None) -> np.ndarray:
    """The inverse of `location`."""
    return value if mean_range is None else unsqueeze(value, mean_range[0], mean_range[1])


def arguments_from_data(config: PartConfig, context: BuildContext) -> dict[str, Any]:
    """What a likelihood may be made with besides its keys, by the names of its arguments, as the likelihood sees the data.

    `scale_floor`, `mean_range` and `log_inverse_dispersion` are there where its keys `scale_floor`, `mean` and `dispersion` need
    them, the last one by the method of moments.
    """
    spec = context.spec
    arguments = {
        "event_shape": spec.event_shape,
        "num_categories": spec.num_levels,
        "num_levels": spec.num_levels,
        "low": context.low,
        "high": context.high,
        "typical_total": float(np.sum(spec.mean)),
        "colour": len(spec.event_shape) == 3 and spec.event_shape[-1] == 3,
        "unit": float(np.sqrt(np.mean(standard_deviation(context) ** 2))) or 1.0,
    }
    if "scale_floor" in config.values:
        arguments["scale_floor"] = scale_floor(config, context)
    if "mean" in config.values:
        arguments["mean_range"] = mean_range(config, context)
        arguments["bounded_mean"] = config.mean == "sigmoid"
    if config.get("dispersion", "from-z") == "per-element":
        moments = (np.asarray(values, np.float64).reshape(spec.event_shape) for values in (spec.mean, spec.std))
        arguments["log_inverse_dispersion"] = initial_log_inverse_dispersion(*moments)
    return arguments


def mean_range(config: PartConfig, context: BuildContext) -> np.ndarray | None:
    """(low, high) for a mean through a sigmoid, stacked, as the likelihood sees the data; None for a free mean."""
    if config.mean == "free":
        return None
    return np.stack([np.broadcast_to(limit, context.spec.event_shape) for limit in (context.low, context.high)])


def as_float32(value: Any) -> np.ndarray:
    """A constant of a part."""
    return np.asarray(value, np.float32)


def as_float32_or_none(value: Any) -> np.ndarray | None:
    """A constant of a part, or None."""
    return None if value is None else as_float32(value)


def scale_floor(config: PartConfig, context: BuildContext) -> np.ndarray:
    """The smallest scale as the likelihood sees the data: half a step of the data, or the configuration's own number.

    For continuous data recorded more finely than a thousandth of their standard deviation, that thousandth takes the
    step's place. One number when all elements share it.
    """
    spec = context.spec
    if config.scale_floor != "auto":
        floor = np.asarray(config.scale_floor, np.float64)
    else:
        floor = 0.5 * _per_element(spec.step, spec)
        if not spec.is_discrete:
            floor = np.maximum(floor, SMALLEST_RELATIVE_SCALE * _per_element(spec.std, spec))
    scaled = floor / np.abs(context.transform.scale)
    # An element that never changes has neither a step nor a deviation.
    scaled = np.where(scaled > 0, scaled, SMALLEST_RELATIVE_SCALE)
    return np.asarray(scaled.flat[0] if np.all(scaled == scaled.flat[0]) else scaled, np.float32)


def standard_deviation(context: BuildContext) -> np.ndarray:
    """The training data's standard deviation as the likelihood sees them, in the event's shape."""
    spec = context.spec
    return np.asarray(spec.std, np.float64).reshape(spec.event_shape) / np.abs(context.transform.scale)


def _per_element(values: tuple[float, ...], spec: DataSpec) -> np.ndarray:
    """One number for all elements, or one for each in the event's shape."""
    array = np.asarray(values, np.float64)
    return array.reshape(()) if array.size == 1 else array.reshape(spec.event_shape)
