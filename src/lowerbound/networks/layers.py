"""What networks are made of: activations, a linear map, layer normalisation, and how weights are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import ConfigurationError
from ..storage.memory import check_fits

_SMALLEST_VARIANCE = 1e-5


def elu(x: Array) -> Array:
    """x where x > 0, otherwise exp(x) - 1 (Clevert et al. 2016).

    `jax.nn.elu` takes expm1, which costs twice as much on CPU; the difference is a rounding error of 6e-8 beside 0.
    """
    return jnp.where(x > 0, x, jnp.exp(jnp.where(x > 0, 0.0, x)) - 1.0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "elu": elu,
    "gelu": jax.nn.gelu,
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
}


class Linear(eqx.Module):
    """x W + b. The weight is stored (fan_in, fan_out): on CPU a batch then multiplies it a tenth faster than its transpose."""

    weight: Float[Array, "fan_in fan_out"]
    bias: Float[Array, " fan_out"]

    @classmethod
    def initial(cls, fan_in: int, fan_out: int, gain: float, seed: np.random.SeedSequence) -> Linear:
        """Weights from N(0, gain^2 / fan_in), biases at 0."""
        return cls(drawn_weight((fan_in, fan_out), fan_in, gain, seed), jnp.zeros(fan_out))

    def __call__(self, x: Float[Array, "*places fan_in"]) -> Float[Array, "*places fan_out"]:
        """x W + b."""
        return x @ self.weight + self.bias


class LayerNorm(eqx.Module):
    r"""weight * (x - mean) / sqrt(variance + 1e-5) + bias, moments over the last axis (Ba et al. 2016, arXiv 1607.06450).

    Of a map of a convolution these are the channels at one place. Weight and bias are trained and start at 1 and 0. The variance
    is the mean square (divided by n, not by n - 1), and the small number is added before the root.
    """

    weight: Float[Array, " features"]
    bias: Float[Array, " features"]

    @classmethod
    def initial(cls, num_features: int) -> LayerNorm:
        """Weight 1 and bias 0; raises `ConfigurationError` for a single feature, whose normalised value is always 0."""
        if num_features < 2:
            raise ConfigurationError(
                "network.layer_norm is true, but a hidden layer has a single unit, which normalisation would make a constant; "
                "set network.layer_norm=false, or give the layer more units."
            )
        return cls(jnp.ones(num_features), jnp.zeros(num_features))

    def __call__(self, x: Float[Array, "*places features"]) -> Float[Array, "*places features"]:
        """The normalised features, scaled and shifted."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = jnp.square(centred).mean(axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + _SMALLEST_VARIANCE) * self.weight + self.bias


def drawn_weight(shape: tuple[int, ...], fan_in: int, gain: float, seed: np.random.SeedSequence) -> Array:
    """A weight from N(0, gain^2 / fan_in)."""
    # Twelve bytes each while they are drawn: as 64 bits, then as 32.
    check_fits(12.0 * math.prod(shape), f"a weight of the shape {shape}", "make the network or its input smaller")
    # NumPy draws the weights: JAX would compile a program for every shape, which takes longer than the first steps.
    return jnp.asarray(gain / math.sqrt(fan_in) * np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def seed_of(key: PRNGKeyArray) -> np.random.SeedSequence:
    """NumPy's seed that stands for a JAX key."""
    return np.random.SeedSequence(np.asarray(jax.random.key_data(key)).tolist())
