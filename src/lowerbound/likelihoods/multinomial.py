"""The multinomial likelihood for documents: counts of words given how many there are."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .base import AbstractJoint, Hides, Measure, Scaling, Support
from .count_distributions import MultinomialCounts
from .count_masses import log_multinomial
from .counts import check_typical_total, initial_log_mean, log_proportions


class Multinomial(AbstractJoint):
    r"""Counts of D kinds of words in a document of n words (Srivastava and Sutton 2017, arXiv 1703.01488, ProdLDA).

        log p(x|z, n) = log n! - sum_d log x_d! + sum_d x_d log p_d,   p = softmax(a),   n = sum_d x_d

    Given the document's length n: it sums to 1 over all x with that length. Code for topic models commonly keeps the last
    sum alone, which trains the same model but is not a log-probability: the coefficient says in how many orders these words can
    come. Such a figure is the log-probability of the words in one order.

    - `typical_total`: the length where none is given, for draws and means.

    Raises `ConfigurationError` where that is not above 0.
    """

    typical_total: float = eqx.field(static=True)
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = Support.COUNTS
    scaling: ClassVar[Scaling] = "none"
    given_total: ClassVar[bool] = True
    has_that_total: ClassVar[bool] = True
    hides: ClassVar[Hides] = "nothing"

    def __check_init__(self) -> None:
        check_typical_total(True, self.typical_total)

    def distribution(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """MultinomialCounts over the event."""
        size = jnp.asarray(self.typical_total, params.dtype) if total is None else total
        return MultinomialCounts(size, log_proportions(params))

    def _element_log_prob(self, params: Array, y: Array, total: Array | None) -> Array:
        """Each count by itself is binomial."""
        log_p = log_proportions(params)
        two = jnp.stack([log_p, jnp.log(-jnp.expm1(jnp.minimum(log_p, -1e-7)))]).reshape(2, -1)
        return jax.vmap(log_multinomial, in_axes=1)(jnp.stack([y, y.sum() - y]).reshape(2, -1), two).reshape(y.shape)

    def _marginal_log_prob(self, params: Array, y: Array, observed: Array, total: Array | None) -> Array:
        raise NotImplementedError  # `hides` says so, and the base class refuses.

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The logarithm of the mean counts; softmax takes out their sum."""
        return initial_log_mean(mean)
