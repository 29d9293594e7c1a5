"""The Poisson likelihood for counts."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

from .base import AbstractElementwise, Measure, Scaling, Support
from .count_distributions import PoissonCounts
from .counts import check_typical_total, initial_log_mean, log_mean_of


class Poisson(AbstractElementwise):
    r"""Independent Poisson counts with means from the decoder.

        log p(x|z) = sum_d [ x_d log mu_d - mu_d - log x_d! ]

        mu = total softmax(a)   with `library_size`, the example's own total being given (Lopez et al. 2018, for NB and ZINB)
        mu = exp(a)             without; log mu is kept within [-30, 20]

    Given a total, this is a log-mass of x given that size: it sums to 1 over all x for that total, and it is not to be compared
    with a log p(x) that pays for the total too.

    - `library_size`: whether the mean is a share of the total. `typical_total`: the total where none is given.

    Raises `ConfigurationError` with `library_size` and no typical total above 0.
    """

    event_shape: tuple[int, ...] = eqx.field(static=True)
    library_size: bool = eqx.field(static=True, default=True)
    typical_total: float = eqx.field(static=True, default=0.0)
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = "counts"
    scaling: ClassVar[Scaling] = "none"

    def __check_init__(self) -> None:
        check_typical_total(self.library_size, self.typical_total)

    @property
    def given_total(self) -> bool:
        """`library_size`."""
        return self.library_size

    @property
    def param_shape(self) -> tuple[int, ...]:
        """`event_shape`: one number for each element."""
        return self.event_shape

    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """PoissonCounts."""
        log_mean = log_mean_of(params, self.library_size, total, self.typical_total)
        return PoissonCounts(log_mean)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The logarithm of the mean."""
        return initial_log_mean(mean)

    def monitors(self, params: Float[Array, "..."]) -> dict[str, Float[Array, ""]]:
        """None."""
        return {}
