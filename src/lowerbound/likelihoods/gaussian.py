"""Diagonal Gaussian likelihoods with a scale from z, or one that is trained, fixed, or at its analytic optimum."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from typing_extensions import override

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..errors import ConfigurationError
from .base import AbstractLikelihood
from .diagonal_normal import DiagonalNormal, TrackedNormal
from .location_scale import as_float32, as_float32_or_none, mean_range, raw_location, scale_floor, standard_deviation
from .location_scale_family import AbstractLocationScale, AbstractScaleFromZ
from .tracked import Tracked


def _trained(value: Any) -> Array:
    return jnp.asarray(value, jnp.float32)


class Gaussian(AbstractScaleFromZ):
    r"""Independent Gaussians whose mean and scale are both functions of z.

        log p(y|z) = sum_d [ -(y_d - mu_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 ]

    mu and sigma are as in `AbstractLocationScale`.

    - `event_shape`: shape of one example.
    """

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> AbstractLikelihood:
        """With the data's own floor, and their range for a bounded mean; of another class where the scale is not from z."""
        given = {
            "event_shape": context.spec.event_shape,
            "scale_floor": scale_floor(config, context),
            "mean_range": mean_range(config, context),
        }
        own = {
            "per-element": GaussianLearnedScale,
            "shared": GaussianLearnedScale,
            "fixed": GaussianFixedScale,
            "optimal": GaussianOptimalScale,
        }.get(config.scale)
        return cls(**given) if own is None else own.of_data(given, config, context)


class AbstractGaussianOwnScale(AbstractLocationScale):
    """Independent Gaussians whose mean is a function of z and whose scale is a number of the part."""

    @classmethod
    @abstractmethod
    def of_data(cls, given: dict[str, Any], config: PartConfig, context: BuildContext) -> AbstractGaussianOwnScale:
        """With the fields that all Gaussians have `given`, and the scale that the configuration asks for."""

    @property
    @abstractmethod
    def own_log_scale(self) -> Array:
        """log sigma, before the floor: a number, or one for each element."""

    @override
    def _raw(self, params: Array) -> tuple[Array, ...]:
        return params, self.own_log_scale

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The mean, through the inverse of the sigmoid where there is one; the scale starts where the part was built."""
        return raw_location(mean, self.mean_range).astype(np.float32)


class GaussianLearnedScale(AbstractGaussianOwnScale):
    r"""Independent Gaussians whose mean is a function of z and whose scale is a trained number, for each element or for all.

        log p(y|z) = sum_d [ -(y_d - mu_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 ],   sigma_d = max(exp(s_d), floor_d)

    In the terms of `likelihood.scale` that is "per-element" and "shared". The scales are those of the data as the model sees
    them: standardised data share a scale relative to each element's own deviation.

    - `event_shape`: shape of one example. `scale_floor`, `mean_range`: as for `Gaussian`.
    - `log_scale`: where training starts: a number ("shared") or one for each element ("per-element"), in log units.

    Raises `ConfigurationError` when `log_scale` has another shape.
    """

    log_scale: Float[Array, "..."] = eqx.field(converter=_trained, default=0.0)  # pyright: ignore[reportAssignmentType]
    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)

    def __check_init__(self) -> None:
        if self.log_scale.shape not in ((), self.event_shape):
            raise ConfigurationError(
                f"GaussianLearnedScale: log_scale has shape {self.log_scale.shape}; expected () for one shared scale, or the "
                f"event's shape {self.event_shape} for one for each element."
            )

    @classmethod
    @override
    def of_data(cls, given: dict[str, Any], config: PartConfig, context: BuildContext) -> GaussianLearnedScale:
        """Starting from the data's own deviations."""
        std = np.maximum(standard_deviation(context), given["scale_floor"])
        log_scale = 0.5 * np.log(np.mean(std**2)) if config.scale == "shared" else np.log(std)
        return cls(**given, log_scale=_trained(log_scale))

    @property
    @override
    def own_log_scale(self) -> Array:
        return self.log_scale


class GaussianFixedScale(AbstractGaussianOwnScale):
    r"""Independent Gaussians whose mean is a function of z and whose scale is given.

        log p(y|z) = sum_d [ -(y_d - mu_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 ],   sigma_d = max(scale_d, floor_d)

    A squared error as a loss is this likelihood with sigma^2 = 1/2 and no constant; a mean over elements in place of the sum is
    one with a sigma^2 that grows with their number, which is a beta of another name (Rybkin et al. 2021, arXiv 2006.13202).

    - `scale`: sigma in the model's scale of the data, a number or one for each element. The rest is as for `Gaussian`.

    Raises `ConfigurationError` when a scale is not above 0.
    """

    scale: np.ndarray = eqx.field(converter=as_float32)
    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)

    def __check_init__(self) -> None:
        if not np.all(self.scale > 0):
            raise ConfigurationError(
                f"GaussianFixedScale: scale is {np.min(self.scale):g} somewhere; expected numbers above 0, for example 0.1."
            )

    @classmethod
    @override
    def of_data(cls, given: dict[str, Any], config: PartConfig, context: BuildContext) -> GaussianFixedScale:
        """`fixed_scale` is in the user's units."""
        return cls(**given, scale=config.fixed_scale / np.abs(np.asarray(context.transform.scale, np.float64)))

    @property
    @override
    def own_log_scale(self) -> Array:
        return jnp.log(self.scale)


class GaussianOptimalScale(AbstractGaussianOwnScale):
    r"""Gaussians with one scale for all elements at its analytic optimum, the sigma-VAE (Rybkin et al. 2021, arXiv 2006.13202).

        log p(y|z) = - ||y - mu||^2 / (2 sigma^2) - D log sigma - D log(2 pi) / 2,   sigma^2* = E[ ||y - mu||^2 ] / D

    The optimum over the batch would make a density that depends on the other examples of the batch, and on x itself where there
    is one example. Here sigma^2 is a number of the part, the moving average of the batches' optima, so that log p(y|z) stays a
    normalised density while training and after it. As in the paper, no gradient but the optimum's own reaches it: the decoder's
    gradient D (mu - y) / sigma^2 is that of the paper's D/2 log MSE.

    - `tracked_log_variance`: log sigma^2, where the average starts. Its gradient is 1 - MSE / sigma^2, whatever D; the trainer
      moves a `Tracked` number by the moving average. The floor is applied where the scale is used, and
      not to the average. The rest is as for `Gaussian`.
    """

    tracked_log_variance: Tracked = eqx.field(converter=Tracked.of, default=0.0)  # pyright: ignore[reportAssignmentType]
    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)

    @classmethod
    @override
    def of_data(cls, given: dict[str, Any], config: PartConfig, context: BuildContext) -> GaussianOptimalScale:
        """Starting from the data's own variance, the optimum of a decoder that knows the mean alone."""
        variance = np.mean(np.maximum(standard_deviation(context), given["scale_floor"]) ** 2)
        return cls(**given, tracked_log_variance=np.log(variance))

    @property
    @override
    def own_log_scale(self) -> Array:
        return 0.5 * self.tracked_log_variance.value

    @override
    def _of(self, loc: Array, log_scale: Array) -> TrackedNormal:
        """Normal(mu, sigma), with the gradient of the moving average."""
        normal = DiagonalNormal(loc, jax.lax.stop_gradient(log_scale))
        return TrackedNormal(normal, self.tracked_log_variance.value, 1e-4 * jnp.square(self.scale_floor).min())
