"""Semi-amortised inference: the encoder's guess, improved for each example by a few gradient steps."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..errors import ConfigurationError
from .base import AbstractPosteriorFamily


class Refinement(eqx.Module):
    r"""A few steps of gradient ascent on the ELBO of one example, from the encoder's own guess lambda_0.

        lambda_{i+1} = lambda_i + rate * g / max(1, |g| / clip),   g = d ELBO(x; lambda_i) / d lambda

    (Kim et al. 2018, Semi-Amortized Variational Autoencoders, arXiv 1802.02550, algorithm 1.)

    lambda are the posterior's unconstrained parameters for one example, of any family. The gradient for the encoder and for the
    decoder flows through all the steps. The steps' noise is fixed, so that `encode` stays deterministic.

    - `num_steps`: steps for each example. `rate`: step size. `clip`: the largest norm of a gradient.
    """

    num_steps: int = eqx.field(static=True, default=5)
    rate: float = eqx.field(static=True, default=0.1)
    clip: float = eqx.field(static=True, default=5.0)

    def __check_init__(self) -> None:
        if self.num_steps < 1:
            raise ConfigurationError(f"refinement: num_steps is {self.num_steps}; it must be a whole number from 1 up.")
        if self.rate <= 0 or self.clip <= 0:
            raise ConfigurationError(f"refinement: rate is {self.rate} and clip {self.clip}; both must be above 0.")

    def __call__(
        self,
        params: Float[Array, "..."],
        family: AbstractPosteriorFamily,
        log_joint: Callable[[Float[Array, " latent"]], Float[Array, ""]],
    ) -> Float[Array, "..."]:
        """The refined parameters; `log_joint(z)` is log p(x|z) + log p(z)."""
        keys = jax.random.split(jax.random.key(0), self.num_steps)

        def elbo(params: Float[Array, "..."], key: Array) -> Float[Array, ""]:
            z, log_posterior = family.at(params).sample_and_log_prob(key)
            return log_joint(z) - log_posterior

        def step(params: Float[Array, "..."], key: Array) -> tuple[Float[Array, "..."], None]:
            gradient = jax.grad(elbo)(params, key)
            # The root of 0 has no gradient, and these steps are differentiated themselves.
            norm = jnp.sqrt(jnp.sum(jnp.square(gradient)) + 1e-12)
            return params + self.rate * gradient / jnp.maximum(1.0, norm / self.clip), None

        return jax.lax.scan(step, params, keys)[0]
