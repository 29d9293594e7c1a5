"""The Bernoulli likelihood for binary data."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float
from typing_extensions import override

from .base import AbstractElementwise, Measure, Scaling, Support
from .diagonal_normal import SummedEvent
from .location_scale import unsqueeze
from .nodes import Nodes, of_values


class StableBernoulli(dist.BernoulliLogits):
    """BernoulliLogits, with a log-probability that takes half of the time of NumPyro's on CPU, and is -inf between 0 and 1."""

    def to_event(self, reinterpreted_batch_ndims: int | None = None) -> dist.Distribution:
        """An event of all elements."""
        return SummedEvent(self, len(self.batch_shape))

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log sigmoid(s), s = (2 x - 1) a, as min(s, 0) - log(1 + exp(-|s|)): no large number is exponentiated."""
        logits: Any = self.logits
        return _log_prob(value, logits)

    def summed_log_prob(self, value: Array, event_dim: int) -> Array:
        """The sum over the event in one row: CPUs are slow at short rows, such as those of a picture."""
        logits: Any = self.logits
        rows = (jnp.reshape(each, (*each.shape[: each.ndim - event_dim], -1)) for each in (value, logits))
        return jnp.sum(_log_prob(*rows), axis=-1)

    @property
    def nodes(self) -> Nodes:
        """0 and 1."""
        logits: Any = self.logits
        values = jnp.arange(2, dtype=logits.dtype).reshape(-1, *[1] * logits.ndim)
        return of_values(values, jnp.stack([jax.nn.log_sigmoid(-logits), jax.nn.log_sigmoid(logits)]))


def _log_prob(value: Array, logits: Array) -> Array:
    signed = (2 * value - 1) * logits
    each = jnp.minimum(signed, 0) - jnp.log1p(jnp.exp(-jnp.abs(signed)))
    return jnp.where((value == 0) | (value == 1), each, -jnp.inf)


class Bernoulli(AbstractElementwise):
    r"""Independent Bernoulli variables with logits from the decoder (Kingma and Welling 2014, appendix C.1).

        log p(x|z) = sum_d [ x_d log p_d + (1 - x_d) log(1 - p_d) ],   p_d = sigmoid(a_d),   x_d in {0, 1}

    A probability mass: values between 0 and 1 are not in its support (grey levels need another likelihood).
    """

    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = Support.BINARY
    scaling: ClassVar[Scaling] = "none"

    @override
    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        return StableBernoulli(params)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The logit of the mean."""
        return unsqueeze(mean, 0.0, 1.0).astype(np.float32)

    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_saturated`: elements whose probability is within 1e-6 of 0 or 1."""
        return {"fraction_saturated": (jnp.abs(params) > 13.8).mean(dtype=jnp.float32)}
