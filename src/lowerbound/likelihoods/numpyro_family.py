"""Any distribution of NumPyro's as a likelihood, by the name of its class."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints
from typing_extensions import override

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..errors import ConfigurationError, unknown_name_message
from .base import AbstractElementwise, Measure, Scaling, Support
from .moment_fit import fit_moments

# A constrained argument stays between e^-15 and e^15, or as near to the ends of an interval.
LARGEST_RAW = 15.0
# Arguments of Gamma functions stay below e^7: beyond, float32 keeps less than a thousandth of their logarithms' differences, and
# a density would no longer integrate to 1.
LARGEST_RAW_SHAPE = 7.0
_SHAPES = ("concentration", "concentration0", "concentration1", "df", "n", "total_count")
_KEY = "likelihood.distribution"


@dataclasses.dataclass(frozen=True)
class Family:
    """A distribution of one number, its arguments and the maps from unconstrained numbers to them."""

    cls: type[dist.Distribution]
    arguments: tuple[str, ...]

    @functools.cached_property
    def support(self) -> Any:
        """NumPyro's constraint that the values keep, without those ends of an interval where the density is not finite."""
        support: Any = self.cls.support
        bounds = [float(getattr(support, name)) for name in ("lower_bound", "upper_bound") if hasattr(support, name)]
        ends = [bound for bound in bounds if support(bound)]
        if support.is_discrete or not ends:
            return support
        with jax.numpy_dtype_promotion("standard"):
            at_ends = [self.of(self.ordinary_params).log_prob(end) for end in ends]
        if np.isfinite(np.asarray(at_ends)).all():
            return support
        return constraints.open_interval(*bounds) if len(bounds) == 2 else constraints.greater_than(*bounds)

    @property
    def ordinary_params(self) -> Float[Array, "arguments five"]:
        """Some unconstrained arguments: a family may have a mean, or a density at an end, for some only."""
        return jnp.broadcast_to(jnp.linspace(-1.0, 3.0, 5), (len(self.arguments), 5))

    def of(self, params: Float[Array, "arguments ..."]) -> dist.Distribution:
        """The distributions with these unconstrained arguments, one for each element."""
        values = {}
        for name, raw in zip(self.arguments, params, strict=True):
            constraint = self.cls.arg_constraints[name]
            largest = LARGEST_RAW_SHAPE if name in _SHAPES else LARGEST_RAW
            held = raw if constraint is constraints.real else jnp.clip(raw, -LARGEST_RAW, largest)
            values[name] = dist.biject_to(constraint)(held)
        return self.cls(**values)


@functools.cache
def family_of(name: str) -> Family:
    """The family of this name in `numpyro.distributions`, and nowhere else.

    Raises `ConfigurationError` where there is none, or it cannot be a likelihood of single numbers; it names those that can.
    """
    if name not in _class_names():
        raise ConfigurationError(unknown_name_message(_KEY, name, usable_families()))
    family = _family_or_reason(getattr(dist, name))
    if isinstance(family, str):
        raise ConfigurationError(
            f"{_KEY} is {name!r}, which cannot be used: {family}. Expected a distribution of one number with real-valued "
            f"arguments: {', '.join(usable_families())}."
        )
    return family


@functools.cache
def usable_families() -> tuple[str, ...]:
    """The names of the distributions that can be a likelihood."""
    return tuple(name for name in _class_names() if isinstance(_family_or_reason(getattr(dist, name)), Family))


def _class_names() -> list[str]:
    # `Normal` and its like are classes; `Bernoulli`, a function that chooses one of two classes, is not.
    classes = ((name, getattr(dist, name)) for name in sorted(dist.__all__))
    return [name for name, cls in classes if isinstance(cls, type) and issubclass(cls, dist.Distribution)]


