"""The contract of an amortised posterior q(z|x)."""

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractPrior


class AbstractPosterior(eqx.Module):
    """q(z|x) for one example x, its parameters already set by the encoder."""

    @abstractmethod
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """One reparametrised draw z ~ q(z|x), and log q(z|x) in nats."""

    @abstractmethod
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log q(z|x) in nats."""

    @property
    @abstractmethod
    def mean(self) -> Float[Array, " latent"]:
        """E_q[z]."""

    @abstractmethod
    def kl_to(self, prior: AbstractPrior) -> Float[Array, " latent"] | None:
        """KL(q(z|x) || p(z)) in nats, one term for each latent, where it has a closed form; otherwise None."""


class AbstractPosteriorFamily(eqx.Module):
    """A family of densities over z, from which the encoder's output picks one for each example."""

    latent_dim: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the unconstrained parameters needed from the encoder for one example."""

    @abstractmethod
    def condition(self, params: Float[Array, "..."]) -> AbstractPosterior:
        """The member of the family with these parameters."""
