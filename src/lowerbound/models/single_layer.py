"""The model with one layer of latents: one prior, one encoder, one decoder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num, PRNGKeyArray

from ..data.transforms import Affine
from ..errors import ConfigurationError
from ..likelihoods import AbstractLikelihood, Measure
from ..networks import AbstractNetwork
from ..posteriors import AbstractPosterior, AbstractPosteriorFamily
from ..priors import AbstractPrior
from .base import AbstractLatentVariableModel, LogTerms

_Output = TypeVar("_Output")


class SingleLayer(AbstractLatentVariableModel):
    r"""p(x) = \int p(z) p(x|z) dz with q(z|x) from an encoder (Kingma and Welling 2014).

    The likelihood sees y = transform(x), the encoder its own standardised input_transform(x): without centred inputs
    the posterior collapses before anything is learned. A density with respect to Lebesgue measure is brought back to the user's
    units by the log-Jacobian, log p(x|z) = log p(y|z) + log|dy/dx|; a probability mass needs no such term.

    Raises `ConfigurationError` when the parts do not fit together.
    """

    transform: Affine
    input_transform: Affine
    encoder: AbstractNetwork
    posterior: AbstractPosteriorFamily
    prior: AbstractPrior
    decoder: AbstractNetwork
    likelihood: AbstractLikelihood

    def __check_init__(self) -> None:
        _require("encoder", self.encoder.in_shape, "the likelihood's event shape", self.likelihood.event_shape)
        _require("encoder's output", self.encoder.out_shape, "posterior.param_shape", self.posterior.param_shape)
        _require("prior", (self.prior.latent_dim,), "the posterior's latents", (self.posterior.latent_dim,))
        _require("decoder", self.decoder.in_shape, "the prior's latents", (self.prior.latent_dim,))
        _require("decoder's output", self.decoder.out_shape, "likelihood.param_shape", self.likelihood.param_shape)

    @property
    def latent_dim(self) -> int:
        """J, the number of latents."""
        return self.prior.latent_dim

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.likelihood.event_shape

    @property
    def measure(self) -> Measure:
        """The base measure of p(x)."""
        return self.likelihood.measure

    def log_terms(self, x: Num[Array, "..."], key: PRNGKeyArray, num_samples: int, *, training: bool = False) -> LogTerms:
        """The logarithms of which every bound on log p(x) is made, from `num_samples` draws of z."""
        draw_keys, encoder_key, decoder_keys = self._keys(key, num_samples, training)
        with jax.named_scope("X_encoder"):
            encoder_output = self.encoder(self.input_transform.forward(x), encoder_key)
            posterior = self.posterior.condition(encoder_output)
        with jax.named_scope("reparametrization"):
            z, log_posterior = _each_draw(posterior.sample_and_log_prob, draw_keys)
        with jax.named_scope("X_decoder"):
            params = _each_draw(self.decoder, z, decoder_keys)
        with jax.named_scope("ELB"), _numpyro_promotion():
            y = self.transform.forward(x)
            log_likelihood = _each_draw(lambda param: jnp.asarray(self.likelihood.distribution(param).log_prob(y)), params)
            return LogTerms(
                log_likelihood=log_likelihood + self._log_jacobian(),
                log_prior=_each_draw(self.prior.log_prob, z),
                log_posterior=log_posterior,
                kl_by_latent=posterior.kl_to(self.prior),
                monitors=jax.tree.map(jnp.mean, _each_draw(self.likelihood.monitors, params)),
            )

    def encode(self, x: Num[Array, "..."]) -> AbstractPosterior:
        """q(z|x); deterministic."""
        return self.posterior.condition(self.encoder(self.input_transform.forward(x)))

    def decode_mean(self, z: Float[Array, " latent"]) -> Float[Array, "..."]:
        """E[x|z] in the user's units."""
        with _numpyro_promotion():
            mean = jnp.asarray(self.likelihood.distribution(self.decoder(z)).mean)
        return self.transform.inverse(mean)

    def decode_draw(self, z: Float[Array, " latent"], key: PRNGKeyArray) -> Float[Array, "..."]:
        """One draw x ~ p(x|z) in the user's units, noise and all."""
        with _numpyro_promotion():
            draw = jnp.asarray(self.likelihood.distribution(self.decoder(z)).sample(key))
        return self.transform.inverse(draw)

    def sample_latent(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw z ~ p(z)."""
        return self.prior.sample(key)

    def _keys(
        self, key: PRNGKeyArray, num_samples: int, training: bool
    ) -> tuple[Key[Array, " draws"], PRNGKeyArray | None, Key[Array, " draws"] | None]:
        """Keys for the draws, for the encoder and for the decoder at each draw."""
        # A split is a twentieth of a training step, so there is none without need.
        if not (training and (self.encoder.is_random_in_training or self.decoder.is_random_in_training)):
            return (key[None] if num_samples == 1 else jax.random.split(key, num_samples)), None, None
        keys = jax.random.split(key, 2 * num_samples + 1)
        return keys[:num_samples], keys[-1], keys[num_samples:-1]

    def _log_jacobian(self) -> Float[Array, ""] | float:
        return self.transform.log_abs_det_jacobian(self.event_shape) if self.measure == "lebesgue" else 0.0


def _each_draw(function: Callable[..., _Output], *arguments: Array | None) -> _Output:
    """`function` of each draw, as an array over draws; an argument is None or has the draws along its first axis.

    A single draw is not mapped: an axis of length 1 would make XLA transpose the gradients of every product in the decoder,
    a seventh of the training step.
    """
    if any(argument is not None and len(argument) > 1 for argument in arguments):
        return jax.vmap(function)(*arguments)
    output = function(*(None if argument is None else argument[0] for argument in arguments))
    return jax.tree.map(lambda leaf: leaf[None], output)


def _numpyro_promotion() -> AbstractContextManager[None]:
    """NumPyro's distributions mix dtypes (Bernoulli's does), which a program under strict promotion would refuse."""
    return jax.numpy_dtype_promotion("standard")


def _require(what: str, got: tuple[int, ...], source: str, expected: tuple[int, ...]) -> None:
    if tuple(got) != tuple(expected):
        raise ConfigurationError(
            f"{what} has shape {tuple(got)}, but {source} is {tuple(expected)}. "
            f"Build it with shape {tuple(expected)}, or let the recipe choose it (lowerbound.recipes.build_model does)."
        )
