"""The contracts of a density over the latents, of which priors and posteriors are made."""

from abc import abstractmethod
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray
from typing_extensions import override

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


class AbstractPosterior(AbstractLatentDensity):
    """A density that can be q(z|x) of one example x, its parameters already set by the encoder.

    KL(q(z|x) || p(z)), where it has a closed form, stands in the table of `kl`.
    """

    @abstractmethod
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """One reparametrised draw z ~ q(z|x), and log q(z|x) in nats."""

    @override
    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """The draw of `sample_and_log_prob`."""
        return self.sample_and_log_prob(key)[0]

    @property
    @abstractmethod
    def mean(self) -> Float[Array, " latent"]:
        """E_q[z], always the same number: in closed form, or the average of a fixed set of draws (`mean_of_draws`).

        On the hypersphere it is the mean direction.
        """

    @property
    def variance(self) -> Float[Array, " latent"]:
        """Var_q[z_j], always the same number: in closed form, or here of a fixed set of draws (standard error about 9 %)."""
        return jax.vmap(self.sample)(_fixed_keys(VARIANCE_DRAWS)).var(axis=0, ddof=1)


class AbstractFactorisedPosterior(AbstractPosterior):
    """q(z|x) = prod_j q(z_j|x)."""

    @property
    @abstractmethod
    def variance(self) -> Float[Array, " latent"]:
        """Var_q[z_j]."""

    @abstractmethod
    def log_prob_by_latent(self, z: Float[Array, " latent"]) -> Float[Array, " latent"]:
        """log q(z_j|x) in nats; the sum is `log_prob`."""


MEAN_DRAWS, VARIANCE_DRAWS = 64, 256


def mean_of_draws(posterior: AbstractPosterior) -> Float[Array, " latent"]:
    """The average of `MEAN_DRAWS` draws with fixed keys: an estimate of E_q[z], and the same number every time."""
    return jax.vmap(posterior.sample)(_fixed_keys(MEAN_DRAWS)).mean(axis=0)


def _fixed_keys(number: int) -> Key[Array, " draws"]:
    # Drawn by NumPy, so that no program has to split keys for them.
    return jax.random.wrap_key_data(jnp.asarray(np.random.default_rng(20140).integers(0, 2**32, (number, 2), dtype=np.uint32)))
