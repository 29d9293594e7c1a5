"""Mixtures of densities of one family."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from .base import AbstractLatentDensity, AbstractPosterior


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


class MixturePosterior(AbstractPosterior):
    r"""q(z|x) = \sum_k w_k q_k(z|x), of posteriors of one family.

    - `components`: a posterior whose arrays have the components along their first axis. `log_weights`: log w_k, -infinity for a
      component that is not there.

    No draw depends smoothly on the weights: the gradient through a draw is that of the component it came from.
    """

    components: AbstractPosterior
    log_weights: Float[Array, " component"]

    @override
    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        each = eqx.filter_vmap(lambda component: component.log_prob(z))(self.components)
        return jax.nn.logsumexp(jax.nn.log_softmax(self.log_weights) + each)

    @override
    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        component_key, draw_key = jax.random.split(key)
        chosen = jax.random.categorical(component_key, self.log_weights)
        component = jax.tree.map(lambda leaf: leaf[chosen] if eqx.is_array(leaf) else leaf, self.components)
        z = component.sample(draw_key)
        return z, self.log_prob(z)

    @property
    @override
    def mean(self) -> Float[Array, " latent"]:
        return jax.nn.softmax(self.log_weights) @ self._means

    @property
    @override
    def variance(self) -> Float[Array, " latent"]:
        """The mean of the components' variances, and the variance of their means."""
        weights = jax.nn.softmax(self.log_weights)
        within = eqx.filter_vmap(lambda component: component.variance)(self.components)
        return weights @ within + weights @ jnp.square(self._means - self.mean)

    @property
    def _means(self) -> Float[Array, "component latent"]:
        return eqx.filter_vmap(lambda component: component.mean)(self.components)
