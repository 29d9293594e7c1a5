"""The contract of a prior p(z), and of any density over the latents."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.context import BuildContext, arguments_of
from ..config.part import PartConfig

# Where z lives. On the hypersphere |z| = 1 and densities are with respect to its surface measure, so a prior and a posterior
# must share their space.
Space = Literal["euclidean", "hypersphere"]


class AbstractLatentDensity(eqx.Module):
    """A normalised density over z with all that it depends on already in place."""

    @abstractmethod
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """The log-density at z in nats."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw."""


# What an encoder and its posterior family say of one input of the encoder (a pseudo-input, say) under a condition.
Recognise = Callable[[Float[Array, "..."], Float[Array, " condition"] | None], AbstractLatentDensity]


class AbstractPrior(eqx.Module):
    """p(z), or p(z|c) under a condition c: perhaps trained, perhaps made of the posterior (VampPrior).

    - `space`: where z lives; the posterior must live there too. None: wherever the posterior lives that it is made of.
    - `is_made_of_posterior`: True when `bind` uses the posterior's own density, which a deterministic code does not have.
    """

    latent_dim: eqx.AbstractVar[int]
    space: eqx.AbstractClassVar[Space | None]
    is_made_of_posterior: eqx.AbstractClassVar[bool]

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> "AbstractPrior":
        """The prior that a configuration asks for, with fresh weights; a class that is made of other things has its own."""
        return cls(**arguments_of(cls, config, **context.sizes))

    @abstractmethod
    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> AbstractLatentDensity:
        """p(z|c) for one condition (None where the model has none); `recognise` is the model's own encoder and posterior."""
