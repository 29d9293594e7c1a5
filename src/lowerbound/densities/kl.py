"""The table of KL divergences that have a closed form."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from .base import AbstractLatentDensity, AbstractPosterior
from .dependent_gaussians import AbstractDependentGaussian
from .diagonal_gaussian import DiagonalGaussianDensity, StandardNormalDensity
from .polar_angle import log_normaliser, one_minus_mean_cosine
from .sphere import SphericalUniformDensity, log_sphere_area
from .von_mises_fisher import VonMisesFisherDensity


def kl(q: AbstractPosterior, p: AbstractLatentDensity) -> Float[Array, "..."] | None:
    r"""KL(q || p) in nats where it has a closed form, otherwise None.

    One term for each latent, of shape (latent_dim,), where the divergence is a sum over latents; a scalar otherwise.

        N(mu, diag(sigma^2)) to N(m, diag(s^2)):   -(1 + log(sigma^2/s^2) - (mu - m)^2/s^2 - sigma^2/s^2) / 2 for each latent
        N(mu, C) to N(m, diag(s^2)):               sum_j (C_jj/s_j^2 + (mu_j - m_j)^2/s_j^2 - 1 + log s_j^2) / 2 - log|C| / 2
        vMF(mu, kappa) to the uniform:             kappa E[mu . z] + log C(kappa) + log|S^{J-1}|

    (Kingma and Welling 2014, appendix B, is the first to N(0, I); Davidson et al. 2018, arXiv 1804.00891, the last.)
    """
    match q, p:
        case DiagonalGaussianDensity() | AbstractDependentGaussian(), StandardNormalDensity():
            zeros = jnp.zeros_like(q.mean)
            return kl(q, DiagonalGaussianDensity(zeros, zeros))
        case DiagonalGaussianDensity(), DiagonalGaussianDensity():
            log_ratio = q.log_variance - p.log_variance
            squared = jnp.square(q.mu - p.mu) * jnp.exp(-p.log_variance)
            return -0.5 * (1.0 + log_ratio - squared - jnp.exp(log_ratio))
        case AbstractDependentGaussian(), DiagonalGaussianDensity():
            shifted, spread = jnp.square(q.mean - p.mu), jnp.exp(-p.log_variance)
            return 0.5 * (jnp.sum((q.variance + shifted) * spread - 1.0 + p.log_variance) - q.log_determinant)
        case VonMisesFisherDensity(), SphericalUniformDensity():
            dim = len(q.mu)
            log_uniform_normaliser = log_sphere_area(dim) - log_sphere_area(dim - 1)
            deficit = one_minus_mean_cosine(q.concentration, dim)
            return log_uniform_normaliser - log_normaliser(q.concentration, dim) - q.concentration * deficit
    return None
