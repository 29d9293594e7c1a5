"""Gaussian likelihoods whose scale is no function of z: trained, fixed, or at its analytic optimum."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..errors import ConfigurationError
from .base import AbstractElementwise, Measure, Scaling, Support
from .diagonal_normal import DiagonalNormal, SummedEvent
from .location_scale import (
    as_float32,
    as_float32_or_none,
    floored_log_scale,
    location,
    mean_range,
    raw_location,
    scale_floor,
    standard_deviation,
)


def _trained(value: Any) -> Array:
    return jnp.asarray(value, jnp.float32)


class GaussianLearnedScale(AbstractElementwise):
    r"""Independent Gaussians whose mean is a function of z and whose scale is a trained number, for each element or for all.

        log p(y|z) = sum_d [ -(y_d - mu_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 ],   sigma_d = max(exp(s_d), floor_d)

    In the terms of `likelihood.scale` that is "per-element" and "shared". The scales are those of the data as the model sees
    them: standardised data share a scale relative to each element's own deviation.

    - `event_shape`: shape of one example. `scale_floor`, `mean_range`: as for `Gaussian`.
    - `log_scale`: where training starts: a number ("shared") or one for each element ("per-element"), in log units.

    Raises `ConfigurationError` when `log_scale` has another shape.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    log_scale: Float[Array, "..."] = eqx.field(converter=_trained, default=0.0)  # pyright: ignore[reportAssignmentType]
    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = "real"
    scaling: ClassVar[Scaling] = "any"
    given_total: ClassVar[bool] = False

    def __check_init__(self) -> None:
        if self.log_scale.shape not in ((), self.event_shape):
            raise ConfigurationError(
                f"GaussianLearnedScale: log_scale has shape {self.log_scale.shape}; expected () for one shared scale, or the "
                f"event's shape {self.event_shape} for one for each element."
            )

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> GaussianLearnedScale:
        """Starting from the data's own deviations."""
        floor = scale_floor(config, context)
        std = np.maximum(standard_deviation(context), floor)
        log_scale = 0.5 * np.log(np.mean(std**2)) if config.scale == "shared" else np.log(std)
        return cls(context.spec.event_shape, floor, log_scale, mean_range(config, context))

    @property
    def mean(self) -> str:
        """ "free", or "sigmoid" for a mean within a range."""
        return "free" if self.mean_range is None else "sigmoid"

    @property
    def param_shape(self) -> tuple[int, ...]:
        """`event_shape`: the mean's numbers alone."""
        return self.event_shape

    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """Normal(mu, sigma)."""
        log_scale = floored_log_scale(self.log_scale, self.scale_floor, self.event_shape)
        return DiagonalNormal(location(params, self.mean_range), log_scale)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The mean, through the inverse of the sigmoid where there is one; the scale starts where the part was built."""
        return raw_location(mean, self.mean_range).astype(np.float32)

    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        return {"fraction_at_floor": (self.log_scale <= jnp.log(self.scale_floor)).mean(dtype=jnp.float32)}


class GaussianFixedScale(AbstractElementwise):
    r"""Independent Gaussians whose mean is a function of z and whose scale is given.

        log p(y|z) = sum_d [ -(y_d - mu_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 ],   sigma_d = max(scale_d, floor_d)

    A squared error as a loss is this likelihood with sigma^2 = 1/2 and no constant; a mean over elements in place of the sum is
    one with a sigma^2 that grows with their number, which is a beta of another name (Rybkin et al. 2021, arXiv 2006.13202).

    - `scale`: sigma in the model's scale of the data, a number or one for each element. The rest is as for `Gaussian`.

    Raises `ConfigurationError` when a scale is not above 0.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    scale: np.ndarray = eqx.field(converter=as_float32)
    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = "real"
    scaling: ClassVar[Scaling] = "any"
    given_total: ClassVar[bool] = False

    def __check_init__(self) -> None:
        if not np.all(self.scale > 0):
            raise ConfigurationError(
                f"GaussianFixedScale: scale is {np.min(self.scale):g} somewhere; expected numbers above 0, for example 0.1."
            )

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> GaussianFixedScale:
        """`fixed_scale` is in the user's units."""
        scale = config.fixed_scale / np.abs(np.asarray(context.transform.scale, np.float64))
        return cls(context.spec.event_shape, scale_floor(config, context), scale, mean_range(config, context))

    @property
    def mean(self) -> str:
        """ "free", or "sigmoid" for a mean within a range."""
        return "free" if self.mean_range is None else "sigmoid"

    @property
    def param_shape(self) -> tuple[int, ...]:
        """`event_shape`: the mean's numbers alone."""
        return self.event_shape

    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """Normal(mu, sigma)."""
        log_scale = floored_log_scale(jnp.log(self.scale), self.scale_floor, self.event_shape)
        return DiagonalNormal(location(params, self.mean_range), log_scale)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The mean, through the inverse of the sigmoid where there is one."""
        return raw_location(mean, self.mean_range).astype(np.float32)

    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose given scale is below the floor."""
        return {"fraction_at_floor": jnp.mean(jnp.asarray(self.scale <= self.scale_floor), dtype=jnp.float32)}


class GaussianOptimalScale(AbstractElementwise):
    r"""Gaussians with one scale for all elements at its analytic optimum, the sigma-VAE (Rybkin et al. 2021, arXiv 2006.13202).

        log p(y|z) = - ||y - mu||^2 / (2 sigma^2) - D log sigma - D log(2 pi) / 2,   sigma^2* = E[ ||y - mu||^2 ] / D

    The optimum over the batch would make a density that depends on the other examples of the batch, and on x itself where there
    is one example. Here sigma^2 is a number of the part, the moving average of the batches' optima, so that log p(y|z) stays a
    normalised density while training and after it. As in the paper, no gradient but the optimum's own reaches it: the decoder's
    gradient D (mu - y) / sigma^2 is that of the paper's D/2 log MSE.

    - `tracked_log_variance`: log sigma^2, where the average starts. Its gradient is 1 - MSE / sigma^2, whatever D; the trainer
      moves such a number by the moving average (`training/tracked.py`). The floor is applied where the scale is used, and
      not to the average. The rest is as for `Gaussian`.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    tracked_log_variance: Float[Array, ""] = eqx.field(converter=_trained, default=0.0)  # pyright: ignore[reportAssignmentType]
    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = "real"
    scaling: ClassVar[Scaling] = "any"
    given_total: ClassVar[bool] = False

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> GaussianOptimalScale:
        """Starting from the data's own variance, the optimum of a decoder that knows the mean alone."""
        floor = scale_floor(config, context)
        variance = np.mean(np.maximum(standard_deviation(context), floor) ** 2)
        return cls(context.spec.event_shape, floor, np.log(variance), mean_range(config, context))

    @property
    def mean(self) -> str:
        """ "free", or "sigmoid" for a mean within a range."""
        return "free" if self.mean_range is None else "sigmoid"

    @property
    def param_shape(self) -> tuple[int, ...]:
        """`event_shape`: the mean's numbers alone."""
        return self.event_shape

    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """Normal(mu, sigma) over the event, with the gradient of the moving average."""
        log_scale = floored_log_scale(0.5 * self.tracked_log_variance, self.scale_floor, self.event_shape)
        normal = DiagonalNormal(location(params, self.mean_range), jax.lax.stop_gradient(log_scale))
        return TrackedNormal(normal, self.tracked_log_variance, 1e-4 * jnp.square(self.scale_floor).min())

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The mean, through the inverse of the sigmoid where there is one; the scale starts where the part was built."""
        return raw_location(mean, self.mean_range).astype(np.float32)

    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        at_floor = jnp.asarray(0.5 * self.tracked_log_variance <= jnp.log(self.scale_floor))
        return {"fraction_at_floor": at_floor.mean(dtype=jnp.float32)}


class TrackedNormal(dist.Distribution):
    r"""A normal distribution whose log-density has, by a number s beside it, the gradient MSE exp(-s) - 1, zero at s = log MSE.

    The value is that of `normal` alone.

    - `smallest_variance`: what the mean squared error counts at least, so that a perfect reconstruction sends s nowhere.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        normal: DiagonalNormal,
        tracked_log_variance: Float[Array, ""],
        smallest_variance: Any,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.normal, self.tracked_log_variance, self.smallest_variance = normal, tracked_log_variance, smallest_variance
        super().__init__(batch_shape=normal.batch_shape, validate_args=validate_args)

    @property
    def support(self) -> Any:
        """Any real number."""
        return self.normal.support

    def to_event(self, reinterpreted_batch_ndims: int | None = None) -> dist.Distribution:
        """An event of all elements."""
        return SummedEvent(self, len(self.batch_shape))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """mu + sigma epsilon with epsilon ~ N(0, 1)."""
        return self.normal.sample(key, sample_shape)

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """The log-density in nats, of each element, each with its share of the gradient."""
        return self.normal.log_prob(value) + self._gradient(self._squared_error(value)) / self.normal.loc.size

    def summed_log_prob(self, value: Float[Array, "..."], event_dim: int) -> Float[Array, "..."]:
        """The log-density of the event in nats."""
        error = self._squared_error(value)
        mean_squared_error = error.reshape(*error.shape[: error.ndim - event_dim], -1).mean(axis=-1)
        return self.normal.summed_log_prob(value, event_dim) + self._gradient(mean_squared_error)

    def _squared_error(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.lax.stop_gradient(jnp.square(value - self.normal.loc))

    def _gradient(self, squared_error: Float[Array, "..."]) -> Float[Array, "..."]:
        """-s - MSE exp(-s) less its own value: a gradient, and no value."""
        # e^-s at s = -60 is the last that is safe in float32.
        s = jnp.maximum(self.tracked_log_variance, -60.0)
        tracking = -s - jnp.maximum(squared_error, self.smallest_variance) * jnp.exp(-s)
        return tracking - jax.lax.stop_gradient(tracking)

    @property
    def mean(self) -> Float[Array, "..."]:
        """mu."""
        return self.normal.mean

    @property
    def variance(self) -> Float[Array, "..."]:
        """sigma^2."""
        return self.normal.variance
