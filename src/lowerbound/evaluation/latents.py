"""What the encoder does with each latent: posterior means, KL, and which latents are active."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from ..models import AbstractLatentVariableModel

# Burda et al. (2016), section 5.2: the variances fall in two clear groups on either side of it.
ACTIVE_VARIANCE = 0.01
_BATCH = 512


def posterior_means(model: AbstractLatentVariableModel, data: np.ndarray) -> np.ndarray:
    """E_q[z] of each example, (n, latent_dim); deterministic."""
    return np.asarray(_means(model, jnp.asarray(data)))


def kl_by_latent(model: AbstractLatentVariableModel, data: np.ndarray, *, seed: int = 0) -> np.ndarray | None:
    """KL(q(z_j|x) || p(z_j)) in nats for each latent, the mean over `data`; None where there is no closed form."""
    values = _kl_by_latent(model, jnp.asarray(data), jax.random.key(seed))
    return None if values is None else np.asarray(values).mean(axis=0, dtype=np.float64)


def active_units(means: np.ndarray) -> np.ndarray:
    """Which latents are active: Var_x(E_q[z_j|x]) > 0.01 (Burda et al. 2016, section 5.2); booleans, (latent_dim,)."""
    return np.var(means, axis=0) > ACTIVE_VARIANCE


def decode(model: AbstractLatentVariableModel, latents: np.ndarray, *, draw: bool = False, seed: int = 0) -> np.ndarray:
    """E[x|z] for each row of `latents`, or one draw x ~ p(x|z), in the user's units."""
    keys = jax.random.split(jax.random.key(seed), len(latents))
    return np.asarray(_decode(model, jnp.asarray(latents, jnp.float32), keys, draw))


def sample(model: AbstractLatentVariableModel, num_samples: int, *, draw: bool = True, seed: int = 0) -> np.ndarray:
    """`num_samples` new examples in the user's units: z ~ p(z), then x ~ p(x|z), or its mean when `draw` is False."""
    prior_key, _ = jax.random.split(jax.random.key(seed))
    latents = jax.vmap(model.sample_latent)(jax.random.split(prior_key, num_samples))
    return decode(model, np.asarray(latents), draw=draw, seed=seed + 1)


@eqx.filter_jit
def _means(model: AbstractLatentVariableModel, data: Num[Array, "examples ..."]) -> Float[Array, "examples latent"]:
    return jax.lax.map(lambda x: model.encode(x).mean, data, batch_size=_BATCH)


@eqx.filter_jit
def _kl_by_latent(model: AbstractLatentVariableModel, data: Num[Array, "examples ..."], key: Array) -> Array | None:
    return jax.lax.map(lambda x: model.log_terms(x, key, 1).kl_by_latent, data, batch_size=_BATCH)


@eqx.filter_jit
def _decode(model: AbstractLatentVariableModel, latents: Float[Array, "n latent"], keys: Array, draw: bool) -> Array:
    def one(pair: tuple[Array, Array]) -> Array:
        z, key = pair
        return model.decode_draw(z, key) if draw else model.decode_mean(z)

    return jax.lax.map(one, (latents, keys), batch_size=_BATCH)
