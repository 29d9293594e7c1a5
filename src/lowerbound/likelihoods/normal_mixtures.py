"""Likelihoods of single elements by mixtures: of the numbers, of their logarithms, and with masses at values that recur."""

from __future__ import annotations

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Bool, Float
from typing_extensions import override

from ..config.context import BuildContext
from ..config.part import PartConfig
from .base import AbstractElementwise, Measure, Scaling, Support
from .location_scale import LARGEST_LOG_SCALE, as_float32, scale_floor
from .log_normal import LARGEST_LOG_MEDIAN, LARGEST_LOG_SIGMA
from .mixture_distributions import NormalMixture, is_atom

# Components start with this part of the variance within each at least.
_LEAST_WITHIN = 0.05
# What is rarer starts as if it were no rarer; of fewer values the moments are not known from those of all.
_LEAST_SHARE = 0.02


class AbstractNormalMixture(AbstractElementwise):
    """What mixtures share: heads (logits, locations, logarithms of scales, and logits of atoms), floors, and a start.

    - `atoms`: (J, *event_shape), in the scale that the likelihood sees, infinite where an element has fewer; None for none.
      `shares`: of the same shape, which part of the training values they are. `widths`: how near to one a number is it.
    """

    scale_floor: eqx.AbstractVar[np.ndarray]
    num_components: eqx.AbstractVar[int]
    is_log: eqx.AbstractClassVar[bool]
    atoms: eqx.AbstractVar[np.ndarray | None]
    shares: eqx.AbstractVar[np.ndarray | None]
    widths: eqx.AbstractVar[np.ndarray | None]
    has_zero: ClassVar[bool] = False

    @property
    @override
    def heads(self) -> int:
        return 3 * self.num_components + (0 if self.atoms is None else len(self.atoms))

    @override
    def has_mass(self, y: Float[Array, "..."]) -> Bool[Array, "..."] | None:
        if self.atoms is None:
            return None
        return is_atom(y, jnp.asarray(self.atoms), None if self.widths is None else jnp.asarray(self.widths)).any(axis=0)

    @override
    def elements(self, params: Float[Array, "heads ..."], total: Float[Array, ""] | None = None) -> NormalMixture:
        logits, loc, raw = (params[i * self.num_components : (i + 1) * self.num_components] for i in range(3))
        lowest = jnp.broadcast_to(jnp.log(self.scale_floor), raw.shape).astype(raw.dtype)
        highest = jnp.full_like(lowest, LARGEST_LOG_SIGMA if self.is_log else LARGEST_LOG_SCALE)
        # The floor of an element may lie above the largest scale of a logarithm.
        log_scale = jax.lax.clamp(jnp.minimum(lowest, highest), raw, highest)
        loc = jnp.clip(loc, -LARGEST_LOG_MEDIAN, LARGEST_LOG_MEDIAN) if self.is_log else loc
        if self.atoms is None:
            return NormalMixture(logits, loc, log_scale, is_log=self.is_log)
        atom_logits = params[3 * self.num_components :]
        widths = None if self.widths is None else jnp.asarray(self.widths)
        of_atoms = jnp.asarray(self.atoms), atom_logits, widths
        return NormalMixture(logits, loc, log_scale, *of_atoms, is_log=self.is_log, has_zero=self.has_zero)

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Components at the quantiles of a normal law with the moments of the data that are no atoms, each as wide as leaves
        their variance; atoms with their shares."""
        mean, std = self._moments_of_rest(np.asarray(mean, np.float64), np.asarray(std, np.float64))
        wanted = mean
        if self.is_log:
            mean = wanted = np.maximum(mean, np.finfo(np.float32).tiny)
            variance = np.log1p(np.square(std / mean))
            mean, std = np.log(mean) - variance / 2, np.sqrt(variance)
        std = np.maximum(std, self.scale_floor)
        places = scipy.special.ndtri((np.arange(self.num_components) + 0.5) / self.num_components)
        within = math.sqrt(max(1 - float(np.mean(places**2)), _LEAST_WITHIN))
        shape = (self.num_components, *self.event_shape)
        loc = mean + places.reshape(-1, *[1] * len(self.event_shape)) * std
        scale = np.broadcast_to(np.maximum(within * std, self.scale_floor), shape)
        if self.is_log:
            # The components' mean is the wanted one.
            loc = loc + np.log(wanted / np.exp(loc + scale**2 / 2).mean(axis=0))
        of_components = [np.zeros(shape), np.broadcast_to(loc, shape), np.log(scale)]
        of_atoms = [] if self.shares is None else [np.log(np.maximum(self.shares, _LEAST_SHARE) / _rest(self.shares))]
        return np.concatenate([*of_components, *of_atoms]).astype(np.float32)

    def _moments_of_rest(self, mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean and the deviation of the values that are no atoms; of all values where nearly all are atoms."""
        if self.atoms is None or self.shares is None:
            return mean, std
        atoms, rest = np.where(np.isfinite(self.atoms), self.atoms.astype(np.float64), 0.0), _rest(self.shares)
        first = (mean - (self.shares * atoms).sum(axis=0)) / rest
        second = (std**2 + mean**2 - (self.shares * atoms**2).sum(axis=0)) / rest
        is_known = rest > _LEAST_SHARE
        deviation = np.sqrt(np.maximum(second - first**2, 0.0))
        return np.where(is_known, first, mean), np.where(is_known & (deviation > 0), deviation, std)

    @override
    def monitors(self, params: Float[Array, "heads ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the part of the law that is of components whose scale is held up by the floor."""
        weights = jax.nn.softmax(params[: self.num_components], axis=0)
        if self.atoms is not None:
            weights = weights * jnp.exp(self.elements(params).log_masses[1])
        raw = params[2 * self.num_components : 3 * self.num_components]
        held = jnp.where(raw <= jnp.log(self.scale_floor), weights, 0.0)
        return {"fraction_at_floor": held.sum(axis=0).mean(dtype=jnp.float32)}


class GaussianMixture(AbstractNormalMixture):
    r"""Independent mixtures of K Gaussians, all of whose numbers are functions of z.

        p(y|z) = prod_d sum_k pi_{k, d} N(y_d; mu_{k, d}, sigma_{k, d}^2),     pi = softmax of K logits

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma; a number or one for each element.
    - `num_components`: K. Decoder outputs: K logits, K means, K logarithms of sigma.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    num_components: int = eqx.field(static=True, default=5)
    is_log: ClassVar[bool] = False
    atoms: ClassVar[None] = None
    shares: ClassVar[None] = None
    widths: ClassVar[None] = None
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.REAL
    scaling: ClassVar[Scaling] = "any"


class LogNormalMixture(AbstractNormalMixture):
    r"""Independent mixtures of K log-normal laws, for positive data whose law has more than one bump.

        p(y|z) = prod_d (1 / y_d) sum_k pi_{k, d} N(log y_d; mu_{k, d}, sigma_{k, d}^2),     y_d > 0

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma, which is relative: 0.01 is a hundredth of the value.
    - `num_components`: K. Decoder outputs: K logits, K means, K logarithms of sigma.
    """

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    num_components: int = eqx.field(static=True, default=5)
    is_log: ClassVar[bool] = True
    atoms: ClassVar[None] = None
    shares: ClassVar[None] = None
    widths: ClassVar[None] = None
    measure: ClassVar[Measure] = "lebesgue"
    support: ClassVar[Support] = Support.POSITIVE
    scaling: ClassVar[Scaling] = "none"

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> LogNormalMixture:
        return cls(context.spec.event_shape, num_components=config.num_components, scale_floor=relative_floor(config, context))


def _rest(shares: np.ndarray) -> np.ndarray:
    """The part of each element's values that are no atoms."""
    return np.maximum(1 - shares.sum(axis=0, dtype=np.float64), _LEAST_SHARE)


def relative_floor(config: PartConfig, context: BuildContext) -> np.ndarray:
    """The floor of a Gaussian for the data, relative to each element's mean."""
    mean = np.maximum(np.asarray(context.spec.mean).reshape(context.spec.event_shape), np.finfo(np.float32).tiny)
    return np.minimum(scale_floor(config, context) / mean, 0.5)
