"""Likelihoods of real numbers by a location from z and a scale: Gaussian, Laplace and Student-t."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float
from typing_extensions import override

from .base import AbstractElementwise, Measure, Scaling, Support
from .diagonal_normal import DiagonalNormal
from .location_scale import as_float32, as_float32_or_none, floored_log_scale, location, raw_location

# Degrees of freedom from 2 + e^-5, with a variance just finite, to 2 + e^5 = 150, where the tails are a Gaussian's for any data.
LARGEST_LOG_EXCESS = 5.0
# Tails that are seen but do not rule: 10 degrees of freedom.
INITIAL_EXCESS = 8.0


class AbstractLocationScale(AbstractElementwise):
    r"""Independent variables of one family on the real line.

        mu_d    = a_d                                  when `mean_range` is None ("free")
        mu_d    = low + (high - low) * sigmoid(a_d)    otherwise ("sigmoid"; Kingma and Welling 2014, appendix C.2)
        sigma_d = max(exp(s_d), floor_d), and at most e^30

    Such a density has no upper bound where the data are constant, so sigma has a floor: half a quantisation step of the
    data by default, below which a smaller scale would describe the rounding and not the data.

    - `scale_floor`: smallest sigma, in the model's scale of the data; a number or one for each element.
    - `mean_range`: (low, high) of the location, in the model's scale of the data, stacked along the first axis; or None.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    mean_range: eqx.AbstractVar[np.ndarray | None]
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.REAL
    scaling: ClassVar[Scaling] = "any"

    @abstractmethod
    def _raw(self, params: Array) -> tuple[Array, ...]:
        """a, s and what else the family needs."""

    def _of(self, loc: Array, log_scale: Array, *others: Array) -> dist.Distribution:
        """The distribution of each element: a normal one where the family is no other."""
        return DiagonalNormal(loc, log_scale)

    @property
    def mean(self) -> str:
        """ "free", or "sigmoid" for a location within a range."""
        return "free" if self.mean_range is None else "sigmoid"

    @override
    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        raw_loc, raw_log_scale, *others = self._raw(params)
        log_scale = floored_log_scale(raw_log_scale, self.scale_floor, self.event_shape)
        return self._of(location(raw_loc, self.mean_range), log_scale, *others)

    @override
    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of elements whose scale is held up by the floor."""
        at_floor = self._raw(params)[1] <= jnp.log(self.scale_floor)
        return {"fraction_at_floor": at_floor.mean(dtype=jnp.float32)}


class AbstractScaleFromZ(AbstractLocationScale):
    """Location and scale are both functions of z, and so are the arguments of the family that `starts` has numbers for.

    - `scale_of_unit_std`: the scale at which the standard deviation is 1, with the others at their start.
    """

    mean_range: np.ndarray | None = eqx.field(converter=as_float32_or_none, default=None)
    scale_of_unit_std: ClassVar[float] = 1.0
    starts: ClassVar[tuple[float, ...]] = ()

    @property
    @override
    def heads(self) -> int:
        """(2 or more, *event_shape): the location's numbers, the log-scale's and the others'."""
        return 2 + len(self.starts)

    @override
    def _raw(self, params: Array) -> tuple[Array, ...]:
        # The gradient of a split is one concatenation; that of params[0] and params[1] is two padded arrays and their sum.
        return tuple(part[0] for part in jnp.split(params, len(params)))

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The location at the mean, and the scale that has the deviation."""
        log_scale = np.log(np.maximum(self.scale_of_unit_std * std, self.scale_floor))
        others = [np.full_like(log_scale, start) for start in self.starts]
        return np.stack([raw_location(mean, self.mean_range), log_scale, *others]).astype(np.float32)


class Laplace(AbstractScaleFromZ):
    r"""Independent Laplace variables whose location and scale are both functions of z.

        log p(y|z) = sum_d [ -|y_d - mu_d| / b_d - log(2 b_d) ]

    An absolute error (L1) as a loss is this likelihood with a fixed scale. mu and b (sigma there) are as in
    `AbstractLocationScale`. The variance is 2 b^2.
    """

    scale_of_unit_std: ClassVar[float] = 1 / np.sqrt(2.0)

    @override
    def _of(self, loc: Array, log_scale: Array) -> dist.Distribution:
        return dist.Laplace(loc, jnp.exp(log_scale))


class StudentT(AbstractScaleFromZ):
    r"""Independent Student-t variables with location, scale and degrees of freedom from z (Takahashi et al. 2018).

        log p(y|z) = sum_d [ log Gamma((nu_d + 1) / 2) - log Gamma(nu_d / 2) - log(nu_d pi) / 2 - log sigma_d
                             - (nu_d + 1) / 2 log(1 + (y_d - mu_d)^2 / (nu_d sigma_d^2)) ]

    With a third decoder output e: nu_d = 2 + exp(e_d) with e_d held within +-5, so that the mean and the variance exist; 10 at
    the start. sigma is not the standard deviation, which is sigma sqrt(nu / (nu - 2)). mu and sigma are as in
    `AbstractLocationScale`.
    """

    scale_of_unit_std: ClassVar[float] = np.sqrt(INITIAL_EXCESS / (2 + INITIAL_EXCESS))
    starts: ClassVar[tuple[float, ...]] = (np.log(INITIAL_EXCESS),)

    @override
    def _of(self, loc: Array, log_scale: Array, log_excess: Array) -> dist.Distribution:
        df = 2 + jnp.exp(jnp.clip(log_excess, -LARGEST_LOG_EXCESS, LARGEST_LOG_EXCESS))
        return dist.StudentT(df, loc, jnp.exp(log_scale))
