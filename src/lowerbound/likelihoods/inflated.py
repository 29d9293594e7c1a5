"""Numbers some of which recur: single values have a probability, and what lies between them a density."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import equinox as eqx
import numpy as np
from typing_extensions import override

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..errors import ConfigurationError
from .base import Measure, Scaling, Support
from .location_scale import as_float32, as_float32_or_none, scale_floor
from .mixture_distributions import rounding_of
from .normal_mixtures import AbstractNormalMixture, relative_floor


class AbstractInflated(AbstractNormalMixture):
    """What laws with values that recur share: their constants, and how these are found in the data."""

    scale_floor: np.ndarray = eqx.field(converter=as_float32)
    atoms: np.ndarray = eqx.field(converter=as_float32, kw_only=True)
    shares: np.ndarray = eqx.field(converter=as_float32, kw_only=True)
    widths: np.ndarray | None = eqx.field(converter=as_float32_or_none, kw_only=True, default=None)
    num_components: int = eqx.field(static=True, default=5)
    is_log: ClassVar[bool] = False
    measure: ClassVar[Measure] = "mixed"
    support: ClassVar[Support] = Support.RECURRING
    scaling: ClassVar[Scaling] = "any"

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> Self:
        floor = (relative_floor if cls.is_log else scale_floor)(config, context)
        return cls(context.spec.event_shape, scale_floor=floor, num_components=config.num_components, **_atoms(context))


class InflatedGaussianMixture(AbstractInflated):
    r"""Numbers that are one of J values with probabilities of their own, and otherwise follow a mixture of K Gaussians.

        P(y_d = a_{j, d}|z) = pi_{j, d}
        p(y_d|z) = (1 - sum_j pi_{j, d}) sum_k w_{k, d} N(y_d; mu_{k, d}, sigma_{k, d}^2) elsewhere

    Its measure is a point mass at each of these values beside Lebesgue's: log p is a log-probability there, and a log-density
    elsewhere. A density alone would grow without a bound where a value recurs exactly.

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma; a number or one for each element.
    - `atoms`: (J, *event_shape), the values, infinite where an element has fewer. `shares`: which part of the data they are,
      where the decoder starts. `widths`: how near to an atom a number is that atom; by default its own rounding in float32.
    - `num_components`: K. Decoder outputs: K logits, K means, K logarithms of sigma, and J logits, of pi_j / (1 - sum pi).
    """


class InflatedLogNormalMixture(AbstractInflated):
    r"""Positive numbers that are one of J values with probabilities of their own, and else follow a mixture of K log-normal laws.

        P(y_d = a_{j, d}|z) = pi_{j, d}
        p(y_d|z) = (1 - sum_j pi_{j, d}) (1 / y_d) sum_k w_{k, d} N(log y_d; mu_{k, d}, sigma_{k, d}^2) elsewhere

    Its measure is that of `InflatedGaussianMixture`.

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma, which is relative.
    - `atoms`, `shares`: as those of `InflatedGaussianMixture`; above 0.
    - `num_components`: K. Decoder outputs: K logits, K means, K logarithms of sigma, and J logits, of pi_j / (1 - sum pi).
    """

    is_log: ClassVar[bool] = True
    support: ClassVar[Support] = Support.POSITIVE_RECURRING
    scaling: ClassVar[Scaling] = "none"


class ZeroInflatedLogNormal(AbstractInflated):
    r"""Numbers that are exactly 0 with probability pi_d(z), and otherwise follow a mixture of K log-normal laws.

        P(y_d = 0|z) = pi_d,     p(y_d|z) = (1 - pi_d) (1 / y_d) sum_k w_{k, d} N(log y_d; mu_{k, d}, sigma_{k, d}^2) for y_d > 0

    Its measure is that of `InflatedGaussianMixture`. Where other values recur too, they have probabilities like 0.

    - `event_shape`: shape of one example. `scale_floor`: smallest sigma, which is relative.
    - `atoms`, `shares`: 0 first, then other values, as those of `InflatedGaussianMixture`; 0 alone, and half of all, by default.
    - `num_components`: K. Decoder outputs: K logits, K means, K logarithms of sigma, and a logit for each atom.
    """

    is_log: ClassVar[bool] = True
    has_zero: ClassVar[bool] = True
    support: ClassVar[Support] = Support.NONNEGATIVE
    scaling: ClassVar[Scaling] = "none"

    def __init__(
        self,
        event_shape: tuple[int, ...],
        scale_floor: Any,
        atoms: Any = None,
        shares: Any = None,
        widths: Any = None,
        num_components: int = 5,
    ) -> None:
        self.event_shape, self.scale_floor, self.num_components, self.widths = event_shape, scale_floor, num_components, widths
        self.atoms = np.zeros((1, *event_shape)) if atoms is None else atoms
        self.shares = np.full(np.shape(self.atoms), 0.5) if shares is None else shares

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> Self:
        shape, floor = context.spec.event_shape, relative_floor(config, context)
        more = _zero_first(**_atoms(context)) if any(context.spec.atoms) else {}
        return cls(shape, floor, num_components=config.num_components, **more)


def _atoms(context: BuildContext) -> dict[str, np.ndarray]:
    """The values that recur, as the likelihood sees them, and their shares: infinite and 0 of elements that have fewer.

    Raises `ConfigurationError` where no element has any.
    """
    spec = context.spec
    most = max(map(len, spec.atoms), default=0)
    if not most:
        raise ConfigurationError(
            f"the likelihood is one of values that recur, and none does in {', '.join(spec.feature_names[:5]) or 'these data'}; "
            "expected one without, such as gaussian-mixture or log-normal-mixture."
        )
    values, shares = np.full((most, spec.num_elements), np.inf), np.zeros((most, spec.num_elements))
    for element, (own, parts) in enumerate(zip(spec.atoms, spec.atom_shares, strict=True)):
        values[: len(own), element], shares[: len(own), element] = own, parts
    shape = (most, *spec.event_shape)
    atoms = np.asarray(context.transform.forward(values.reshape(shape).astype(np.float32)))
    offset = np.broadcast_to(context.transform.shift / context.transform.scale, spec.event_shape)
    return {"atoms": atoms, "shares": shares.reshape(shape), "widths": rounding_of(atoms, offset)}


def _zero_first(atoms: np.ndarray, shares: np.ndarray, widths: np.ndarray) -> dict[str, np.ndarray]:
    """0 before the other atoms, with its share, of every element."""
    is_zero = atoms == 0
    of_zero = np.where(is_zero, shares, 0.0).sum(axis=0, keepdims=True)
    none = np.zeros_like(atoms[:1])
    return {
        "atoms": np.concatenate([none, np.where(is_zero, np.inf, atoms)]),
        "shares": np.concatenate([of_zero, np.where(is_zero, 0.0, shares)]),
        "widths": np.concatenate([none, widths]),
    }
