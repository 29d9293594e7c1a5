"""The contract of a prior p(z)."""

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray


class AbstractPrior(eqx.Module):
    """p(z), a normalised density on R^latent_dim."""

    latent_dim: eqx.AbstractVar[int]

    @abstractmethod
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log p(z) in nats."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw z ~ p(z)."""
