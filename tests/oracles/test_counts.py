"""Likelihoods of counts: their log-masses keep their digits, totals are taken into account, starting values fit the data."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from checks import log_prob_of, mean_of
from support.built import build_model
from support.chance import agrees

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.likelihoods import (
    AbstractLikelihood,
    Multinomial,
    NegativeBinomial,
    Poisson,
    ZeroInflatedNegativeBinomial,
)
from lowerbound.likelihoods.count_masses import log_multinomial, log_negative_binomial, log_poisson, stirling_error
from lowerbound.models import Draws, SingleLayer

# Small and large counts, at, near and far from the mean, over- and underdispersed.
MEANS = np.log([1e-6, 0.3, 5.0, 300.0, 1e4, 1e6]).astype(np.float32)
THETAS = np.log([1e-3, 0.5, 7.0, 1e3, 3e6]).astype(np.float32)
COUNTS = np.array([0, 1, 2, 3, 4, 5, 17, 290, 1e4, 1e5, 1e6], np.float32)


def test_log_masses_of_counts_keep_their_digits() -> None:
    log_mean, log_theta, x = (grid.ravel() for grid in np.meshgrid(MEANS, THETAS, COUNTS))
    mean, theta = np.exp(log_mean.astype(np.float64)), np.exp(log_theta.astype(np.float64))
    poisson = scipy.stats.poisson.logpmf(x.astype(np.float64), mean)
    found = np.asarray(jax.jit(log_poisson)(x, log_mean))
    np.testing.assert_allclose(found, poisson, rtol=2e-6, atol=2e-4)
    x = x.astype(np.float64)
    expected = scipy.special.gammaln(x + theta) - scipy.special.gammaln(theta) - scipy.special.gammaln(x + 1)
    expected = expected - theta * np.log1p(mean / theta) - x * np.log1p(theta / mean)
    # SciPy's argument is p = theta / (theta + mu), which is too close to 1 where mu is tiny beside theta.
    is_usual = (theta < 1e4) & (mean > 0.1)
    by_scipy = scipy.stats.nbinom.logpmf(x, theta, theta / (theta + mean))
    np.testing.assert_allclose(by_scipy[is_usual], expected[is_usual], rtol=1e-9, atol=1e-7)
    found = np.asarray(jax.jit(log_negative_binomial)(jnp.float32(x), log_mean, log_theta))
    np.testing.assert_allclose(found, expected, rtol=5e-6, atol=5e-4)
    # The negative control: the formula as it is commonly written, in the same precision.
    size, average = jnp.exp(log_theta), jnp.exp(log_mean)
    lgamma = jax.scipy.special.gammaln
    counts = jnp.float32(x)
    common = lgamma(counts + size) - lgamma(size) - lgamma(counts + 1) + size * jnp.log(size / (size + average))
    common = np.asarray(common + counts * jnp.log(average / (size + average)))
    assert np.nanmax(np.abs(common - expected)[expected > -100]) > 1.0


def test_stirling_error() -> None:
    t = np.concatenate([np.geomspace(1e-6, 3.99, 50), np.geomspace(4, 1e6, 50)]).astype(np.float32)
    exact = t.astype(np.float64)
    expected = scipy.special.gammaln(exact + 1) - ((exact + 0.5) * np.log(exact) - exact + 0.5 * np.log(2 * np.pi))
    # Double precision itself loses digits of the difference where t is large.
    np.testing.assert_allclose(np.asarray(stirling_error(jnp.asarray(t))), expected, atol=3e-6)


def test_negative_binomial_of_large_theta_is_poisson() -> None:
    x, log_mean = jnp.asarray(COUNTS[:8]), jnp.float32(np.log(5.0))
    found = log_negative_binomial(x, log_mean, jnp.float32(15.0))
    # The two differ by about x^2 / theta.
    np.testing.assert_allclose(found, log_poisson(x, log_mean), atol=290**2 / np.exp(15.0) + 1e-3)


def test_zero_inflation_worked_by_hand() -> None:
    """mu = 2 and theta = 1 make NB(0) = 1/3 and NB(1) = 2/9; pi = 1/4."""
    part = ZeroInflatedNegativeBinomial((1,), False, dispersion="from-z")
    params = np.log([[2.0], [1.0], [1 / 3]])
    assert log_prob_of(part, params, [0.0]) == pytest.approx(np.log(1 / 4 + 3 / 4 / 3), abs=1e-6)
    assert log_prob_of(part, params, [1.0]) == pytest.approx(np.log(3 / 4 * 2 / 9), abs=1e-6)
    assert mean_of(part, params) == pytest.approx([1.5])
    assert float(part.monitors(jnp.asarray(params))["fraction_inflated"]) == pytest.approx(0.25)


def test_multinomial_worked_by_hand() -> None:
    """Two words of kind 1 and one of kind 2 come in 3 orders, of probability 0.5^2 0.3 each."""
    part, logits = Multinomial((3,), 3.0), np.log([0.5, 0.3, 0.2])
    assert log_prob_of(part, logits, [2.0, 1.0, 0.0]) == pytest.approx(np.log(3 * 0.5**2 * 0.3), abs=3e-6)
    assert log_prob_of(part, logits, [0.0, 0.0, 0.0]) == 0.0


def test_multinomial_sums_to_one_over_the_compositions_of_each_total() -> None:
    events = np.array([x for x in itertools.product(range(13), repeat=3) if sum(x) <= 12], np.float32)
    totals, log_proportions = events.sum(axis=1).astype(int), np.log([0.6, 0.39, 0.01]).astype(np.float32)
    log_masses = jax.jit(jax.vmap(log_multinomial, in_axes=(0, None)))(events, log_proportions)
    np.testing.assert_allclose(np.bincount(totals, np.exp(np.asarray(log_masses, np.float64))), 1.0, atol=3e-6)
    # The negative control: without its coefficient it is no probability of counts.
    without = np.bincount(totals, np.exp(events @ log_proportions))
    assert np.abs(without[2:] - 1.0).min() > 0.1


def test_multinomial_draws_have_the_total_and_binomial_margins() -> None:
    proportions, total = np.array([0.7, 0.25, 0.049, 0.001]), 500
    distribution = Multinomial((4,), 30.0).distribution(jnp.asarray(np.log(proportions), jnp.float32), jnp.float32(total))
    keys = jax.random.split(jax.random.key(0), 4000)
    draws = np.asarray(jax.jit(jax.vmap(distribution.sample))(keys))
    assert (draws.sum(axis=1) == total).all()
    for number, share in enumerate(proportions):
        # The error of the variance is that of nearly normal or Poisson counts.
        mean, variance = total * share, total * share * (1 - share)
        assert agrees(draws[:, number].mean(), mean, np.sqrt(variance / len(draws)))
        assert agrees(draws[:, number].var() / variance, 1.0, np.sqrt((2 + 1 / variance) / len(draws)))


@pytest.mark.parametrize(
    "part",
    [
        Poisson((3,), True, 10.0),
        NegativeBinomial((3,), True, 10.0, "per-element", np.zeros(3)),
        ZeroInflatedNegativeBinomial((3,), True, 10.0, "from-z"),
        Multinomial((3,), 10.0),
    ],
    ids=lambda part: type(part).__name__,
)
def test_given_total_scales_the_mean(part: AbstractLikelihood) -> None:
    params = np.random.default_rng(0).normal(size=part.param_shape)
    assert part.given_total
    np.testing.assert_allclose(mean_of(part, params, total=40.0), 4 * mean_of(part, params), rtol=1e-5)
    np.testing.assert_allclose(mean_of(part, params), mean_of(part, params, total=10.0), rtol=1e-6)
    # An example without any count is certain.
    assert log_prob_of(part, params, np.zeros(3), total=0.0) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("part", "given"),
    [
        (Poisson((2,), False), None),
        (NegativeBinomial((2,), False, dispersion="from-z"), None),
        (ZeroInflatedNegativeBinomial((2,), False, dispersion="from-z"), None),
        (Poisson((2,), True, 6.0), "total as size"),
        (NegativeBinomial((2,), True, 6.0, "from-z"), "total as size"),
        (ZeroInflatedNegativeBinomial((2,), True, 6.0, "from-z"), "total as size"),
        (Multinomial((2,), 6.0), "total"),
    ],
)
def test_what_is_called_a_law_of_x_sums_to_one_over_all_x_and_what_is_given_the_total_says_so(
    part: AbstractLikelihood, given: str | None
) -> None:
    """The probability of each x with its own total, as a model takes it, over all x with two counts up to 150."""
    params = jnp.asarray(np.random.default_rng(3).normal(size=part.param_shape) / 2, jnp.float32)
    pairs = np.stack(np.meshgrid(np.arange(151.0), np.arange(151.0), indexing="ij"), axis=-1).reshape(-1, 2)

    def mass(x: jax.Array) -> jax.Array:
        distribution: Any = part.distribution(params, x.sum() if part.given_total else None)
        return jnp.exp(distribution.log_prob(x))

    masses = np.asarray(jax.jit(jax.vmap(mass))(jnp.asarray(pairs, jnp.float32)), np.float64)
    assert part.given == given
    is_law_of_x = masses.sum() == pytest.approx(1.0, abs=1e-3)
    is_law_given_total = masses[pairs.sum(axis=1) == 5].sum() == pytest.approx(1.0, abs=1e-4)
    assert (is_law_of_x, is_law_given_total) == (given is None, given == "total")


def test_poisson_given_its_total_is_poisson_of_the_shares() -> None:
    share = np.array([0.2, 0.5, 0.3])
    x = np.array([3.0, 0.0, 9.0])
    found = log_prob_of(Poisson((3,), True, 1.0), np.log(share), x, total=12.0)
    assert found == pytest.approx(scipy.stats.poisson.logpmf(x, 12 * share).sum(), rel=1e-6)
    assert not Poisson((3,), False).given_total


@pytest.mark.parametrize("dispersion", ["from-z", "per-element"])
@pytest.mark.parametrize("library_size", [True, False])
@pytest.mark.parametrize("cls", [Poisson, NegativeBinomial, ZeroInflatedNegativeBinomial])
def test_initial_params_of_counts(cls: Any, library_size: bool, dispersion: str) -> None:
    mean, std = np.array([0.5, 4.0, 0.0]), np.array([1.5, 3.0, 0.0])
    more: dict[str, Any] = {}
    if cls is not Poisson:
        start = np.log([0.5**2 / (1.5**2 - 0.5), 4.0**2 / (3.0**2 - 4.0), 1.0]) if dispersion == "per-element" else None
        more = {"dispersion": dispersion, "log_inverse_dispersion": start}
    part = cls((3,), library_size, 4.5, **more)
    params = part.initial_params(mean, std)
    assert params.shape == part.param_shape
    assert np.isfinite(params).all()
    distribution = part.distribution(jnp.asarray(params))
    # An element never counted starts at a hundredth of the rarest; a twentieth of zeros cannot be made up for by shares.
    np.testing.assert_allclose(np.asarray(distribution.mean), mean, rtol=0.06 if library_size else 1e-5, atol=0.01)
    if cls is NegativeBinomial and not library_size:
        np.testing.assert_allclose(np.asarray(distribution.variance)[:2], std[:2] ** 2, rtol=1e-4)


def test_inverse_dispersion_of_counts_that_vary_less_than_poisson() -> None:
    params = NegativeBinomial((2,), False, dispersion="from-z").initial_params(np.array([4.0, 4.0]), np.array([1.0, 3.0]))
    np.testing.assert_allclose(params[1], [5.0, np.log(16 / 5)], rtol=1e-5)


def test_bounds_of_counts_by_configuration() -> None:
    """Every likelihood of counts, built from its name: finite, a probability given the example's own total, whole draws."""
    data = np.random.default_rng(0).poisson([0.5, 3.0, 20.0, 1.0], (60, 4)).astype(np.int64)
    network = {"hidden_widths": [8]}
    for likelihood in (
        {"name": "poisson"},
        {"name": "zero-inflated-negative-binomial", "dispersion": "from-z"},
        {"name": "negative-binomial", "dispersion": "from-z", "library_size": False},
        {"name": "multinomial"},
    ):
        config = RunConfig.from_dict({"model": {"latent_dim": 2}, "network": network, "likelihood": likelihood})
        model = build_model(config, describe(data), jax.random.key(0))
        assert isinstance(model, SingleLayer)
        assert model.likelihood.given_total == likelihood.get("library_size", True)
        if isinstance(model.likelihood, Poisson | Multinomial):
            assert model.likelihood.typical_total == pytest.approx(data.sum(axis=1).mean())

        @eqx.filter_jit
        def said(model: SingleLayer) -> tuple[jax.Array, jax.Array]:
            terms = model.log_terms(Example(jnp.asarray(data[0])), jax.random.key(1), Draws(1))
            return terms.log_likelihood[0], model.decode_draw(jnp.zeros(2), jax.random.key(2))

        log_likelihood, draw = said(model)
        # With its first weights a decoder says little more than the data's means.
        expected = scipy.stats.poisson.logpmf(data[0], data.mean(axis=0)).sum()
        assert float(log_likelihood) == pytest.approx(expected, abs=5.0)
        assert (np.asarray(draw) == np.rint(np.asarray(draw))).all()