def _family_or_reason(cls: type[dist.Distribution]) -> Family | str:
    """The family, or why it is none."""
    support = inspect.getattr_static(cls, "support", None)
    is_dependent = isinstance(support, property | type(constraints.dependent))
    if is_dependent or not isinstance(support, constraints.Constraint):
        return "its support depends on its arguments"
    if support.event_dim != 0:
        return "it is about vectors or matrices, and not about one number for each element"
    signature = list(inspect.signature(cls.__init__).parameters.values())[1:]
    required = [parameter.name for parameter in signature if parameter.default is inspect.Parameter.empty]
    arguments = tuple(parameter.name for parameter in signature if parameter.name in cls.arg_constraints)
    others = [name for name in required if name not in arguments or not _is_real_valued(cls.arg_constraints[name])]
    if others or not arguments:
        return f"it needs {' and '.join(others) or 'no arguments'}, which a decoder cannot give as real numbers"
    if not all(_is_real_valued(cls.arg_constraints[name]) for name in arguments):
        return "it has arguments that a decoder cannot give as real numbers"
    if "gate" in arguments and not support.is_discrete:
        return "it has a point mass besides its density"
    return Family(cls, arguments) if _has_mean(Family(cls, arguments)) else "its mean does not exist"


def _is_real_valued(constraint: Any) -> bool:
    try:
        dist.biject_to(constraint)
        return constraint.event_dim == 0 and not constraint.is_discrete
    except (NotImplementedError, AttributeError):
        return False


def _has_mean(family: Family) -> bool:
    try:
        with jax.numpy_dtype_promotion("standard"):
            return bool(jnp.isfinite(jnp.asarray(family.of(family.ordinary_params).mean)).any())
    except (NotImplementedError, ValueError, TypeError):
        return False


class SupportedDistribution(dist.Distribution):
    """`base`, with log-probability -inf outside `support`, where NumPyro's own give any number."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("base",)
    pytree_aux_fields = ("_support",)

    def __init__(self, base: dist.Distribution, support: Any) -> None:
        self.base, self._support = base, support
        super().__init__(batch_shape=base.batch_shape)

    @property
    def support(self) -> Any:
        """The constraint that it was given."""
        return self._support

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """Of each element, in nats."""
        inside = self.support(value)
        # No gradient may meet what the density is outside.
        log_prob = self.base.log_prob(jnp.where(inside, value, self.support.feasible_like(value)))
        return jnp.where(inside, jnp.asarray(log_prob), -jnp.inf)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Any:
        """A draw of the base."""
        return self.base.sample(key, sample_shape)

    @property
    def mean(self) -> Any:
        """That of the base."""
        return self.base.mean

    @property
    def variance(self) -> Any:
        """That of the base."""
        return self.base.variance


class NumPyroLikelihood(AbstractElementwise):
    r"""Independent variables of a family in `numpyro.distributions`, every argument a function of z.

    The decoder puts out one unconstrained number for each element and argument, mapped to the argument by NumPyro's own
    `biject_to`: exp for what is positive, sigmoid for what lies in (0, 1). The data are seen unscaled, because the support
    of most families is not kept by a shift.

    - `event_shape`: shape of one example. `family`: the class's name, "Weibull" for example.

    Raises `ConfigurationError` for a name that is none, or that is no distribution of one number with real-valued arguments.

    >>> NumPyroLikelihood((3,), "Weibull").param_shape
    (2, 3)
    """

    family: str = eqx.field(static=True)
    support: ClassVar[Support] = Support.OWN
    scaling: ClassVar[Scaling] = "none"

    def __check_init__(self) -> None:
        family_of(self.family)

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> NumPyroLikelihood:
        """Of the configured family."""
        return NumPyroLikelihood(context.spec.event_shape, family=config.distribution)

    @property
    def measure(self) -> Measure:
        """Counting measure for a discrete family."""
        return "counting" if family_of(self.family).support.is_discrete else "lebesgue"

    @property
    @override
    def heads(self) -> int:
        """(arguments, *event_shape), in the order of the class's own signature."""
        return len(family_of(self.family).arguments)

    @override
    def elements(self, params: Float[Array, "arguments ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        family = family_of(self.family)
        return SupportedDistribution(family.of(params), family.support)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """By moments, solved numerically: the mean and, with two arguments or more, the deviation as well as it can be met."""
        return fit_moments(family_of(self.family).of, self.param_shape, mean, std)
