"""The zero-inflated negative binomial likelihood for counts with more zeros than their means explain."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .base import AbstractElementwise, Measure, Scaling, Support
from .count_distributions import NegativeBinomialCounts, ZeroInflatedCounts
from .counts import (
    LOG_DISPERSION_RANGE,
    Dispersion,
    as_trained,
    check_dispersion,
    check_typical_total,
    held,
    initial_log_inverse_dispersion,
    initial_log_mean,
    log_mean_of,
)
from .negative_binomial import dispersion_monitors

# A twentieth of the counts are set to 0 at first: enough that a gradient finds more.
_INITIAL_ZERO_LOGIT = -3.0


class ZeroInflatedNegativeBinomial(AbstractElementwise):
    r"""Counts that are 0 with probability pi_d(z), and otherwise negative binomial (Lopez et al. 2018, the model of scVI).

        P(0|z) = pi + (1 - pi) NB(0; mu, theta),   P(x|z) = (1 - pi) NB(x; mu, theta) for x > 0,   pi = sigmoid(l)

    Decoder outputs (a, s, l), or (a, l) with dispersion "per-element"; mu and theta are as in `NegativeBinomial`.
    The mean is (1 - pi) mu; other libraries call mu itself the mean.

    - `library_size`, `typical_total`, `dispersion`, `log_inverse_dispersion`: as in `NegativeBinomial`.

    Raises `ConfigurationError` where these do not fit together.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    library_size: bool = eqx.field(static=True, default=True)
    typical_total: float = eqx.field(static=True, default=0.0)
    dispersion: Dispersion = eqx.field(static=True, default="per-element")
    log_inverse_dispersion: Array | None = eqx.field(converter=as_trained, default=None)
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = "counts"
    scaling: ClassVar[Scaling] = "none"

    def __check_init__(self) -> None:
        check_typical_total(self.library_size, self.typical_total)
        check_dispersion(self.dispersion, self.log_inverse_dispersion, self.event_shape)

    @property
    def given_total(self) -> bool:
        """`library_size`."""
        return self.library_size

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(3, *event_shape) for mean, dispersion and zeros, or (2, *event_shape) without the dispersion."""
        return (3 if self.dispersion == "from-z" else 2, *self.event_shape)

    def elements(self, params: Float[Array, "heads ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """ZeroInflatedCounts."""
        log_mean = log_mean_of(params[0], self.library_size, total, self.typical_total)
        log_theta = params[1] if self.log_inverse_dispersion is None else self.log_inverse_dispersion
        base = NegativeBinomialCounts(log_mean, held(log_theta, *LOG_DISPERSION_RANGE))
        return ZeroInflatedCounts(base, params[-1])

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """log mu with the zeros made up for where mu is free, log theta by the method of moments, a twentieth of zeros."""
        log_mean = initial_log_mean(mean) + np.float32(np.log1p(np.exp(_INITIAL_ZERO_LOGIT)))
        zeros = np.full(self.event_shape, _INITIAL_ZERO_LOGIT, np.float32)
        if self.dispersion == "per-element":
            return np.stack([log_mean, zeros])
        return np.stack([log_mean, initial_log_inverse_dispersion(mean, std), zeros])

    def monitors(self, params: Float[Array, "heads ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_dispersion_held`, as in `NegativeBinomial`, and `fraction_inflated`: the mean of pi."""
        log_theta = params[1] if self.log_inverse_dispersion is None else self.log_inverse_dispersion
        return {**dispersion_monitors(log_theta), "fraction_inflated": jnp.mean(jax.nn.sigmoid(params[-1]))}
