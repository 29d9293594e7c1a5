"""The contract of a likelihood p(x|z)."""

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float, Num, PRNGKeyArray

from ..config.context import BuildContext, arguments_of, check_values
from ..config.part import PartConfig
from ..data.spec import DataSpec
from ..data.transforms import Affine
from ..errors import ConfigurationError
from .location_scale import arguments_from_data
from .nodes import Nodes, nodes_of
from .support import Support, misfit

# "mixed": some elements have probabilities, others densities, or one has both.
Measure = Literal["counting", "lebesgue", "mixed"]
# What a density of counts may be given beside z: their sum, and it is a law of the x with that sum; or their sum as no more than
# a size to expect, and it is a law of all x. Neither is log p(x), and the second is not even the law of x given its sum.
# "mask too": nothing is given, but the number is log p(x_observed, mask), which is no log p(x) either.
Given = Literal["total", "total as size", "mask too"]
# What can be left out of an example: any elements; whole pixels of an image with colours; nothing.
Hides = Literal["elements", "pixels", "nothing"]
# The scaling of the data that a likelihood works in: any of them, or the one that its support asks for.
Scaling = Literal["any", "unit", "open-unit", "none", "by-column"]


def numpyro_promotion() -> AbstractContextManager[None]:
    """NumPyro's distributions mix dtypes (Bernoulli's does), which a program under strict promotion would refuse."""
    return jax.numpy_dtype_promotion("standard")


