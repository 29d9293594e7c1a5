"""The negative binomial likelihood for counts that vary more than Poisson variables do."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .base import AbstractElementwise, Measure, Scaling, Support
from .count_distributions import NegativeBinomialCounts
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


class NegativeBinomial(AbstractElementwise):
    r"""Independent negative binomial counts by mean and inverse dispersion (Lopez et al. 2018, the model of scVI).

        P(x_d|z) = Gamma(x + theta) / (Gamma(theta) x!) (theta / (theta + mu))^theta (mu / (theta + mu))^x

    with mean mu and variance mu + mu^2 / theta; theta to infinity is Poisson. SciPy and NumPyro count by (n, p) and
    by concentration: n = theta, p = theta / (theta + mu). mu is as in `Poisson`; theta is

        exp(s_d), a function of z,             with dispersion "from-z";      decoder outputs (a, s)
        one trained number for each element    with dispersion "per-element"; decoder outputs a

    log theta is kept within +-15.

    - `library_size`, `typical_total`: as in `Poisson`.
    - `log_inverse_dispersion`: the trained log theta of each element; None with "from-z".

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
        """(2, *event_shape) for mean and dispersion, or (1, *event_shape) for the mean alone."""
        return (2 if self.dispersion == "from-z" else 1, *self.event_shape)

    def elements(self, params: Float[Array, "heads ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """NegativeBinomialCounts."""
        log_mean = log_mean_of(params[0], self.library_size, total, self.typical_total)
        log_theta = params[1] if self.log_inverse_dispersion is None else self.log_inverse_dispersion
        return NegativeBinomialCounts(log_mean, held(log_theta, *LOG_DISPERSION_RANGE))

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """log mu, and log theta by the method of moments."""
        heads = [initial_log_mean(mean), initial_log_inverse_dispersion(mean, std)]
        return np.stack(heads[: self.param_shape[0]])

    def monitors(self, params: Float[Array, "heads ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_dispersion_held`: elements whose dispersion is held at an end of its range."""
        return dispersion_monitors(params[1] if self.log_inverse_dispersion is None else self.log_inverse_dispersion)


def dispersion_monitors(log_theta: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
    """`fraction_dispersion_held`: elements whose dispersion is held at an end of its range."""
    low, high = LOG_DISPERSION_RANGE
    return {"fraction_dispersion_held": ((log_theta <= low) | (log_theta >= high)).mean(dtype=jnp.float32)}
