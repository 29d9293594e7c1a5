"""What a law of the mask adds to p(x|z), and what of an element it leaves once it is known whether it has a value."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..data.examples import Example
from ..data.transforms import Affine
from ..likelihoods import AbstractElementwise
from ..likelihoods.nodes import Nodes
from ..masks import AbstractMask


class MaskTerms(NamedTuple):
    """p(s|x) of a mask beside p(y|z) of a likelihood, y = transform(x), with the mask's x in the units of the encoder."""

    mask: AbstractMask
    likelihood: AbstractElementwise
    transform: Affine
    encoder_units: Affine

    def log_prob(self, params: Float[Array, "..."], y: Float[Array, "..."], example: Example) -> Float[Array, ""]:
        """log p(s|x_observed, z), with the missing elements summed over, each by itself."""
        each = jax.nn.log_sigmoid(self.mask.logit(self._units(y)))
        if example.observed is not None:
            nodes = self.likelihood.nodes(params)
            missing = jax.nn.log_sigmoid(-self.mask.logit(self._units(nodes.value)))
            each = jnp.where(example.observed, each, jax.nn.logsumexp(nodes.log_mass + missing, axis=0))
        return jnp.sum(jnp.where(self.modelled(example), each, 0.0))

    def nodes(self, params: Float[Array, "..."], example: Example) -> Nodes:
        """p(y_j|z, s_j) of each element."""
        nodes = self.likelihood.nodes(params)
        log_mass = nodes.log_mass + self._log_tilt(self._units(nodes.value), example)
        return nodes._replace(log_mass=jax.nn.log_softmax(log_mass, axis=0))

    def masses(self, place: int, masses: Float[Array, " codes"], example: Example) -> Float[Array, " codes"]:
        """P(x_j = k|z, s_j) of each code of an element, from P(x_j = k|z)."""
        shape = len(masses), *self.likelihood.event_shape
        codes = jnp.broadcast_to(jnp.arange(len(masses), dtype=masses.dtype)[:, None], shape)
        return jax.nn.softmax(jnp.log(masses) + self._log_tilt(codes, example)[:, place])

    def modelled(self, example: Example) -> Bool[Any, "..."]:
        """Of which elements it is known whether they have a value, and for a reason that has a law."""
        return self.mask.modelled if example.withheld is None else self.mask.modelled & ~example.withheld

    def _log_tilt(self, u: Float[Array, "nodes ..."], example: Example) -> Float[Array, "nodes ..."]:
        """log p(s_j|x_j) at some values of each element; 0 where the mask says nothing."""
        logit = self.mask.logit(u)
        each = jax.nn.log_sigmoid(logit if example.observed is None else jnp.where(example.observed, logit, -logit))
        return jnp.where(self.modelled(example), each, 0.0)

    def _units(self, y: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.encoder_units.forward(self.transform.inverse(y))
