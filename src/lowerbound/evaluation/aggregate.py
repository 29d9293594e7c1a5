"""The aggregate posterior q(z), the mean of q(z|x) over the data: what a code tells of its example, and how q(z) fits p(z)."""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from ..data.examples import Example
from ..densities import AbstractFactorisedPosterior
from ..models import AbstractLatentVariableModel
from .estimates import mean_and_error
from .latents import check_condition, check_density

# Each density is worked out at each draw: a million passes of a flow's networks at most, or sixteen million densities of
# posteriors that are products over latents, which cost little.
MOST_EXAMPLES, MOST_OF_PRODUCTS = 1000, 4000
_BATCH = 50


@dataclasses.dataclass(frozen=True)
class AggregateEstimate:
    """What `aggregate_posterior` found; nats.

    - `mutual_information_nats`: I(x; z) under q, at most `most_nats` = log N, as N examples cannot show that
      a code tells more than N of them apart; `mutual_information_error`: its standard error.
    - `aggregate_kl_nats`: KL(q(z) || p(z)); `aggregate_kl_error`: its standard error. Their sum is the mean KL(q(z|x) || p(z)).
    - `total_correlation_nats`: KL(q(z) || prod_j q(z_j)), how far from independent the latents are, and its standard error; None
      where q(z|x) is no product over latents. `dimension_wise_kl_nats`: sum_j KL(q(z_j) || p(z_j)), the rest of the aggregate KL;
      None where the prior is no product either.
    - `num_examples`: N. `most_nats`: what N examples can show at most; with weights, of which each is a share s, E[-log s].
    """

    mutual_information_nats: float
    mutual_information_error: float
    aggregate_kl_nats: float
    aggregate_kl_error: float
    total_correlation_nats: float | None
    total_correlation_error: float | None
    dimension_wise_kl_nats: float | None
    dimension_wise_kl_error: float | None
    num_examples: int
    most_nats: float

    @property
    def is_saturated(self) -> bool:
        """True when I(x; z) is so near to its most that it may well be larger, and KL(q(z) || p(z)) smaller."""
        return self.mutual_information_nats > 0.8 * self.most_nats


def aggregate_posterior(model: AbstractLatentVariableModel, data: Example | np.ndarray, *, seed: int = 0) -> AggregateEstimate:
    r"""The parts of the mean KL (Hoffman and Johnson 2016, ELBO surgery, eq. 8), from all N examples and no minibatch.

        E_x KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z)),   q(z) = (1/N) sum_m q(z|x_m)
        I(x; z) = E[ log q(z_n|x_n) - log (1/N) sum_m q(z_n|x_m) ],   z_n ~ q(z|x_n)
        KL(q(z) || p(z)) = KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j))

    the last, total correlation and dimension-wise KL, where both are products over latents (Chen et al. 2018, arXiv 1802.04942,
    eq. 2). One draw of z for each example. Whatever the model, the estimate of I(x; z) is at most log N: with codes that tell all
    examples apart it says "at least log N", and KL(q(z) || p(z)) is then "at most". With a condition, p(z) is p(z|c) of
    each example's own. Examples with weights count as often as they say. At most `MOST_EXAMPLES` examples are used, the first
    ones (`MOST_OF_PRODUCTS` where q(z|x) is a product).

    Raises `ConfigurationError` when the model has no density, and when its condition is missing.
    """
    check_density(model, "mutual information or KL divergence")
    data, _ = Example.of(data).counted
    check_condition(model, data.condition)
    data = data[: MOST_OF_PRODUCTS if _is_product(model, data) else MOST_EXAMPLES]
    _, weight = data.counted
    log_share = -np.log(len(data)) if weight is None else np.log(weight / weight.sum())
    keys = jax.random.split(jax.random.key(seed), len(data))
    found, product = _densities(model, data.on_device(), jnp.full(len(data), log_share, jnp.float32), keys)
    own, all_of_them, prior = (np.asarray(part, np.float64) for part in found)
    product = None if product is None else np.asarray(product, np.float64)
    has_product_prior = all(block.has_factorised_prior for block in model.latent_blocks)
    correlation = None if product is None else all_of_them - product
    rest = product - prior if product is not None and has_product_prior else None
    return AggregateEstimate(
        *mean_and_error(own - all_of_them, weight),
        *mean_and_error(all_of_them - prior, weight),
        *((None, None) if correlation is None else mean_and_error(correlation, weight)),
        *((None, None) if rest is None else mean_and_error(rest, weight)),
        num_examples=len(data),
        most_nats=-float(np.average(np.broadcast_to(log_share, len(data)), weights=weight)),
    )


def _is_product(model: AbstractLatentVariableModel, data: Example) -> bool:
    """Whether q(z|x) is a product over latents, which its type says."""
    kind = eqx.filter_eval_shape(model.encode, data[0].on_device())
    return isinstance(kind, AbstractFactorisedPosterior)


@eqx.filter_jit
def _densities(
    model: AbstractLatentVariableModel, data: Example, log_share: Float[Array, " examples"], keys: Key[Array, " examples"]
) -> tuple[tuple[Float[Array, " examples"], ...], Float[Array, " examples"] | None]:
    """(log q(z_n|x_n), log q(z_n), log p(z_n|c_n)) at one draw an example; sum_j log q(z_nj) where q(z|x) is a product."""

    def draw(row: tuple[Example, Array]) -> tuple[PyTree[Array], Array, Array]:
        example, key = row
        params = model.posterior_params(example)
        z, _ = model.posterior_from(params).sample_and_log_prob(key)
        return params, z, model.log_prior(z, example.condition)

    params, draws, prior = jax.lax.map(draw, (data, keys), batch_size=_BATCH)

    def log_densities(params: PyTree[Array], z: Array) -> Array:
        posterior = model.posterior_from(params)
        return posterior.log_prob_by_latent(z) if isinstance(posterior, AbstractFactorisedPosterior) else posterior.log_prob(z)

    def at_draw(row: tuple[Array, Array]) -> tuple[Array, Array, Array | None]:
        n, z = row
        parts = jax.vmap(lambda params: log_densities(params, z))(params)
        is_product = parts.ndim == 2
        each = parts.sum(axis=1) if is_product else parts
        product = jax.nn.logsumexp(log_share[:, None] + parts, axis=0).sum() if is_product else None
        # The example's own density comes from the same array, so that rounding cannot lift the information above log N.
        return each[n], jax.nn.logsumexp(log_share + each), product

    own, all_of_them, product = jax.lax.map(at_draw, (jnp.arange(len(data)), draws), batch_size=_BATCH)
    return (own, all_of_them, prior), product


def posterior_draws(model: AbstractLatentVariableModel, data: Example | np.ndarray, *, seed: int = 0) -> np.ndarray:
    """One draw z ~ q(z|x) for each example, (n, latent_dim): together a sample of the aggregate posterior."""
    examples = Example.of(data).on_device()
    return np.asarray(_posterior_draws(model, examples, jax.random.split(jax.random.key(seed), len(examples))))


@eqx.filter_jit
def _posterior_draws(model: AbstractLatentVariableModel, data: Example, keys: Array) -> Array:
    def one(row: tuple[Example, Array]) -> Array:
        return model.encode(row[0]).sample_and_log_prob(row[1])[0]

    return jax.lax.map(one, (data, keys), batch_size=_BATCH)
