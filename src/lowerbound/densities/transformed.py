"""Normalising flows: a diagonal Gaussian pushed through invertible maps."""

from __future__ import annotations

from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..bijections import AbstractBijection, Context
from .base import AbstractPosterior, mean_of_draws
from .diagonal_gaussian import DiagonalGaussianDensity


class Transformed(AbstractPosterior):
    r"""The density of z = f_K(... f_1(z_0)), z_0 ~ N(mu, diag(sigma^2)), for one example or one condition.

    log q(z) = log N(z_0; mu, diag(sigma^2)) - sum_k log|det df_k/dz_{k-1}|

    (Rezende and Mohamed 2015, Variational Inference with Normalizing Flows, arXiv 1505.05770, eqs. 5 to 7.)

    A draw goes forward through the steps, the density of a given z backward.

    - `steps`: f_1 to f_K. `context`: what all of them are told; None for nothing.
    """

    base: DiagonalGaussianDensity
    steps: tuple[AbstractBijection, ...]
    context: Context = None

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = f_K(... f_1(mu + sigma * epsilon)), and log q(z) without any inverse."""
        z, log_prob = self.base.sample_and_log_prob(key)
        for step in self.steps:
            z, log_det = step.forward_and_log_det(z, self.context)
            log_prob = log_prob - log_det
        return z, log_prob

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log q(z) in nats at any z, through the inverses."""
        log_dets = []
        for step in reversed(self.steps):
            z, log_det = step.inverse_and_log_det(z, self.context)
            log_dets.append(log_det)
        return self.base.log_prob(z) + sum(log_dets)

    @property
    @override
    def mean(self) -> Float[Array, " latent"]:
        return mean_of_draws(self)
