"""The contract of a family of posteriors q(z|x)."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from ..config.context import BuildContext, arguments_of
from ..config.part import PartConfig
from ..densities import AbstractPosterior, Space
from ..errors import ConfigurationError


class AbstractPosteriorFamily(eqx.Module):
    """A family of densities over z, from which the encoder's output picks one for each example.

    What most families are stands here; one that is not says so.

    - `space`: where z lives; the prior must live there too.
    - `has_density`: False for a deterministic code, of which no bound on log p(x) can be made.
    - `is_factorised`: True when what `at` gives is an `AbstractFactorisedPosterior`.
    """

    latent_dim: eqx.AbstractVar[int]
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> "AbstractPosteriorFamily":
        """The family that a configuration asks for, with fresh weights; a class that is made of other things has its own."""
        return cls(**arguments_of(cls, config, elsewhere=("refinement_steps", "refinement_rate"), **context.sizes))

    @property
    @abstractmethod
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the unconstrained parameters needed from the encoder for one example."""

    @abstractmethod
    def at(self, params: Float[Array, "..."]) -> AbstractPosterior:
        """q(z|x): the member of the family with these parameters."""


def check_at_least_one(posterior: str, **arguments: int) -> None:
    """Raises `ConfigurationError` when one of the arguments is below 1."""
    for name, value in arguments.items():
        if value < 1:
            raise ConfigurationError(
                f"posterior {posterior!r}: {name} is {value}; it must be a whole number from 1 up, for example "
                f"posterior.{name}=4."
            )
