"""A model from outside the package: two latents in a chain, z2 then z1 then x, all linear and Gaussian."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from lowerbound.config import RunConfig
from lowerbound.config.context import BuildContext
from lowerbound.data.examples import Example
from lowerbound.data.spec import DataSpec
from lowerbound.data.transforms import Affine
from lowerbound.densities import AbstractPosterior
from lowerbound.models import AbstractLatentVariableModel, Draws, Half, LatentBlock, LogTerms

Number = Float[Array, ""]
Latents = Float[Array, "latent"]


def log_normal(x: Array, mean: Array, log_scale: Array) -> Number:
    return jnp.sum(-0.5 * jnp.square((x - mean) * jnp.exp(-log_scale)) - log_scale - 0.5 * math.log(2 * math.pi))


def kl_normal(mean: Array, log_scale: Array, of_mean: Array, of_log_scale: Array) -> Array:
    squares = jnp.exp(2 * log_scale) + jnp.square(mean - of_mean)
    return of_log_scale - log_scale + 0.5 * squares * jnp.exp(-2 * of_log_scale) - 0.5


def stopped(tree: Any) -> Any:
    return jax.tree.map(jax.lax.stop_gradient, tree)


class ChainPosterior(AbstractPosterior):
    """q(z2|x) q(z1|z2, x): autoregressive over the blocks; z = (z2, z1)."""

    params: dict[str, Number]

    def below(self, above: Array) -> Array:
        return self.params["mean_1"] + self.params["slope"] * above

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Latents, Number]:
        noise = jax.random.normal(key, (2,))
        above = self.params["mean_2"] + jnp.exp(self.params["log_scale_2"]) * noise[0]
        z = jnp.stack([above, self.below(above) + jnp.exp(self.params["log_scale_1"]) * noise[1]])
        return z, self.log_prob(z)

    def sample(self, key: PRNGKeyArray) -> Latents:
        return self.sample_and_log_prob(key)[0]

    def log_prob(self, z: Latents) -> Number:
        of_above = log_normal(z[0], self.params["mean_2"], self.params["log_scale_2"])
        return of_above + log_normal(z[1], self.below(z[0]), self.params["log_scale_1"])

    @property
    def mean(self) -> Latents:
        return jnp.stack([self.params["mean_2"], self.below(self.params["mean_2"])])


class Chain(AbstractLatentVariableModel):
    """z2 ~ N(0, 1), z1 ~ N(slope z2, s^2), x ~ N(weight z1 + bias, noise^2 I)."""

    slope: Number
    log_scale: Number
    decoder: dict[str, Array]
    encoder: dict[str, Array]
    size: int = eqx.field(static=True)

    @classmethod
    def build(cls, config: RunConfig, context: BuildContext, parts: Mapping[str, Any]) -> Chain:
        assert config.model.latent_dim == 2
        (size,) = context.spec.event_shape
        zero = jnp.float32(0)
        decoder = {"weight": jax.random.normal(context.key, (size,)), "bias": jnp.zeros(size), "log_noise": zero}
        encoder = {"to_2": jnp.zeros(size), "to_1": jnp.zeros(size), "mean_2": zero, "mean_1": zero}
        return cls(zero + 0.5, zero, decoder, {**encoder, "slope": zero, "log_scale_2": zero, "log_scale_1": zero}, size)

    event_shape = property(lambda self: (self.size,))
    condition_dim = property(lambda self: 0)
    measure = property(lambda self: "lebesgue")
    given = property(lambda self: None)
    has_density = property(lambda self: True)
    space = property(lambda self: "euclidean")
    outputs_per_example = property(lambda self: self.size)
    encoder_units = property(lambda self: Affine(0.0, 1.0))
    decoder_params = property(lambda self: self.decoder)

    @property
    def latent_blocks(self) -> tuple[LatentBlock, ...]:
        return tuple(LatentBlock(1, "euclidean", "ChainPosterior", False, False, False) for _ in range(2))

    def check_values(
        self, array: np.ndarray, spec: DataSpec | None = None, *, name: str = "X", rows: np.ndarray | None = None
    ) -> None:
        pass

    def check_observed(self, example: Example) -> None:
        pass

    def log_terms(self, example: Example, key: PRNGKeyArray, draws: Draws) -> LogTerms:
        assert draws.path_scale is None
        seen = example if draws.encoded_x is None else dataclasses.replace(example, x=draws.encoded_x)
        posterior = self.posterior_from(self.posterior_params(seen))
        z, log_posterior = jax.vmap(posterior.sample_and_log_prob)(jax.random.split(key, draws.num_samples))
        if draws.path_only:
            log_posterior = jax.vmap(stopped(posterior).log_prob)(z)
        params, zero = posterior.params, jnp.zeros(1)
        of_above = kl_normal(params["mean_2"][None], params["log_scale_2"], zero, zero)
        of_below = kl_normal(posterior.below(z[:, 0]), params["log_scale_1"], self.slope * z[:, 0], self.log_scale)
        return LogTerms(
            log_likelihood=jax.vmap(lambda z: self.log_likelihood(example, z))(z),
            log_prior=jax.vmap(self.log_prior)(z),
            log_posterior=log_posterior,
            kl_by_block=(of_above, of_below.mean(keepdims=True)),
            z=z,
            posterior=posterior,
            monitors={},
        )

    def posterior_params(self, example: Example) -> dict[str, Number]:
        params = {name: value for name, value in self.encoder.items() if not name.startswith("to_")}
        means = {f"mean_{i}": params[f"mean_{i}"] + self.encoder[f"to_{i}"] @ jnp.asarray(example.x) for i in (1, 2)}
        return {**params, **means}

    def posterior_from(self, params: dict[str, Number]) -> ChainPosterior:
        return ChainPosterior(params)

    def log_prior(self, z: Latents, condition: None = None) -> Number:
        return log_normal(z[0], jnp.zeros(()), jnp.zeros(())) + log_normal(z[1], self.slope * z[0], self.log_scale)

    def log_likelihood(self, example: Example, z: Latents) -> Number:
        return log_normal(jnp.asarray(example.x), self.decode_mean(z), self.decoder["log_noise"])

    def decode_mean(self, z: Latents, condition: None = None) -> Array:
        return self.decoder["weight"] * z[1] + self.decoder["bias"]

    def decode_draw(self, z: Latents, key: PRNGKeyArray, condition: None = None) -> Array:
        return self.decode_mean(z) + jnp.exp(self.decoder["log_noise"]) * jax.random.normal(key, (self.size,))

    def replicate(self, example: Example, z: Latents, keys: Array) -> tuple[Array, Array]:
        return self.decode_mean(z), jax.vmap(lambda key: self.decode_draw(z, key))(keys)

    def sample_latent(self, key: PRNGKeyArray, condition: None = None) -> Latents:
        above, noise = jax.random.normal(key, (2,))
        return jnp.stack([above, self.slope * above + jnp.exp(self.log_scale) * noise])

    def detached(self, half: Half) -> Chain:
        if half == "recognition":
            return eqx.tree_at(lambda model: model.encoder, self, stopped(self.encoder))
        theta = self.slope, self.log_scale, self.decoder
        return eqx.tree_at(lambda model: (model.slope, model.log_scale, model.decoder), self, stopped(theta))

    def exact_log_evidence(self, x: np.ndarray) -> np.ndarray:
        """log p(x) of each row: x is Gaussian, of covariance weight weight' Var[z1] + noise^2 I."""
        import scipy.stats

        weight, bias, log_noise = (np.asarray(self.decoder[name], np.float64) for name in ("weight", "bias", "log_noise"))
        variance = float(self.slope) ** 2 + math.exp(2 * float(self.log_scale))
        covariance: Any = variance * np.outer(weight, weight) + math.exp(2 * float(log_noise)) * np.eye(self.size)
        return scipy.stats.multivariate_normal(bias, covariance).logpdf(x)
