"""Objectives with a maximum mean discrepancy between the aggregate posterior and the prior."""

from __future__ import annotations

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel, LogTerms
from .base import AbstractPenalisedELBO, Need, kl_of
from .schedule import Step

Kernel = Literal["imq", "rbf"]
# The program of Tolstikhin et al. adds up kernels of these relative widths, so that far and near codes both feel a force.
IMQ_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class InfoVAE(AbstractPenalisedELBO):
    r"""(1 - a) KL(q(z|x) || p(z)) and (a + l - 1) D(q(z) || p(z)) (Zhao et al. 2019, arXiv 1706.02262).

        loss  = mean over the batch of -E_q[log p(x|z)] + (1 - a) KL, + (a + l - 1) MMD
        bound = the ELBO of each example

    q(z) = E_x[q(z|x)] is the aggregate posterior and D the squared maximum mean discrepancy (`mmd`). a = 0, l = 1 is the ELBO; a
    = 1 is the authors' "MMD-VAE", with no KL for each example and l for the MMD's weight.

    - `alpha`: a, at most 1. `mmd_weight`: l, the paper's lambda; a + l - 1 must be 0 or more. `kernel`: see `mmd`.
    """

    num_samples: int = eqx.field(static=True, default=1)
    alpha: float = eqx.field(converter=float, default=1.0)
    mmd_weight: float = eqx.field(converter=float, default=10.0)
    kernel: Kernel = eqx.field(static=True, default="imq")
    draws_too: ClassVar[bool] = True

    def __check_init__(self) -> None:
        if self.alpha + self.mmd_weight < 1:
            raise ConfigurationError(
                f"objective.alpha is {self.alpha} and objective.mmd_weight {self.mmd_weight}; info-vae weighs the MMD by alpha + "
                f"mmd_weight - 1, so mmd_weight must be at least {1 - self.alpha:g}."
            )

    @property
    @override
    def is_bound(self) -> bool:
        return self.alpha == 0 and self.mmd_weight == 1

    @override
    def loss(self, model: AbstractLatentVariableModel, batch: Example, terms: LogTerms, key: PRNGKeyArray) -> Float[Array, ""]:
        discrepancy = mmd_to_prior(model, batch, terms.z, key, self.kernel)
        cost = (1 - self.alpha) * batch.mean(kl_of(terms)) + (self.alpha + self.mmd_weight - 1) * discrepancy
        return cost - batch.mean(terms.log_likelihood)

    @override
    def kl_weight(self, step: Step) -> Float[Array, ""]:
        return jnp.float32(1 - self.alpha)


class WassersteinAutoencoder(AbstractPenalisedELBO):
    r"""WAE-MMD: reconstruction and l D(q(z) || p(z)), no KL (Tolstikhin et al. 2018, arXiv 1711.01558, algorithm 2).

        loss  = mean over the batch of -E_q[log p(x|z)], + l MMD
        bound = the ELBO of each example; None for a deterministic code

    The paper's cost |x - G(z)|^2 is a Gaussian likelihood of fixed scale s = 1/sqrt(2), up to a constant; with another scale l
    means another thing. The MMD trains a prior only as far as its draws can be differentiated by its numbers.

    - `mmd_weight`: l, 0 or more. `kernel`: see `mmd`.
    """

    num_samples: int = eqx.field(static=True, default=1)
    mmd_weight: float = eqx.field(converter=float, default=10.0)
    kernel: Kernel = eqx.field(static=True, default="imq")
    # It takes a deterministic code as well.
    needs: ClassVar[tuple[Need, ...]] = ()
    is_bound: ClassVar[bool] = False
    draws_too: ClassVar[bool] = True

    @override
    def loss(self, model: AbstractLatentVariableModel, batch: Example, terms: LogTerms, key: PRNGKeyArray) -> Float[Array, ""]:
        discrepancy = mmd_to_prior(model, batch, terms.z, key, self.kernel)
        return self.mmd_weight * discrepancy - batch.mean(terms.log_likelihood)

    @override
    def kl_weight(self, step: Step) -> Float[Array, ""]:
        return jnp.float32(0.0)


def mmd_to_prior(
    model: AbstractLatentVariableModel,
    batch: Example,
    z: Float[Array, "batch samples latent"],
    key: PRNGKeyArray,
    kernel: Kernel,
) -> Float[Array, ""]:
    """`mmd` between the draws of a batch and one draw of the prior for each example, under the example's condition.

    Several draws of one example are not independent draws of q(z), so each draw's number makes a set of its own; their mean.
    """
    condition = None if batch.condition is None else jnp.asarray(batch.condition)
    prior_draws = jax.vmap(model.sample_latent)(jax.random.split(key, len(z)), condition)
    weight = None if batch.weight is None else jnp.asarray(batch.weight, z.dtype)
    return jax.vmap(mmd, (1, None, None, None))(z, prior_draws, kernel, weight).mean()


def mmd(
    x: Float[Array, "first latent"],
    y: Float[Array, "second latent"],
    kernel: Kernel,
    weight: Float[Array, " first"] | None = None,
) -> Float[Array, ""]:
    r"""The squared maximum mean discrepancy of two laws from draws of each, without bias; it may come out below 0.

        sum_{i != j} k(x_i, x_j) / (n (n - 1)) + sum_{i != j} k(y_i, y_j) / (m (m - 1)) - 2 sum_{i, j} k(x_i, y_j) / (n m)

    (Gretton et al. 2012, lemma 6). With C = 2 J, the mean squared distance between two draws of N(0, I) in J dimensions,

        imq:  k(x, y) = sum_s s C / (s C + |x - y|^2),  s in 0.1, 0.2, 0.5, 1, 2, 5, 10
        rbf:  k(x, y) = exp(-|x - y|^2 / C)

    A pair of a draw with itself is left out: where it is kept (InfoVAE's published program), the number is above 0 even for two
    equal laws, by 1/n or so.

    - `weight`: of how many equal rows each row of x, and of y beside it, takes the place.
    """
    of_x, of_y = (jnp.ones(len(each), each.dtype) if weight is None else weight for each in (x, y))

    def mean_of_pairs(a: Float[Array, "n latent"], weight: Float[Array, " n"]) -> Float[Array, ""]:
        values, count = _kernel_matrix(a, a, kernel), weight.sum()
        # Of the w_i^2 pairs within a row, w_i are of an example with itself.
        total = (weight[:, None] * weight * values).sum() - (weight * jnp.diag(values)).sum()
        return jnp.where(count > 1, total / jnp.maximum(count * (count - 1), 1e-6), 0.0)

    between = (of_x[:, None] * of_y * _kernel_matrix(x, y, kernel)).sum() / jnp.maximum(of_x.sum() * of_y.sum(), 1e-6)
    return mean_of_pairs(x, of_x) + mean_of_pairs(y, of_y) - 2 * between


def _kernel_matrix(x: Float[Array, "n latent"], y: Float[Array, "m latent"], kernel: Kernel) -> Float[Array, "n m"]:
    squared = jnp.square(x[:, None] - y[None]).sum(axis=-1)
    width = 2.0 * x.shape[1]
    if kernel == "rbf":
        return jnp.exp(-squared / width)
    return sum((scale * width / (scale * width + squared) for scale in IMQ_SCALES), jnp.zeros_like(squared))
