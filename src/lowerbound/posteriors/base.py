"""The contract of an amortised posterior q(z|x)."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.context import BuildContext, arguments_of
from ..config.part import PartConfig
from ..priors import AbstractLatentDensity, Space


class AbstractPosterior(AbstractLatentDensity):
    """q(z|x) for one example x, its parameters already set by the encoder."""

    @abstractmethod
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """One reparametrised draw z ~ q(z|x), and log q(z|x) in nats."""

    @property
    @abstractmethod
    def mean(self) -> Float[Array, " latent"]:
        """E_q[z], always the same number: in closed form, or the average of a fixed set of draws (`mean_of_draws`).

        On the hypersphere it is the mean direction.
        """

    @abstractmethod
    def kl_to(self, prior: AbstractLatentDensity) -> Float[Array, "..."] | None:
        """KL(q(z|x) || p(z)) in nats where it has a closed form, otherwise None.

        One term for each latent, of shape (latent_dim,), where the divergence is a sum over latents; a scalar otherwise.
        """


class AbstractFactorisedPosterior(AbstractPosterior):
    """q(z|x) = prod_j q(z_j|x)."""

    @property
    @abstractmethod
    def variance(self) -> Float[Array, " latent"]:
        """Var_q[z_j]."""

    @abstractmethod
    def log_prob_by_latent(self, z: Float[Array, " latent"]) -> Float[Array, " latent"]:
        """log q(z_j|x) in nats; the sum is `log_prob`."""


class AbstractPosteriorFamily(eqx.Module):
    """A family of densities over z, from which the encoder's output picks one for each example.

    - `space`: where z lives; the prior must live there too.
    - `has_density`: False for a deterministic code, of which no bound on log p(x) can be made.
    - `is_factorised`: True when what `condition` gives is an `AbstractFactorisedPosterior`.
    """

    latent_dim: eqx.AbstractVar[int]
    space: eqx.AbstractClassVar[Space]
    has_density: eqx.AbstractClassVar[bool]
    is_factorised: eqx.AbstractClassVar[bool]

    @classmethod
    def build(cls, config: PartConfig, context: BuildContext) -> "AbstractPosteriorFamily":
        """The family that a configuration asks for, with fresh weights; a class that is made of other things has its own."""
        return cls(**arguments_of(cls, config, elsewhere=("refinement_steps", "refinement_rate"), **context.sizes))

    @property
    @abstractmethod
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the unconstrained parameters needed from the encoder for one example."""

    @abstractmethod
    def condition(self, params: Float[Array, "..."]) -> AbstractPosterior:
        """The member of the family with these parameters."""


MEAN_DRAWS = 64


def mean_of_draws(posterior: AbstractPosterior) -> Float[Array, " latent"]:
    """The average of `MEAN_DRAWS` draws with fixed keys: an estimate of E_q[z], and the same number every time."""
    keys = jax.random.wrap_key_data(jnp.asarray(_MEAN_KEYS))
    return jax.vmap(posterior.sample)(keys).mean(axis=0)


# Key data drawn once by NumPy, so that no program has to split keys for them.
_MEAN_KEYS = np.random.default_rng(20140).integers(0, 2**32, (MEAN_DRAWS, 2), dtype=np.uint32)
