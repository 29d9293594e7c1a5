"""Gradients beyond their running size: large ones are scaled down; steps with one far beyond are not taken, and counted."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# A spike is above the running size by this many standard deviations of the logarithm, and at least by this factor.
DEVIATIONS, FACTOR = 6.0, 10.0
# From this share of the way on, in logarithms, a gradient is scaled down to there: at 4 deviations, or a factor of 4.6.
CLIPPED = 2 / 3
# The rate with which the running size forgets; and the steps at the start that are compared with nothing.
RATE, FIRST_STEPS = 0.01, 3
# What the variance of the logarithm is taken for at first, with the weight of so many steps: factors of 100 are no spikes yet.
FIRST_VARIANCE, FIRST_WEIGHT = 0.6, 5


class Spikes(eqx.Module):
    """The running size of the gradient: mean and variance of the logarithm of its norm, over the steps that were taken.

    - `taken`: steps that were taken. `in_a_row`: steps skipped since the last of them. `skipped`: in all.
    """

    log_mean: Float[Array, ""]
    log_variance: Float[Array, ""]
    taken: Int[Array, ""]
    in_a_row: Int[Array, ""]
    skipped: Int[Array, ""]

    @classmethod
    def none_yet(cls) -> Spikes:
        """Before the first step."""
        return cls(jnp.float32(0), jnp.float32(FIRST_VARIANCE), jnp.int32(0), jnp.int32(0), jnp.int32(0))

    def after(self, norm: Float[Array, ""]) -> tuple[Spikes, Float[Array, ""]]:
        """After a step with a gradient of this norm; and how much of the gradient is taken: 1, less where it is large, 0 for a
        step to skip, which one with a norm that is not finite always is.

        One step moves the mean up as far as one of `FACTOR` would, at most: spikes at the very start do not hide later ones, and
        a gradient that has grown for good is let through after a while, at 10 times the running size after some hundred steps.
        """
        ordinary = jnp.maximum(jnp.log(FACTOR), DEVIATIONS * jnp.sqrt(self.log_variance))
        size = jnp.log(jnp.maximum(norm, jnp.finfo(jnp.float32).tiny))
        above, is_comparable = size - self.log_mean, self.taken >= FIRST_STEPS
        is_spike = ~jnp.isfinite(norm) | ((above > ordinary) & is_comparable)
        share = jnp.where(is_comparable, jnp.exp(jnp.minimum(CLIPPED * ordinary - above, 0.0)), 1.0)
        farthest = jnp.log(jnp.float32(FACTOR))
        distance = jnp.where(jnp.isfinite(norm), jnp.minimum(above, farthest), farthest)
        count = self.taken.astype(jnp.float32)
        moved = self.log_mean + jnp.maximum(1.0 / (count + 1.0), RATE) * distance
        rate = jnp.maximum(1.0 / (count + 1.0 + FIRST_WEIGHT), RATE)
        variance = (1.0 - rate) * self.log_variance + rate * jnp.square(jnp.maximum(distance, -farthest))
        one = is_spike.astype(jnp.int32)
        after = Spikes(
            jnp.where((self.taken == 0) & ~is_spike, size, moved),
            jnp.where(is_spike | (self.taken == 0), self.log_variance, variance),
            self.taken + 1 - one,
            jnp.where(is_spike, self.in_a_row + 1, 0),
            self.skipped + one,
        )
        return after, jnp.where(is_spike, 0.0, share)


def global_norm(tree: Any) -> Float[Array, ""]:
    """The norm of all numbers as one vector.

    By scalar products, for which XLA has a fast program on CPU; its sums of squares take several times as long.
    """
    return jnp.sqrt(sum((jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree)), jnp.float32(0)))
