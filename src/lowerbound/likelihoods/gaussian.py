"""The diagonal Gaussian likelihood with a scale for every element, and its floor."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from ..config.context import BuildContext
from ..config.sections import LikelihoodConfig
from ..data.spec import DataSpec
from .base import AbstractLikelihood, Measure, Scaling, Support
from .diagonal_normal import DiagonalNormal

# The scale stays below e^30, so that an example far from all training data gets a very low score and not an infinite one.
LARGEST_LOG_SCALE = 30.0
# Continuous data recorded to many digits have no step worth the name; below this part of an element's own standard
# deviation a scale describes single examples, not the data.
SMALLEST_RELATIVE_SCALE = 1e-3


class Gaussian(AbstractLikelihood):
    r"""Independent Gaussians whose mean and scale are both functions of z.

    With decoder outputs (a, s) of the same shape as x,

        log p(y|z) = sum_d [ -(y_d - mu_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 ]

        mu_d    = a_d                                  when `mean_range` is None ("free")
        mu_d    = low + (high - low) * sigmoid(a_d)    otherwise ("sigmoid"; Kingma and Welling 2014, appendix C.2)
        sigma_d = max(exp(s_d), floor_d), and at most e^30

    Such a density has no upper bound where the data are constant, so sigma has a floor: half a quantisation step of the
    data by default, below which a smaller scale would describe the rounding and not the data. `monitors` gives the
    fraction of elements at the floor.

    - `event_shape`: shape of one example.
    - `scale_floor`: smallest sigma, in the model's scale of the data; a number or one for each element.
    - `mean_range`: (low, high) of the mean, in the model's scale of the data, stacked along the first axis; or None.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    scale_floor: np.ndarray = eqx.field(converter=lambda value: np.asarray(value, np.float32))
    mean_range: np.ndarray | None = eqx.field(
        converter=lambda value: None if value is None else np.asarray(value, np.float32), default=None
    )
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = "real"
    scaling: ClassVar[Scaling] = "any"
    given_total: ClassVar[bool] = False

    @classmethod
    def build(cls, config: LikelihoodConfig, context: BuildContext) -> Gaussian:
        """With the data's own floor, and their range for a bounded mean."""
        return cls(context.spec.event_shape, scale_floor(config, context), mean_range(config, context))

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(2, *event_shape): the mean's and the log-scale's numbers."""
        return (2, *self.event_shape)

    def distribution(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """Normal(mu, sigma) over the event."""
        # The gradient of a split is one concatenation; that of params[0] and params[1] is two padded arrays and their sum.
        raw_mean, raw_log_scale = (part[0] for part in jnp.split(params, 2))
        # Held before exp: that keeps one transcendental function where softplus would take two more. The gradient of clamp
        # is a selection; those of maximum and minimum share out ties with two divisions for each element.
        lowest = jnp.broadcast_to(jnp.log(self.scale_floor).astype(params.dtype), self.event_shape)
        log_scale = jax.lax.clamp(lowest, raw_log_scale, jnp.full_like(lowest, LARGEST_LOG_SCALE))
        mean = raw_mean if self.mean_range is None else squeeze(raw_mean, self.mean_range[0], self.mean_range[1])
        return DiagonalNormal(mean, log_scale)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """(mean, log std), the mean through the inverse of the sigmoid where there is one."""
        raw_mean = mean if self.mean_range is None else unsqueeze(mean, self.mean_range[0], self.mean_range[1])
        return np.stack([raw_mean, np.log(np.maximum(std, self.scale_floor))]).astype(np.float32)

    def monitors(self, params: Float[Array, "two ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        at_floor = params[1] <= jnp.log(self.scale_floor)
        return {"fraction_at_floor": at_floor.mean(dtype=jnp.float32)}


def squeeze(raw: Float[Array, "..."], low: np.ndarray | Array | float, high: np.ndarray | Array | float) -> Float[Array, "..."]:
    """low + (high - low) * sigmoid(raw)."""
    return jax.nn.sigmoid(raw) * (high - low) + low


def unsqueeze(value: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """The inverse of `squeeze`, for a value kept at least a hundredth of the range away from its ends."""
    # Data that are all one value have no width; then every raw number gives that value.
    width = np.where(np.subtract(high, low) > 0, np.subtract(high, low), 1.0)
    share = np.clip((value - low) / width, 0.01, 0.99)
    return np.log(share) - np.log1p(-share)


def mean_range(config: LikelihoodConfig, context: BuildContext) -> np.ndarray | None:
    """(low, high) for a mean through a sigmoid, stacked, as the likelihood sees the data; None for a free mean."""
    if config.mean == "free":
        return None
    return np.stack([np.broadcast_to(limit, context.spec.event_shape) for limit in (context.low, context.high)])


def scale_floor(config: LikelihoodConfig, context: BuildContext) -> np.ndarray:
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


def _per_element(values: tuple[float, ...], spec: DataSpec) -> np.ndarray:
    """One number for all elements, or one for each in the event's shape."""
    array = np.asarray(values, np.float64)
    return array.reshape(()) if array.size == 1 else array.reshape(spec.event_shape)
