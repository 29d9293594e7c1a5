"""Normalising flows: a diagonal Gaussian pushed through invertible steps."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractLatentDensity
from .base import AbstractPosterior, mean_of_draws
from .diagonal_gaussian import ConditionedDiagonalGaussian

_Step = TypeVar("_Step", bound="AbstractFlowStep")


class AbstractFlowStep(eqx.Module):
    """An invertible map of R^latent_dim for one example, its parameters already set by the encoder."""

    @abstractmethod
    def forward_and_log_det(self, z: Float[Array, " latent"]) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """f(z), and log|det df/dz| at z."""

    @abstractmethod
    def inverse_and_log_det(self, z: Float[Array, " latent"]) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """f^-1(z), and log|det df^-1/dz| at z: minus the log-determinant of `forward_and_log_det` at f^-1(z).

        Differentiable by z and by the parameters, even where the inverse is found numerically.
        """


class FlowPosterior(AbstractPosterior):
    r"""q(z|x) of z = f_K(... f_1(z_0)), z_0 ~ N(mu, diag(sigma^2)), for one example.

    log q(z|x) = log N(z_0; mu, diag(sigma^2)) - sum_k log|det df_k/dz_{k-1}|

    (Rezende and Mohamed 2015, Variational Inference with Normalizing Flows, arXiv 1505.05770, eqs. 5 to 7.)

    A draw goes forward through the steps, the density of a given z backward.
    """

    base: ConditionedDiagonalGaussian
    steps: tuple[AbstractFlowStep, ...]

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = f_K(... f_1(mu + sigma * epsilon)), and log q(z|x) without any inverse."""
        z, log_prob = self.base.sample_and_log_prob(key)
        for step in self.steps:
            z, log_det = step.forward_and_log_det(z)
            log_prob = log_prob - log_det
        return z, log_prob

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw."""
        return self.sample_and_log_prob(key)[0]

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log q(z|x) in nats at any z, through the inverses."""
        log_dets = []
        for step in reversed(self.steps):
            z, log_det = step.inverse_and_log_det(z)
            log_dets.append(log_det)
        return self.base.log_prob(z) + sum(log_dets)

    @property
    def mean(self) -> Float[Array, " latent"]:
        """The average of a fixed set of draws."""
        return mean_of_draws(self)

    def kl_to(self, prior: AbstractLatentDensity) -> None:
        """None: a flow has no closed form."""
        return


def num_numbers(shapes: Sequence[tuple[int, ...]]) -> int:
    """How many numbers arrays of these shapes have together."""
    return sum(math.prod(shape) for shape in shapes)


def unpacked(params: Float[Array, " params"], shapes: Sequence[tuple[int, ...]]) -> list[Float[Array, "..."]]:
    """A flat vector of parameters cut into arrays of these shapes, in order; together they have all its numbers."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [params[end - math.prod(shape) : end].reshape(shape) for end, shape in zip(ends.tolist(), shapes, strict=True)]


def unstacked(steps: _Step, num_steps: int) -> tuple[_Step, ...]:
    """The steps that `jax.vmap` of a step's constructor puts along the first axis of every array, each by itself."""
    return tuple(jax.tree.map(lambda leaf, number=number: leaf[number], steps) for number in range(num_steps))
