"""The wrong formula of the post of 2018, kept here to be found out and nowhere else."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from lowerbound.likelihoods import AbstractElementwise, Gaussian
from lowerbound.likelihoods.base import Measure, Scaling, Support


class SquaredErrorOverSigmaFour(dist.Distribution):
    """-(x - mu)^2 / (2 sigma^4) - log sigma - log(2 pi) / 2: no density. Its best sigma^4 is 2 (x - mu)^2, which leaves half of
    what a better reconstruction is worth, against the whole KL."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = dist.constraints.real  # pyright: ignore[reportAssignmentType]

    def __init__(self, mean: Array, sigma: Array) -> None:
        self.location, self.sigma = mean, sigma
        super().__init__(batch_shape=mean.shape, validate_args=False)

    def log_prob(self, value: Array) -> Array:
        return -0.5 * (value - self.location) ** 2 / self.sigma**4 - jnp.log(self.sigma) - 0.5 * jnp.log(2 * jnp.pi)


class PostGaussian(AbstractElementwise):
    """A `Gaussian` with that in the place of its density; its numbers have the names of the right one's, and so fit it."""

    event_shape: tuple[int, ...] = eqx.field(static=True)
    scale_floor: np.ndarray
    mean_range: np.ndarray | None = None
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.REAL
    scaling: ClassVar[Scaling] = "any"
    given_total: ClassVar[bool] = False

    @classmethod
    def build(cls, *arguments: Any) -> AbstractElementwise:
        raise NotImplementedError  # no configuration names it

    @property
    def param_shape(self) -> tuple[int, ...]:
        return (2, *self.event_shape)

    def elements(self, params: Float[Array, "two ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        mean, log_scale = params
        return SquaredErrorOverSigmaFour(mean, jnp.maximum(jnp.exp(log_scale), self.scale_floor))

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        return Gaussian(self.event_shape, np.asarray(self.scale_floor)).initial_params(mean, std)

    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        return {}
