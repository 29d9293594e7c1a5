"""Likelihoods of independent counts: Poisson, and negative binomial with and without more zeros."""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float
from typing_extensions import override

from ..errors import ConfigurationError
from .base import AbstractElementwise, Measure, Scaling, Support
from .count_distributions import NegativeBinomialCounts, PoissonCounts, ZeroInflatedCounts
from .counts import (
    LOG_DISPERSION_RANGE,
    as_trained,
    check_typical_total,
    clamped,
    initial_log_inverse_dispersion,
    initial_log_mean,
    log_mean_of,
)

Dispersion = Literal["from-z", "per-element"]
# A twentieth of the counts are set to 0 at first: enough that a gradient finds more.
_INITIAL_ZERO_LOGIT = -3.0


class AbstractCounts(AbstractElementwise):
    """Independent counts, of which the mean may be a share of the example's total.

    - `library_size`: whether it is. `typical_total`: the total where none is given.

    Raises `ConfigurationError` with `library_size` and no typical total above 0.
    """

    library_size: eqx.AbstractVar[bool]
    typical_total: eqx.AbstractVar[float]
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = Support.COUNTS
    scaling: ClassVar[Scaling] = "none"

    def __check_init__(self) -> None:
        check_typical_total(self.library_size, self.typical_total)

    @property
    @override
    def given_total(self) -> bool:
        return self.library_size

    def log_mean(self, raw: Array, total: Array | None) -> Array:
        """log mu of every element; see `log_mean_of`."""
        return log_mean_of(raw, self.library_size, total, self.typical_total)


class Poisson(AbstractCounts):
    r"""Independent Poisson counts with means from the decoder.

        log p(x|z) = sum_d [ x_d log mu_d - mu_d - log x_d! ]

        mu = total softmax(a)   with `library_size`, the example's own total being given (Lopez et al. 2018, for NB and ZINB)
        mu = exp(a)             without; log mu is kept within [-30, 20]

    Given a total, this is a log-mass of x given that size: it sums to 1 over all x for that total, and it is not to be compared
    with a log p(x) that pays for the total too.

    - `library_size`: whether the mean is a share of the total. `typical_total`: the total where none is given.

    Raises `ConfigurationError` with `library_size` and no typical total above 0.
    """

    library_size: bool = eqx.field(static=True, default=True)
    typical_total: float = eqx.field(static=True, default=0.0)

    @override
    def elements(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        return PoissonCounts(self.log_mean(params, total))

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """The logarithm of the mean."""
        return initial_log_mean(mean)


class AbstractNegativeBinomial(AbstractCounts):
    """What the negative binomial shares with the zero-inflated one: mean, dispersion and their numbers.

    - `is_inflated`: whether each count is 0 besides with a probability of its own.
    """

    is_inflated: eqx.AbstractClassVar[bool]
    library_size: bool = eqx.field(static=True, default=True)
    typical_total: float = eqx.field(static=True, default=0.0)
    dispersion: Dispersion = eqx.field(static=True, default="per-element")
    log_inverse_dispersion: Array | None = eqx.field(converter=as_trained, default=None)

    def __check_init__(self) -> None:
        shape = None if self.log_inverse_dispersion is None else self.log_inverse_dispersion.shape
        expected = self.event_shape if self.dispersion == "per-element" else None
        if shape != expected:
            raise ConfigurationError(
                f"log_inverse_dispersion has shape {shape}; expected {expected} with dispersion={self.dispersion!r}: an array of "
                "the event's shape for 'per-element', None for 'from-z'."
            )

    @property
    @override
    def heads(self) -> int:
        """For the mean, the dispersion where it is from z, and the zeros where there are more."""
        return (2 if self.dispersion == "from-z" else 1) + self.is_inflated

    @override
    def elements(self, params: Float[Array, "heads ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        log_theta = clamped(self._log_theta(params), *LOG_DISPERSION_RANGE)
        counts = NegativeBinomialCounts(self.log_mean(params[0], total), log_theta)
        return ZeroInflatedCounts(counts, params[-1]) if self.is_inflated else counts

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """log mu, with the zeros made up for where mu is free; log theta by the method of moments; a twentieth of zeros."""
        heads = [initial_log_mean(mean)]
        if self.dispersion == "from-z":
            heads.append(initial_log_inverse_dispersion(mean, std))
        if self.is_inflated:
            heads[0] = heads[0] + np.float32(np.log1p(np.exp(_INITIAL_ZERO_LOGIT)))
            heads.append(np.full(self.event_shape, _INITIAL_ZERO_LOGIT, np.float32))
        return np.stack(heads)

    @override
    def monitors(self, params: Float[Array, "heads ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_dispersion_held`: elements whose dispersion is held at an end of its range; `fraction_inflated`: mean pi."""
        (low, high), log_theta = LOG_DISPERSION_RANGE, self._log_theta(params)
        held_share = ((log_theta <= low) | (log_theta >= high)).mean(dtype=jnp.float32)
        inflated = {"fraction_inflated": jnp.mean(jax.nn.sigmoid(params[-1]))} if self.is_inflated else {}
        return {"fraction_dispersion_held": held_share, **inflated}

    def _log_theta(self, params: Array) -> Array:
        """The logarithm of the inverse dispersion, not yet held within its range."""
        return params[1] if self.log_inverse_dispersion is None else self.log_inverse_dispersion


class NegativeBinomial(AbstractNegativeBinomial):
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

    is_inflated: ClassVar[bool] = False


class ZeroInflatedNegativeBinomial(AbstractNegativeBinomial):
    r"""Counts that are 0 with probability pi_d(z), and otherwise negative binomial (Lopez et al. 2018, the model of scVI).

        P(0|z) = pi + (1 - pi) NB(0; mu, theta),   P(x|z) = (1 - pi) NB(x; mu, theta) for x > 0,   pi = sigmoid(l)

    Decoder outputs (a, s, l), or (a, l) with dispersion "per-element"; mu and theta are as in `NegativeBinomial`.
    The mean is (1 - pi) mu; other libraries call mu itself the mean.

    - `library_size`, `typical_total`, `dispersion`, `log_inverse_dispersion`: as in `NegativeBinomial`.

    Raises `ConfigurationError` where these do not fit together.
    """

    is_inflated: ClassVar[bool] = True
