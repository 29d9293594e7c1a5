"""Mixtures of densities of one family."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from .base import AbstractLatentDensity


class Mixture(AbstractLatentDensity):
    """sum_k pi_k q_k(z), the components' parameters already worked out.

    - `own`: the leaves that differ between components, stacked along a first axis. `common`: all the others, such as the
      weights of a flow's networks, kept once. `logits`: of pi; None where all components weigh the same.
    """

    own: Any
    common: Any
    num_components: int = eqx.field(static=True)
    logits: Float[Array, " component"] | None = None

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        each = jax.vmap(lambda own: eqx.combine(own, self.common).log_prob(z))(self.own)
        if self.logits is None:
            return jax.nn.logsumexp(each) - math.log(self.num_components)
        return jax.nn.logsumexp(jax.nn.log_softmax(self.logits) + each)

    @override
    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw: of a component, then from it."""
        component_key, draw_key = jax.random.split(key)
        if self.logits is None:
            component = jax.random.randint(component_key, (), 0, self.num_components)
        else:
            component = jax.random.categorical(component_key, self.logits)
        own = jax.tree.map(lambda leaf: leaf[component], self.own)
        return eqx.combine(own, self.common).sample(draw_key)
