"""What the likelihoods of counts share: the mean with and without a given total, and where a decoder starts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import ConfigurationError

# A mean beyond e^20 could not be drawn as a 32-bit whole number; one below e^-30 is 0 to any data.
LOG_MEAN_RANGE = (-30.0, 20.0)
# Beyond e^15 a negative binomial is Poisson; below e^-15 it is 0 but once in millions.
LOG_DISPERSION_RANGE = (-15.0, 15.0)


def check_typical_total(library_size: bool, typical_total: float) -> None:
    """Raise `ConfigurationError` where counts are given their total and there is no typical one."""
    if library_size and not typical_total > 0:
        raise ConfigurationError(
            f"typical_total is {typical_total:g}; expected the mean sum of an example's counts, a number above 0, because "
            "library_size is True; give it, or set library_size=False for a size learned from z."
        )


def log_mean_of(
    raw: Float[Array, "..."], library_size: bool, total: Float[Array, ""] | None, typical_total: float
) -> Float[Array, "..."]:
    r"""log mu of every element, kept within `LOG_MEAN_RANGE`.

        mu = total softmax(raw)   with `library_size`: proportions, over all elements (Lopez et al. 2018)
        mu = exp(raw)             without

    - `raw`: decoder outputs. `total`: the example's own sum, or None for the typical one.
    """
    if not library_size:
        return clamped(raw, *LOG_MEAN_RANGE)
    # An example without counts has total 0: the floor of the range then takes the logarithm's place.
    size = jnp.asarray(typical_total, raw.dtype) if total is None else jnp.maximum(total, 1e-30)
    return clamped(jnp.log(size) + log_proportions(raw), *LOG_MEAN_RANGE)


def log_proportions(raw: Float[Array, "..."]) -> Float[Array, "..."]:
    """log softmax over all elements of the event."""
    return jax.nn.log_softmax(raw.reshape(-1)).reshape(raw.shape)


def initial_log_mean(mean: np.ndarray) -> np.ndarray:
    """log of the mean counts, an element never counted being taken for a hundredth of the rarest other one.

    With a given total the same numbers serve: softmax takes their sum out again.
    """
    counted = mean[mean > 0]
    rarest = counted.min() if counted.size else 1.0
    return np.log(np.where(mean > 0, mean, 0.01 * rarest)).astype(np.float32)


def initial_log_inverse_dispersion(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """log theta by the method of moments, theta = mu^2 / (variance - mu), kept between e^-5 and e^5.

    Counts that vary less than Poisson variables do start at e^5.
    """
    mean, excess = np.asarray(mean, np.float64), np.square(np.asarray(std, np.float64)) - mean
    theta = np.divide(np.square(mean), excess, out=np.full(mean.shape, np.inf), where=excess > 0)
    return np.clip(np.log(np.maximum(theta, 1e-30)), -5.0, 5.0).astype(np.float32)


def as_trained(value: Any) -> Array | None:
    """A number that training changes is a JAX array; a stored part brings a NumPy array."""
    return None if value is None else jnp.asarray(value, jnp.float32)


def clamped(log_value: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
    """The value kept within [low, high]; outside, no gradient flows."""
    return jax.lax.clamp(jnp.full_like(log_value, low), log_value, jnp.full_like(log_value, high))
