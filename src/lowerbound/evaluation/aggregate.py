"""The aggregate posterior q(z), the mean of q(z|x) over the data: what a code tells of its example, and how q(z) fits p(z)."""

from __future__ import annotations

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..data.examples import Examples
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from .latents import check_condition

# Each density is worked out at each draw: a million densities of Gaussians, and as many passes of a flow's networks, at most.
MOST_EXAMPLES = 1000
_BATCH = 50


@dataclasses.dataclass(frozen=True)
class AggregateEstimate:
    """What `aggregate_posterior` found; nats.

    - `mutual_information_nats`: I(x; z) under q, at most `most_nats` = log N; `mutual_information_error`: its standard error.
    - `aggregate_kl_nats`: KL(q(z) || p(z)); `aggregate_kl_error`: its standard error. Their sum is the mean KL(q(z|x) || p(z)).
    - `num_examples`: N.
    """

    mutual_information_nats: float
    mutual_information_error: float
    aggregate_kl_nats: float
    aggregate_kl_error: float
    num_examples: int

    @property
    def most_nats(self) -> float:
        """log N: N examples cannot show that a code tells more than N of them apart."""
        return math.log(self.num_examples)

    @property
    def is_saturated(self) -> bool:
        """True when I(x; z) is so near to log N that it may well be larger, and KL(q(z) || p(z)) smaller."""
        return self.mutual_information_nats > 0.8 * self.most_nats


def aggregate_posterior(model: AbstractLatentVariableModel, data: Examples | np.ndarray, *, seed: int = 0) -> AggregateEstimate:
    r"""The two parts of the mean KL (Hoffman and Johnson 2016, ELBO surgery, eq. 8), from all N examples and no minibatch.

        E_x KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z)),   q(z) = (1/N) sum_m q(z|x_m)
        I(x; z) = E[ log q(z_n|x_n) - log (1/N) sum_m q(z_n|x_m) ],   z_n ~ q(z|x_n)

    One draw of z for each example. Whatever the model, the estimate of I(x; z) is at most log N: with codes that tell all
    examples apart it says "at least log N", and KL(q(z) || p(z)) is then "at most". With a condition, p(z) is p(z|c) of
    each example's own. At most `MOST_EXAMPLES` examples are used, the first ones.

    Raises `ConfigurationError` when the model has no density, and when its condition is missing.
    """
    if not model.has_density:
        raise ConfigurationError(
            "this model is a deterministic autoencoder: its code is one point, q(z|x) has no density, and mutual information and "
            "KL divergences do not exist. For them train with posterior.name=diagonal-gaussian and objective.name=elbo."
        )
    data = Examples.of(data)[:MOST_EXAMPLES]
    check_condition(model, data.condition)
    keys = jax.random.split(jax.random.key(seed), len(data))
    own, all_of_them, prior = (np.asarray(part, np.float64) for part in _densities(model, jax.tree.map(jnp.asarray, data), keys))
    information, divergence = own - all_of_them, all_of_them - prior
    root = math.sqrt(len(data))
    return AggregateEstimate(
        mutual_information_nats=float(information.mean()),
        mutual_information_error=float(information.std(ddof=1) / root) if len(data) > 1 else math.nan,
        aggregate_kl_nats=float(divergence.mean()),
        aggregate_kl_error=float(divergence.std(ddof=1) / root) if len(data) > 1 else math.nan,
        num_examples=len(data),
    )


@eqx.filter_jit
def _densities(
    model: AbstractLatentVariableModel, data: Examples, keys: Key[Array, " examples"]
) -> tuple[Float[Array, " examples"], Float[Array, " examples"], Float[Array, " examples"]]:
    """log q(z_n|x_n), log q(z_n) and log p(z_n|c_n) at one draw for each example."""

    def draw(row: tuple[Array, Array | None, Array]) -> tuple[Array, Array, Array]:
        x, condition, key = row
        params = model.posterior_params(x, condition)
        z, _ = model.posterior_from(params).sample_and_log_prob(key)
        return params, z, model.log_prior(z, condition)

    params, draws, prior = jax.lax.map(draw, (*data.arrays, keys), batch_size=_BATCH)

    def at_draw(row: tuple[Array, Array]) -> tuple[Array, Array]:
        n, z = row
        each = jax.vmap(lambda param: model.posterior_from(param).log_prob(z))(params)
        # The example's own density comes from the same array, so that rounding cannot lift the information above log N.
        return each[n], jax.nn.logsumexp(each) - jnp.log(jnp.asarray(len(data), each.dtype))

    own, all_of_them = jax.lax.map(at_draw, (jnp.arange(len(data)), draws), batch_size=_BATCH)
    return own, all_of_them, prior


def posterior_draws(model: AbstractLatentVariableModel, data: Examples | np.ndarray, *, seed: int = 0) -> np.ndarray:
    """One draw z ~ q(z|x) for each example, (n, latent_dim): together a sample of the aggregate posterior."""
    examples = jax.tree.map(jnp.asarray, Examples.of(data))
    return np.asarray(_posterior_draws(model, examples, jax.random.split(jax.random.key(seed), len(examples))))


@eqx.filter_jit
def _posterior_draws(model: AbstractLatentVariableModel, data: Examples, keys: Array) -> Array:
    def one(row: tuple[Array, Array | None, Array]) -> Array:
        return model.encode(row[0], row[1]).sample_and_log_prob(row[2])[0]

    return jax.lax.map(one, (*data.arrays, keys), batch_size=_BATCH)
