"""The contract of a deep latent-variable model, and the split of its numbers into trained and fixed."""

from abc import abstractmethod
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num, PRNGKeyArray

from ..likelihoods import Measure
from ..posteriors import AbstractPosterior

_Tree = TypeVar("_Tree")


class LogTerms(eqx.Module):
    """What a model says of one example, from S draws z_s ~ q(z|x); all in nats.

    - `log_likelihood`: log p(x|z_s), about x in the user's own units.
    - `log_prior`: log p(z_s). `log_posterior`: log q(z_s|x).
    - `kl_by_latent`: KL(q(z|x) || p(z)) in closed form, one term for each latent, where there is one; otherwise None.
    - `monitors`: fractions worth watching, from the likelihood (`fraction_at_floor`, for example).

    Their combination log p(x|z) + log p(z) - log q(z|x) is the importance weight of which every bound is made.
    """

    log_likelihood: Float[Array, " samples"]
    log_prior: Float[Array, " samples"]
    log_posterior: Float[Array, " samples"]
    kl_by_latent: Float[Array, " latent"] | None
    monitors: dict[str, Float[Array, ""]]

    @property
    def log_weight(self) -> Float[Array, " samples"]:
        """log w_s = log p(x|z_s) + log p(z_s) - log q(z_s|x)."""
        return self.log_likelihood + self.log_prior - self.log_posterior

    @property
    def kl(self) -> Float[Array, ""]:
        """KL(q(z|x) || p(z)): in closed form where there is one, otherwise the mean of log q - log p over the draws."""
        if self.kl_by_latent is not None:
            return self.kl_by_latent.sum()
        return jnp.mean(self.log_posterior - self.log_prior)


class AbstractLatentVariableModel(eqx.Module):
    """p(x, z) = p(z) p(x|z) with an amortised q(z|x), written for one example x in the user's own units."""

    @property
    @abstractmethod
    def latent_dim(self) -> int:
        """J, the number of latents."""

    @property
    @abstractmethod
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one example."""

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """The base measure of p(x)."""

    @abstractmethod
    def log_terms(self, x: Num[Array, "..."], key: PRNGKeyArray, num_samples: int, *, training: bool = False) -> LogTerms:
        """The logarithms of which every bound on log p(x) is made, from `num_samples` draws of z."""

    @abstractmethod
    def encode(self, x: Num[Array, "..."]) -> AbstractPosterior:
        """q(z|x); deterministic."""

    @abstractmethod
    def decode_mean(self, z: Float[Array, " latent"]) -> Float[Array, "..."]:
        """E[x|z] in the user's units."""

    @abstractmethod
    def decode_draw(self, z: Float[Array, " latent"], key: PRNGKeyArray) -> Float[Array, "..."]:
        """One draw x ~ p(x|z) in the user's units, noise and all."""

    @abstractmethod
    def sample_latent(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw z ~ p(z)."""


def is_trained(leaf: Any) -> bool:
    """True for a number that training changes: a floating-point JAX array. A part's constants are NumPy arrays."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.inexact)


def split_trained(model: _Tree) -> tuple[_Tree, _Tree]:
    """(trained parameters, everything else), to be joined again by `equinox.combine`."""
    return eqx.partition(model, is_trained)
