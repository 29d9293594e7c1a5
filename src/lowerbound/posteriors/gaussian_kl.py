"""KL divergence of a Gaussian with dependent latents to a prior, where the prior is a diagonal Gaussian."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..priors import AbstractLatentDensity, StandardNormal


def gaussian_kl(
    mean: Float[Array, " latent"],
    variance: Float[Array, " latent"],
    log_determinant: Float[Array, ""],
    prior: AbstractLatentDensity,
) -> Float[Array, ""] | None:
    r"""KL(N(mean, C) || prior) in nats; None where the prior is no diagonal Gaussian.

    KL(N(m, C) || N(0, I)) = (tr C + |m|^2 - J - log|C|) / 2

    - `variance`: the diagonal of C. `log_determinant`: log|C|.
    """
    if not isinstance(prior, StandardNormal):
        return None
    return 0.5 * (jnp.sum(variance + jnp.square(mean) - 1.0) - log_determinant)
