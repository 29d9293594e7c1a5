"""The contract of a family of posteriors q(z|x)."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from ..config.context import BuildContext, arguments_of, check_values
from ..config.part import PartConfig
from ..densities import AbstractPosterior, Space


class AbstractPosteriorFamily(eqx.Module):
    """A family of densities over z, from which the encoder's output picks one for each example.

    What most families are stands here; one that is not says so.

    - `space`: where z lives; the prior must live there too.
    - `has_density`: False for a deterministic code, of which no bound on log p(x) can be made.
    - `is_factorised`: True when what `at` gives is an `AbstractFactorisedPosterior`.
    - `is_flow`: True where a density passes through layers, or back through them: what compares all pairs then takes fewer.
    - `least_latents`: the fewest latents that it can have.
    """

    latent_dim: int = eqx.field(static=True)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False
    is_flow: ClassVar[bool] = False
    least_latents: ClassVar[int] = 1

    def __check_init__(self) -> None:
        check_values("posterior", type(self), vars(self))

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
