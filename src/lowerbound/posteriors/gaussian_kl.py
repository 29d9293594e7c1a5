"""KL divergence of a Gaussian with dependent latents to a prior, where the prior is a diagonal Gaussian."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..priors import AbstractLatentDensity, DiagonalGaussianDensity, StandardNormal


def gaussian_kl(
    mean: Float[Array, " latent"],
    variance: Float[Array, " latent"],
    log_determinant: Float[Array, ""],
    prior: AbstractLatentDensity,
) -> Float[Array, ""] | None:
    r"""KL(N(mean, C) || prior) in nats; None where the prior is no diagonal Gaussian.

    KL(N(m, C) || N(a, diag(s^2))) = sum_j (C_jj / s_j^2 + (m_j - a_j)^2 / s_j^2 - 1 + log s_j^2) / 2 - log|C| / 2

    - `variance`: the diagonal of C. `log_determinant`: log|C|.
    """
    if isinstance(prior, DiagonalGaussianDensity):
        shifted, spread = jnp.square(mean - prior.mu), jnp.exp(-prior.log_variance)
        return 0.5 * (jnp.sum((variance + shifted) * spread - 1.0 + prior.log_variance) - log_determinant)
    if not isinstance(prior, StandardNormal):
        return None
    return 0.5 * (jnp.sum(variance + jnp.square(mean) - 1.0) - log_determinant)
