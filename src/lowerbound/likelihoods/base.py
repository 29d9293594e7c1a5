"""The contract of a likelihood p(x|z)."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..data.spec import DataSpec
from ..data.transforms import Affine
from .support import misfit

Measure = Literal["counting", "lebesgue"]
# What a density of counts may be given beside z: their sum, and it is a law of the x with that sum; or their sum as no more than
# a size to expect, and it is a law of all x. Neither is log p(x), and the second is not even the law of x given its sum.
Given = Literal["total", "total as size"]
# Which values have a probability: any number; numbers above 0; [low, high] with known limits, with or without its ends; 0 and 1;
# the whole numbers from low to high; whole numbers from 0 up; those in the support of the distribution of each element, which
# only an instance knows.
Support = Literal["real", "positive", "interval", "open-interval", "binary", "levels", "counts", "own"]
# The scaling of the data that a likelihood works in: any of them, or the one that its support asks for.
Scaling = Literal["any", "unit", "open-unit", "none"]


class AbstractLikelihood(eqx.Module):
    """p(x|z) for one example, from the unconstrained numbers that a decoder network puts out.

    Always a normalised density with respect to `measure`: it sums to 1 over the levels of discrete data ("counting"),
    or integrates to 1 ("lebesgue"). A reconstruction error such as a mean square is a Gaussian with a named scale.

    The likelihood lives in the model's own scale of the data, y = transform(x); the model adds the log-Jacobian.

    - `support`: which data have a probability, in the user's units; `scaling`: the scale of y that the likelihood needs.
    - `code`: how the part that fits data of `shape` is written, where it depends on their levels.
    - `given_total`: True for a density of counts given their sum (a document's length, a cell's library size), which
      `distribution` then needs; `given` says so beside every number that comes of it.
    - `has_that_total`: whether such a density is normalised over the x with that sum, and not over all x.
    """

    event_shape: eqx.AbstractVar[tuple[int, ...]]
    support: eqx.AbstractClassVar[Support]
    scaling: eqx.AbstractClassVar[Scaling]
    code: ClassVar[str] = ""
    has_that_total: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def build(cls, config: PartConfig, context: BuildContext) -> "AbstractLikelihood":
        """The likelihood that a configuration asks for, in the model's scale of the data."""

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """The base measure of the density; a class for which that never changes has it as a constant."""

    @property
    @abstractmethod
    def given_total(self) -> bool:
        """Whether the density is one of counts given their sum; a class for which that never changes has it as a constant."""

    @property
    def given(self) -> Given | None:
        """What the density is given beside z; None for p(x|z) itself."""
        if not self.given_total:
            return None
        return "total" if self.has_that_total else "total as size"

    @property
    @abstractmethod
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the unconstrained parameters needed from the decoder for one example."""

    @abstractmethod
    def distribution(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """The NumPyro distribution of one example, its event shape equal to `event_shape`.

        - `total`: the sum of the example's counts, where `given_total`; None stands for that of a typical example.
        """

    @property
    def values(self) -> Any:
        """The numbers y that have a probability, element by element, as one of NumPyro's constraints."""
        with jax.numpy_dtype_promotion("standard"):
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

    @abstractmethod
    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """Fractions in [0, 1] worth watching while training, such as `fraction_at_floor`; empty where there is none."""