class AbstractLikelihood(eqx.Module):
    """p(x|z) for one example, from the unconstrained numbers that a decoder network puts out.

    Always a normalised density with respect to `measure`: it sums to 1 over the levels of discrete data ("counting"),
    or integrates to 1 ("lebesgue"). A reconstruction error such as a mean square is a Gaussian with a named scale.

    The likelihood lives in the model's own scale of the data, y = transform(x); the model adds the log-Jacobian.

    - `support`: which data have a probability, in the user's units; `scaling`: the scale of y that the likelihood needs.
    - `code`: how the part that fits data of `shape` is written, where it depends on their levels.
    - `heads`: how many numbers of the decoder each element takes, along the first axis; None for one, without that axis.
    - `given_total`: True for a density of counts given their sum (a document's length, a cell's library size), which
      `distribution` then needs; `given` says so beside every number that comes of it.
    - `has_that_total`: whether such a density is normalised over the x with that sum, and not over all x.
    - `noise_is_joined`: whether draws given one z are whole examples, each another, of which E[x|z] is only the average: then
      pictures of draws say what the model has learned, where else they hide it behind the noise of single elements.
    - `has_late_noise`: whether `noise` says more than None, so that the bounds of training are without what it explains.
    - `tied`: where nothing may be hidden, why, and what to do.
    - `hidden_need_observed`: whether z does not tell all of what may be hidden, because it depends on the rest given z too.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    support: eqx.AbstractClassVar[Support]
    scaling: eqx.AbstractClassVar[Scaling]
    code: ClassVar[str] = ""
    heads: ClassVar[int | None] = None
    given_total: ClassVar[bool] = False
    has_that_total: ClassVar[bool] = False
    hidden_need_observed: ClassVar[bool] = False
    noise_is_joined: ClassVar[bool] = False
    has_late_noise: ClassVar[bool] = False
    tied: ClassVar[str] = (
        "it is about all the counts given their sum. Use a likelihood of single elements, such as poisson with "
        "likelihood.library_size=false"
    )

    def __check_init__(self) -> None:
        check_values("likelihood", type(self), vars(self))

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> "AbstractLikelihood":
        """The likelihood that a configuration asks for, in the model's scale of the data.

        It is made with its keys and with those of `arguments_from_data` that it takes; what needs other things has its own.
        """
        return cls(**arguments_of(cls, config, elsewhere=("mean",), **arguments_from_data(config, context)))

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """The base measure of the density; a class for which that never changes has it as a constant."""

    @property
    def discrete(self) -> np.ndarray:
        """Which elements have probabilities and not densities, booleans of the event's shape."""
        return np.full(self.event_shape, self.measure == "counting")

    def has_mass(self, y: Float[Array, "..."]) -> Bool[Array, "..."] | None:
        """Which elements of y have a probability and not a density, where their values decide; None where `discrete` says it."""
        return None

    @property
    def noise(self) -> Any | None:
        """Numbers that say how what z leaves open hangs together; None where there are none.

        They are constants, and 0, while the model is trained, and are fitted when that has ended (`training.noise`).
        """
        return None

    def with_noise(self, noise: Any | None) -> Self:
        """The likelihood with other numbers in place of `noise`; None is as 0, and costs nothing."""
        raise NotImplementedError(f"{type(self).__name__} has no numbers that are fitted when training has ended")

    @property
    def given(self) -> Given | None:
        """What the density is given beside z; None for p(x|z) itself."""
        if not self.given_total:
            return None
        return "total" if self.has_that_total else "total as size"

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the unconstrained parameters needed from the decoder for one example: `heads`, and the event's."""
        return self.event_shape if self.heads is None else (self.heads, *self.event_shape)

    @abstractmethod
    def distribution(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """The NumPyro distribution of one example, its event shape equal to `event_shape`.

        - `total`: the sum of the example's counts, where `given_total`; None stands for that of a typical example.
        """

    @property
    @abstractmethod
    def hides(self) -> Hides:
        """What may be left out of an example, the rest keeping its log-probability; a class that knows has it as a constant."""

    @abstractmethod
    def _element_log_prob(self, params: Array, y: Array, total: Array | None) -> Array: ...

    @abstractmethod
    def _marginal_log_prob(self, params: Array, y: Array, observed: Array, total: Array | None) -> Array: ...

    def log_prob(
        self,
        params: Float[Array, "..."],
        y: Float[Array, "..."],
        *,
        observed: Bool[Array, "..."] | None = None,
        total: Float[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        """log p(y|z) in nats of one example, or of its observed elements with the hidden ones summed or integrated out.

        - `observed`: which elements are; None for all. What stands at the hidden ones, NaN for example, is never looked at.
        - `total`: as for `distribution`.

        Raises `ConfigurationError` where the law gives no such marginal. Where an element is left out without those that it can
        only be left out with (see `hides`), the answer is NaN; `cannot_hide` finds such examples before.
        """
        with numpyro_promotion():
            if observed is None:
                return jnp.asarray(self.distribution(params, total).log_prob(y))
            reason = self._needs_all(total)
            if reason is not None:
                raise ConfigurationError(reason)
            return self._marginal_log_prob(params, y, observed, total)

    def element_log_prob(
        self, params: Float[Array, "..."], y: Float[Array, "..."], total: Float[Array, ""] | None = None
    ) -> Float[Array, "..."]:
        """log p of each element in nats: by itself, or in a pixel's colours given those before it."""
        with numpyro_promotion():
            return self._element_log_prob(params, y, total)

    def mean_of(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> Float[Array, "..."]:
        """E[y|z], of the event's shape."""
        with numpyro_promotion():
            return jnp.asarray(self.distribution(params, total).mean)

    def draw(self, params: Float[Array, "..."], key: PRNGKeyArray, total: Float[Array, ""] | None = None) -> Num[Array, "..."]:
        """One draw y ~ p(y|z)."""
        with numpyro_promotion():
            return jnp.asarray(self.distribution(params, total).sample(key))

    def masses_of_codes(self, params: Float[Array, "..."]) -> dict[int, Float[Array, " codes"]]:
        """The probabilities of each code of each element (flattened) that is a category; empty where none is."""
        return {}

    @property
    def has_nodes(self) -> np.ndarray:
        """Which elements have a law that is summed over by `nodes`, booleans of the event's shape."""
        return np.zeros(self.event_shape, bool)

    def cannot_hide(self, observed: np.ndarray) -> str | None:
        """Why examples with these elements observed, (n, *event_shape), have no log-probability; None where they have."""
        if observed.all():
            return None
        if self.hides == "pixels" and (observed.any(-1) != observed.all(-1)).any():
            row = int(np.argwhere(observed.any(-1) != observed.all(-1))[0, 0])
            return (
                f"{type(self).__name__} is about a pixel's three colours together, and example {row} has a pixel of which only "
                "some are hidden. Hide whole pixels, or use a likelihood of single elements, such as discretized-logistic."
            )
        return self._needs_all(None)

    def _needs_all(self, total: Array | None) -> str | None:
        name = type(self).__name__
        if self.hides == "nothing":
            return f"{name} gives no log-probability of some of an example's elements: {self.tied}."
        if self.given_total and total is None:
            return (
                f"{name} is given the example's total, which is not known where elements are hidden. Use "
                "likelihood.library_size=false, which learns the size from z, or give the total."
            )
        return None

    @property
    def values(self) -> Any:
        """The numbers y that have a probability, element by element, as one of NumPyro's constraints."""
        with numpyro_promotion():
            support: Any = self.distribution(jnp.zeros(self.param_shape, jnp.float32)).support
        return getattr(support, "base_constraint", support)

    def misfit(self, spec: DataSpec, transform: Affine) -> str | None:
        """Why such data, seen through `transform`, have no probability, and what fits them; None where all of them have one.

        Every level of the data must be one of the likelihood's own: between them, or beyond, there is no probability.
        """
        return misfit(self, spec, transform)

    @abstractmethod
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The decoder outputs that describe data of this mean and standard deviation best when z says nothing.

        A decoder starts from them as its output bias: a start far from the data's mean pushes the posterior to collapse
        before the mean is learned. `mean` and `std` have the event's shape, in the model's scale of the data.
        """

    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """Fractions in [0, 1] worth watching while training, such as `fraction_at_floor`; empty where there is none."""
        return {}


class AbstractElementwise(AbstractLikelihood):
    """Elements that are independent given z: each can be left out, weighted or shown by itself.

    The distribution of the elements may know a faster sum of all of them (`to_event`), which serves where none is hidden.
    """

    hides: ClassVar[Hides] = "elements"

    @abstractmethod
    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """The NumPyro distribution of each element: batch shape `event_shape`, event shape ()."""

    @property
    def has_nodes(self) -> np.ndarray:
        """All or none, but where blocks of elements have laws of their own."""
        law = type(self.elements(jnp.zeros(self.param_shape, jnp.float32)))
        return np.full(self.event_shape, hasattr(law, "nodes"))

    def nodes(self, params: Float[Array, "..."]) -> Nodes:
        """p(y_j|z) of each element as values and probabilities; of an element without `has_nodes` the mean alone."""
        with numpyro_promotion():
            return nodes_of(self.elements(params))

    def distribution(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """That of all elements together."""
        return self.elements(params, total).to_event(len(self.event_shape))

    def _element_log_prob(self, params: Array, y: Array, total: Array | None) -> Array:
        return jnp.asarray(self.elements(params, total).log_prob(y))

    def _marginal_log_prob(self, params: Array, y: Array, observed: Array, total: Array | None) -> Array:
        elements: Any = self.elements(params, total)
        # A number that is possible takes the place of what is hidden, so that no gradient meets NaN.
        each = jnp.asarray(elements.log_prob(jnp.where(observed, y, elements.support.feasible_like(y))))
        return jnp.sum(jnp.where(observed, each, 0.0))


class AbstractJoint(AbstractLikelihood):
    """Elements that depend on each other given z; `hides` says which of them can be summed or integrated out."""
