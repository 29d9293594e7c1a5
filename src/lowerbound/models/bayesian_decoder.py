"""The model whose decoder's weights are random too: full variational Bayes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PRNGKeyArray
from typing_extensions import override

from ..config import RunConfig
from ..config.context import BuildContext
from ..data.examples import Example
from ..densities import AbstractPosterior, DiagonalGaussianDensity, StandardNormalDensity, kl
from .around import AbstractAround
from .base import Condition, Draws, Filling, Half, LatentBlock, LogTerms, is_trained
from .single_layer import SingleLayer


class BayesianDecoder(AbstractAround):
    r"""p(X, z, theta) = p(theta) \prod_n p(z_n) p(x_n|z_n, theta), theta the decoder's weights (Kingma and Welling 2014, app. F).

        q(theta) = \prod_i N(mu_i, sigma_i^2),   p(theta) = N(0, I)
        log p(X) >= \sum_{n=1..N} E_{q(theta)}[ELBO_theta(x_n)] - KL(q(theta) || p(theta))

    Divided by N, an example's share of the bound is its ELBO for drawn weights less KL / N: a bound on log p(X) / N, which is no
    log p(x). `drawn` gives the `SingleLayer` of one draw of theta, which is shared by all examples of a batch; `weights_kl` is
    KL / N in closed form. What is asked of the model itself is said at the mean weights mu, but for samples, of which each has
    weights of its own.

    - `at_mean`: the model with the weights mu. `log_std`: log sigma of each number of its decoder, in the order of its leaves.
      `is_weight`: which of the decoder's leaves are trained numbers.
    - `num_examples`: N, what the rows that it was trained on count for; 1 before training.

    A prior's or a likelihood's own numbers are no weights of the decoder, and are learned as numbers.
    """

    at_mean: SingleLayer
    log_std: Float[Array, " weights"]
    is_weight: tuple[bool, ...] = eqx.field(static=True)
    weights_are_random: ClassVar[bool] = True
    num_examples: Float[np.ndarray, ""] = dataclasses.field(default_factory=lambda: np.asarray(1, np.float32))

    @property
    @override
    def inner(self) -> SingleLayer:
        return self.at_mean

    @classmethod
    @override
    def build(cls, config: RunConfig, context: BuildContext, parts: Mapping[str, Any]) -> BayesianDecoder:
        return cls.around(SingleLayer.build(config, context, parts), config.model.initial_std)

    @classmethod
    def around(cls, at_mean: SingleLayer, initial_std: float) -> BayesianDecoder:
        """With the model's own weights as means, and one standard deviation for all of them."""
        leaves = jax.tree.leaves(at_mean.decoder)
        is_weight = tuple(is_trained(leaf) for leaf in leaves)
        count = sum(leaf.size for leaf, counts in zip(leaves, is_weight, strict=True) if counts)
        return cls(at_mean, jnp.full(count, math.log(initial_std), jnp.float32), is_weight)

    @property
    def weights(self) -> DiagonalGaussianDensity:
        """q(theta), over all trained numbers of the decoder in one row."""
        return DiagonalGaussianDensity(self._means()[0], 2 * self.log_std)

    @override
    def drawn(self, key: PRNGKeyArray) -> SingleLayer:
        leaves, structure = jax.tree.flatten(self.at_mean.decoder)
        drawn = iter(self._means()[1](self._theta(key)))
        leaves = [next(drawn) if counts else leaf for leaf, counts in zip(leaves, self.is_weight, strict=True)]
        return dataclasses.replace(self.at_mean, decoder=jax.tree.unflatten(structure, leaves))

    @override
    def weights_log_ratio(self, key: PRNGKeyArray) -> Float[Array, ""]:
        theta = self._theta(key)
        return StandardNormalDensity(theta.size).log_prob(theta) - self.weights.log_prob(theta)

    def _theta(self, key: PRNGKeyArray) -> Float[Array, " weights"]:
        # The objective splits the same key for z: this is another stream.
        return self.weights.sample(jax.random.fold_in(key, _WEIGHTS_STREAM))

    def _means(self) -> tuple[Float[Array, " weights"], Callable[[Array], list[Array]]]:
        """The weights mu in one row, and what makes arrays of such a row."""
        # In a program constants are arrays like trained numbers: which are which was seen outside of it.
        leaves = zip(jax.tree.leaves(self.at_mean.decoder), self.is_weight, strict=True)
        return ravel_pytree([leaf for leaf, counts in leaves if counts])

    @property
    @override
    def weights_kl(self) -> Float[Array, ""]:
        divergence = kl(self.weights, StandardNormalDensity(len(self.log_std)))
        assert divergence is not None
        return divergence.sum() / self.num_examples

    @override
    def trained_on(self, num_examples: float) -> BayesianDecoder:
        return dataclasses.replace(self, num_examples=np.asarray(num_examples, np.float32))

    @property
    @override
    def latent_blocks(self) -> tuple[LatentBlock, ...]:
        return self.at_mean.latent_blocks

    @property
    @override
    def outputs_per_example(self) -> int:
        """The drawn weights among them, as each sample has its own."""
        return self.at_mean.outputs_per_example + self.log_std.size

    @override
    def log_terms(self, example: Example, key: PRNGKeyArray, draws: Draws) -> LogTerms:
        return self.at_mean.log_terms(example, key, draws)

    @override
    def posterior_params(self, example: Example) -> Float[Array, "..."]:
        return self.at_mean.posterior_params(example)

    @override
    def posterior_from(self, params: Float[Array, "..."]) -> AbstractPosterior:
        return self.at_mean.posterior_from(params)

    @override
    def log_prior(self, z: Float[Array, " latent"], condition: Condition = None) -> Float[Array, ""]:
        return self.at_mean.log_prior(z, condition)

    @override
    def log_likelihood(self, example: Example, z: Float[Array, " latent"]) -> Float[Array, ""]:
        return self.at_mean.log_likelihood(example, z)

    @override
    def decode_mean(self, z: Float[Array, " latent"], condition: Condition = None) -> Float[Array, "..."]:
        return self.at_mean.decode_mean(z, condition)

    @override
    def decode_draw(self, z: Float[Array, " latent"], key: PRNGKeyArray, condition: Condition = None) -> Float[Array, "..."]:
        return self.drawn(key).decode_draw(z, key, condition)

    @override
    def fill(self, example: Example, z: Float[Array, " latent"], key: PRNGKeyArray) -> Filling:
        return self.drawn(key).fill(example, z, key)

    @override
    def replicate(
        self, example: Example, z: Float[Array, " latent"], keys: Key[Array, " draws"]
    ) -> tuple[Float[Array, "..."], Float[Array, "draws ..."]]:
        mean, _ = self.at_mean.replicate(example, z, keys[:1])

        def one(key: PRNGKeyArray) -> Float[Array, "..."]:
            return self.drawn(key).replicate(example, z, key[None])[1][0]

        # One after the other, so that no more than one decoder is in memory for each example.
        return mean, jax.lax.map(one, keys)

    @override
    def sample_latent(self, key: PRNGKeyArray, condition: Condition = None) -> Float[Array, " latent"]:
        return self.at_mean.sample_latent(key, condition)

    @override
    def detached(self, half: Half) -> BayesianDecoder:
        log_std = jax.lax.stop_gradient(self.log_std) if half == "generative" else self.log_std
        return dataclasses.replace(self, at_mean=self.at_mean.detached(half), log_std=log_std)


# Any number that no split of a batch's key counts up to.
_WEIGHTS_STREAM = 2**31 - 1
