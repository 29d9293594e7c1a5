"""Autoencoders without a likelihood of the data: a deterministic code, and a prior fitted to the codes as they are."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..data.transforms import Affine
from ..models import AbstractLatentVariableModel, Draws, LogTerms, split_trained
from .base import AbstractStatelessObjective, Estimated, Need, batch_terms
from .schedule import Step


class AbstractAutoencoder(AbstractStatelessObjective):
    """What all autoencoders are: a reconstruction from a deterministic code, a prior fitted to the codes, and what they add.

    loss = mean over the batch of -log p(x|z) - log p(stop(z)), + penalty,   z = z(encoded x)
    """

    num_samples: ClassVar[int] = 1
    needs: ClassVar[tuple[Need, ...]] = ("deterministic-posterior",)
    bound_name: ClassVar[str] = ""
    is_bound: ClassVar[bool] = False

    def encoded(self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray) -> Float[Array, "batch ..."] | None:
        """What the encoder sees in place of x; None for x itself."""
        return None

    def penalty(self, model: AbstractLatentVariableModel, batch: Example, terms: LogTerms) -> Float[Array, ""]:
        """What is added to the loss."""
        return jnp.float32(0.0)

    @override
    def estimate(
        self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray, step: Step, *, training: bool
    ) -> Estimated:
        noise_key, key = jax.random.split(key)
        draws = Draws(1, training, encoded_x=self.encoded(model, batch, noise_key))
        terms = batch_terms(model, batch, key, draws)
        # The same code again, with the encoder stopped: XLA computes it once.
        stopped = batch_terms(model.detached("recognition"), batch, key, draws)
        loss = -batch.mean(terms.log_likelihood + stopped.log_prior)
        return terms, loss + self.penalty(model, batch, terms), None

    @override
    def kl_weight(self, step: Step) -> Float[Array, ""]:
        return jnp.float32(0.0)


class Autoencoder(AbstractAutoencoder):
    r"""The reconstruction of x from its code z(x), and a prior fitted to the codes.

        loss = mean over the batch of -log p(x|z) - log p(stop(z))

    The second term trains a prior's own numbers, if it has any (a mixture, a flow), and nothing else: no gradient of it reaches
    the encoder. So the codes can be drawn from at any time (the ex-post density estimation of Ghosh et al. 2020, arXiv
    1903.12436, done on the way). With prior standard-normal it is a constant to the optimiser, and draws are poor.

    There is no density of x, so no bound and no KL are reported.
    """


class DenoisingAutoencoder(AbstractAutoencoder):
    r"""The reconstruction of x from the code of a corrupted x + s * noise * epsilon, epsilon ~ N(0, I) (Vincent et al. 2008).

        loss = mean over the batch of -log p(x|z~) - log p(stop(z~)),   z~ = z(x + s * noise * epsilon)

    s is each element's own standard deviation, as in the model's `encoder_units`. The validation loss is corrupted as well;
    `encode` sees x as it is.

    - `noise`: standard deviation of the noise, in each element's own; 0 is the plain autoencoder.
    """

    noise: float = eqx.field(converter=float, default=0.1)

    @override
    def encoded(self, model: AbstractLatentVariableModel, batch: Example, key: PRNGKeyArray) -> Float[Array, "batch ..."]:
        return corrupted(jnp.asarray(batch.known), model.encoder_units, self.noise, key)


class SparseAutoencoder(AbstractAutoencoder):
    r"""The autoencoder with a cost for the code's absolute values.

        loss = mean over the batch of -log p(x|z) - log p(stop(z)) + w sum_j |z_j|

    - `sparsity_weight`: w, 0 or more.
    """

    sparsity_weight: float = eqx.field(converter=float, default=0.01)

    @override
    def penalty(self, model: AbstractLatentVariableModel, batch: Example, terms: LogTerms) -> Float[Array, ""]:
        return self.sparsity_weight * batch.mean(jnp.abs(terms.z).sum(axis=-1))


class RegularisedAutoencoder(AbstractAutoencoder):
    r"""RAE-L2: the autoencoder with costs for the code's norm and the decoder's weights (Ghosh et al. 2020, arXiv 1903.12436).

        loss = mean over the batch of -log p(x|z) - log p(stop(z)) + b |z|^2 / 2, + l |theta|^2

    theta are all trained numbers of the decoder, biases too.

    - `latent_weight`: b, 0 or more. `decoder_weight`: l, 0 or more; without it the code can shrink for ever while the decoder's
      weights grow to make up for it.
    """

    latent_weight: float = eqx.field(converter=float, default=1.0)
    decoder_weight: float = eqx.field(converter=float, default=1e-4)

    @override
    def penalty(self, model: AbstractLatentVariableModel, batch: Example, terms: LogTerms) -> Float[Array, ""]:
        of_code = 0.5 * batch.mean(jnp.square(terms.z).sum(axis=-1))
        theta = jax.tree.leaves(split_trained(model.decoder_params)[0])
        of_decoder = sum((jnp.square(leaf).sum() for leaf in theta), jnp.float32(0.0))
        return self.latent_weight * of_code + self.decoder_weight * of_decoder


def corrupted(
    x: Num[Array, "batch ..."], units: Affine, noise: float | Float[Array, ""], key: PRNGKeyArray
) -> Float[Array, "batch ..."]:
    """x with Gaussian noise of `noise` times the unit that `units` gives each element, in the user's own units."""
    return units.inverse(units.forward(x) + noise * jax.random.normal(key, x.shape))
