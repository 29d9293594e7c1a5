"""Values that are missing at random, and values that are missing because of what they are."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from typing_extensions import override

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..errors import ConfigurationError
from .base import AbstractMask

Direction = Literal["any", "large", "small"]
# Values count as no further than so many deviations from the mean: a logistic function is flat there.
_FARTHEST = 50.0
# Where a direction is stated the slope starts at it; it is softplus of the raw number.
_FIRST_SLOPE = 0.5
_RAW_OF_FIRST_SLOPE = math.log(math.expm1(_FIRST_SLOPE))


class AtRandom(AbstractMask):
    """Values are missing for reasons that the observed elements tell, so that the mask needs no law (Rubin 1976)."""

    is_ignorable: ClassVar[bool] = True

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext, has_nodes: np.ndarray) -> AtRandom:
        return cls()

    @property
    @override
    def modelled(self) -> Bool[np.ndarray, "..."]:
        return np.zeros((), bool)

    @override
    def logit(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.zeros_like(u)


def _trained(value: Any) -> Array:
    return jnp.asarray(value, jnp.float32)


class SelfMasking(AbstractMask):
    r"""An element is missing because of its own value (Ipsen, Mattei and Frellsen 2021, arXiv 2006.12871, section 3.2).

        P(s_j = 1|x) = sigmoid(a_j + b_j u_j),   u_j = (x_j - mean_j) / deviation_j, the level of a column of few levels

    Its two numbers are trained for each element with the rest of the model. Nothing in the data alone can show that the law is of
    this form, nor that values are missing because of what they are: it is an assumption, as "at random" is another one.

    - `raw_intercept`: a. `raw_slope`: b where `direction` is "any", else its size is softplus of it: b < 0 where "large" values
      tend to be missing, b > 0 where "small" ones do.
    - `places`: the elements (flattened) that have such a law; the others are missing at random.
    """

    raw_intercept: Float[Array, "..."] = eqx.field(converter=_trained)
    raw_slope: Float[Array, "..."] = eqx.field(converter=_trained)
    places: tuple[int, ...] = eqx.field(static=True)
    direction: Direction = eqx.field(static=True, default="any")

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext, has_nodes: np.ndarray) -> SelfMasking:
        spec = context.spec
        if not spec.holes or not max(spec.holes):
            raise ConfigurationError(
                f"mask.name is {config.name!r}, but every training example has all its values, so there is no mask to learn; "
                "leave it out."
            )
        holes = np.asarray(spec.holes)
        # Of categories without an order no value is larger than another.
        ordered = [not column.is_coded or column.kind != "categorical" for column in spec.columns] or [True] * len(holes)
        places = np.flatnonzero((holes > 0) & np.asarray(ordered) & has_nodes.reshape(-1))
        if not len(places):
            first = int(np.argmax(holes > 0))
            raise ConfigurationError(
                f"mask.name is {config.name!r}, but of no element with missing values (the first is {spec.element_name(first)}) "
                "can the likelihood be summed over what is missing; expected likelihood.name=gaussian, gaussian-mixture or "
                "bernoulli, or in a table columns of numbers, of two values or with an order."
            )
        rates = np.clip(1 - holes, 0.01, 0.99)
        start = 0.0 if config.direction == "any" else _RAW_OF_FIRST_SLOPE
        return cls(
            np.log(rates / (1 - rates)).reshape(spec.event_shape),
            np.full(spec.event_shape, start),
            tuple(places.tolist()),
            config.direction,
        )

    @property
    @override
    def modelled(self) -> Bool[np.ndarray, "..."]:
        found = np.zeros(self.raw_slope.size, bool)
        found[list(self.places)] = True
        return found.reshape(self.raw_slope.shape)

    @property
    def slope(self) -> Float[Array, "..."]:
        """b, in logits for each deviation of the element."""
        if self.direction == "any":
            return self.raw_slope
        size = jax.nn.softplus(self.raw_slope)
        return -size if self.direction == "large" else size

    @override
    def logit(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.raw_intercept + self.slope * jnp.clip(u, -_FARTHEST, _FARTHEST)
