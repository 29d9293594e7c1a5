"""The contract of a prior p(z)."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from ..config.context import BuildContext, arguments_of, check_values
from ..config.part import PartConfig
from ..densities import AbstractLatentDensity, Space

# What an encoder and its posterior family say of one input of the encoder (a pseudo-input, say) under a condition.
Recognise = Callable[[Float[Array, "..."], Float[Array, " condition"] | None], AbstractLatentDensity]


class AbstractPrior(eqx.Module):
    """p(z), or p(z|c) under a condition c: perhaps trained, perhaps made of the posterior (VampPrior).

    What most priors are stands here; one that is not says so.

    - `space`: where z lives; the posterior must live there too. None: wherever the posterior lives that it is made of.
    - `is_factorised`: whether p(z) is a product over latents. `is_standard_normal`: whether it is N(0, I).
    - `is_made_of_posterior`: True when `bind` uses the posterior's own density, which a deterministic code does not have.
    - `least_latents`: the fewest latents that it can have.
    """

    latent_dim: int = eqx.field(static=True)
    space: ClassVar[Space | None] = "euclidean"
    is_made_of_posterior: ClassVar[bool] = False
    is_factorised: ClassVar[bool] = False
    is_standard_normal: ClassVar[bool] = False
    least_latents: ClassVar[int] = 1

    def __check_init__(self) -> None:
        check_values("prior", type(self), vars(self))

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> "AbstractPrior":
        """The prior that a configuration asks for, with fresh weights; a class that is made of other things has its own."""
        return cls(**arguments_of(cls, config, **context.sizes))

    @abstractmethod
    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> AbstractLatentDensity:
        """p(z|c) for one condition (None where the model has none); `recognise` is the model's own encoder and posterior."""
