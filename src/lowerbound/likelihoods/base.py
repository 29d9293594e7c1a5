"""The contract of a likelihood p(x|z)."""

from abc import abstractmethod
from typing import Literal

import equinox as eqx
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

Measure = Literal["counting", "lebesgue"]


class AbstractLikelihood(eqx.Module):
    """p(x|z) for one example, from the unconstrained numbers that a decoder network puts out.

    Always a normalised density with respect to `measure`: it sums to 1 over the levels of discrete data ("counting"),
    or integrates to 1 ("lebesgue"). A reconstruction error such as a mean square is a Gaussian with a named scale.

    The likelihood lives in the model's own scale of the data, y = transform(x); the model adds the log-Jacobian.
    """

    event_shape: eqx.AbstractVar[tuple[int, ...]]
    measure: eqx.AbstractClassVar[Measure]

    @property
    @abstractmethod
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the unconstrained parameters needed from the decoder for one example."""

    @abstractmethod
    def distribution(self, params: Float[Array, "..."]) -> dist.Distribution:
        """The NumPyro distribution of one example, its event shape equal to `event_shape`."""

    @abstractmethod
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The decoder outputs that describe data of this mean and standard deviation best when z says nothing.

        A decoder starts from them as its output bias: a start far from the data's mean pushes the posterior to collapse
        before the mean is learned. `mean` and `std` have the event's shape, in the model's scale of the data.
        """

    @abstractmethod
    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """Fractions in [0, 1] worth watching while training, such as `fraction_at_floor`; empty where there is none."""
