"""The contract of a mask's law p(s|x): which elements of an example have a value, given the whole example."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float

from ..config.context import BuildContext
from ..config.part import PartConfig


class AbstractMask(eqx.Module):
    """p(s|x) = prod_j p(s_j|x), s_j = 1 where the element x_j has a value.

    - `is_ignorable`: whether s tells nothing of what is missing, so that a model needs no law of it: log p(x_observed) serves.
    """

    is_ignorable: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def build(cls, config: PartConfig, context: BuildContext, has_nodes: np.ndarray) -> AbstractMask:
        """The law that a configuration asks for.

        - `has_nodes`: which elements have a likelihood whose law can be summed over (`likelihoods.Nodes`), of the event's shape.

        Raises `ConfigurationError` where it cannot be.
        """

    @property
    @abstractmethod
    def modelled(self) -> Bool[np.ndarray, "..."]:
        """Which elements' s_j it has a law of, of the event's shape; the others are missing at random."""

    @abstractmethod
    def logit(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """log P(s_j = 1|x) - log P(s_j = 0|x) of each element, with x in units of the elements' deviations, as encoders see it.

        - `u`: of the event's shape, or with axes before it.
        """
