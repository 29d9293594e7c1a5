"""Log-masses of counts that keep their digits in float32, whatever the size of the counts and of their dispersion."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

_LOG_TWO_PI = math.log(2 * math.pi)


def log_poisson(x: Float[Array, "..."], log_mean: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""log Poisson(x; mu) in nats, element by element, by the saddle point (Loader 2000).

        log P(x) = -[x log(x / mu) - (x - mu)] - log(2 pi x) / 2 - s(x),   log P(0) = -mu

    with s of `stirling_error`. The usual x log mu - mu - log x! is a difference of terms that are a million times larger than
    itself where x is large: in float32 it is off by a tenth of a nat at x = 100,000.

    - `x`: whole numbers from 0 up. `log_mean`: log mu, which may be so low that mu itself underflows.
    """
    mean = jnp.exp(log_mean)
    is_zero = x == 0
    count = jnp.where(is_zero, 1.0, x)
    deviance = count * _log_ratio(count, count - mean, log_mean) - (count - mean)
    return jnp.where(is_zero, -mean, -deviance - 0.5 * (_LOG_TWO_PI + jnp.log(count)) - stirling_error(count))


def log_negative_binomial(
    x: Float[Array, "..."], log_mean: Float[Array, "..."], log_inverse_dispersion: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""log NB(x; mu, theta) in nats, element by element: mean mu, variance mu + mu^2 / theta.

        P(x) = Gamma(x + theta) / (Gamma(theta) x!) (theta / (theta + mu))^theta (mu / (theta + mu))^x

    by its saddle point (Loader 2000), in which no term is larger than the log-mass itself:

        log P(x) = -x log1p(theta (x - mu) / (mu (x + theta))) + theta log1p((x - mu) / (mu + theta))
                   - [log(2 pi x) + log1p(x / theta)] / 2 + s(x + theta) - s(theta) - s(x)
        log P(0) = -theta log1p(mu / theta)

    with s of `stirling_error`. In the usual form log Gamma(x + theta) - log Gamma(theta) loses everything where theta is large
    (the Poisson limit): both are 1e7 at theta = 1e6.

    - `x`: whole numbers from 0 up. `log_mean`, `log_inverse_dispersion`: log mu and log theta, within +-30.
    """
    mean, theta = jnp.exp(log_mean), jnp.exp(log_inverse_dispersion)
    is_zero = x == 0
    count = jnp.where(is_zero, 1.0, x)
    number = count + theta
    excess = count - mean
    log_number, log_sum = jnp.log(number), jnp.log(mean + theta)
    second = theta * _log_ratio(number, excess, log_sum)
    # log[x (mu + theta) / (mu (x + theta))].
    far = jnp.log(count) - log_mean + log_sum - log_number
    first = count * log_one_plus(excess / mean * (theta / number), far)
    width = 0.5 * (_LOG_TWO_PI + jnp.log(count) + jnp.log1p(count / theta))
    error = stirling_error(number) - stirling_error(theta) - stirling_error(count)
    return jnp.where(is_zero, -theta * jnp.log1p(jnp.exp(log_mean - log_inverse_dispersion)), second - first - width + error)


def log_multinomial(x: Float[Array, "..."], log_proportions: Float[Array, "..."]) -> Float[Array, ""]:
    r"""log P(x | n) in nats of one example's counts given their total n = sum_d x_d, its coefficient included.

        P(x | n) = n! / prod_d x_d! prod_d p_d^{x_d}  =  prod_d Poisson(x_d; n p_d) / Poisson(n; n)

    The second form is the one that keeps its digits.

    - `x`: whole numbers from 0 up. `log_proportions`: log p, of the same shape, with proportions that sum to 1.
    """
    total = x.sum()
    # An example without any count has log-mass 0, whatever stands for the logarithm of its total.
    log_total = jnp.log(jnp.maximum(total, 1.0))
    each = jnp.where(total > 0, log_poisson(x, log_total + log_proportions), 0.0)
    return jnp.where(total > 0, each.sum() - log_poisson(total, log_total), 0.0)


def stirling_error(t: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""s(t) = log Gamma(t + 1) - [(t + 1/2) log t - t + log(2 pi) / 2], what Stirling's formula leaves out; t > 0.

    From t = 4 up the series 1/(12 t) - 1/(360 t^3) + 1/(1260 t^5) is exact to 4e-8; below, log Gamma(t + 1) is
    log Gamma(t + 5) - log((t + 1)(t + 2)(t + 3)(t + 4)), and the first of them by the same series.
    """
    is_small = t < 4
    small, large = jnp.where(is_small, t, 1.0), jnp.where(is_small, 4.0, t)
    shifted = small + 4
    # (t + 9/2) log(t + 4) - (t + 1/2) log t, as a ratio first: the two cancel.
    stirling = (small + 0.5) * jnp.log1p(4 / small) + 4 * jnp.log(shifted) - 4
    product = (small + 1) * (small + 2) * (small + 3) * shifted
    return jnp.where(is_small, stirling + _series(shifted) - jnp.log(product), _series(large))


def _series(t: Float[Array, "..."]) -> Float[Array, "..."]:
    inverse = 1 / t
    square = inverse * inverse
    return inverse * (1 / 12 - square * (1 / 360 - square / 1260))


def _log_ratio(x: Float[Array, "..."], excess: Float[Array, "..."], log_mean: Float[Array, "..."]) -> Float[Array, "..."]:
    """log(x / mean) with excess = x - mean: with all its digits where the two are close, finite where the mean underflows."""
    return -log_one_plus(-excess / x, log_mean - jnp.log(x))


def log_one_plus(d: Float[Array, "..."], plain: Float[Array, "..."]) -> Float[Array, "..."]:
    """log(1 + d), from d itself where it is small, and elsewhere `plain`, the difference of two logarithms."""
    is_near = jnp.abs(d) < 0.5
    return jnp.where(is_near, jnp.log1p(jnp.where(is_near, d, 0.0)), plain)
