"""Counts, categories, grades and mixtures of levels: worked cases, sums over whole supports, and what float32 would lose."""

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
from scipy_discrete import masses_of_logistic

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError
from lowerbound.likelihoods import (
    AbstractLikelihood,
    Categorical,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Multinomial,
    NegativeBinomial,
    Ordinal,
    Poisson,
    ZeroInflatedNegativeBinomial,
)
from lowerbound.likelihoods.count_masses import log_multinomial, log_negative_binomial, log_poisson, stirling_error
from lowerbound.models import SingleLayer, split_trained
from lowerbound.recipes.build import build_model
from lowerbound.recipes.parts import part_from_json, part_to_json


def _log_prob(part: AbstractLikelihood, params: Any, x: Any, total: Any = None) -> float:
    total = None if total is None else jnp.float32(total)
    distribution: Any = part.distribution(jnp.asarray(params, jnp.float32), total)
    return float(distribution.log_prob(jnp.asarray(x, jnp.float32)))


def _mean(part: AbstractLikelihood, params: Any, total: Any = None) -> np.ndarray:
    total = None if total is None else jnp.float32(total)
    return np.asarray(part.distribution(jnp.asarray(params, jnp.float32), total).mean)


# --- counts ---

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
    part = ZeroInflatedNegativeBinomial((1,))
    params = np.log([[2.0], [1.0], [1 / 3]])
    assert _log_prob(part, params, [0.0]) == pytest.approx(np.log(1 / 4 + 3 / 4 / 3), abs=1e-6)
    assert _log_prob(part, params, [1.0]) == pytest.approx(np.log(3 / 4 * 2 / 9), abs=1e-6)
    assert _mean(part, params) == pytest.approx([1.5])
    assert float(part.monitors(jnp.asarray(params))["fraction_inflated"]) == pytest.approx(0.25)


def test_multinomial_worked_by_hand() -> None:
    """Two words of kind 1 and one of kind 2 come in 3 orders, of probability 0.5^2 0.3 each."""
    part, logits = Multinomial((3,), 3.0), np.log([0.5, 0.3, 0.2])
    assert _log_prob(part, logits, [2.0, 1.0, 0.0]) == pytest.approx(np.log(3 * 0.5**2 * 0.3), abs=3e-6)
    assert _log_prob(part, logits, [0.0, 0.0, 0.0]) == 0.0


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
        # Four standard errors of the mean, and of the variance of nearly normal or Poisson counts.
        mean, variance = total * share, total * share * (1 - share)
        assert draws[:, number].mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / len(draws)))
        assert draws[:, number].var() == pytest.approx(variance, rel=4 * np.sqrt((2 + 1 / variance) / len(draws)))


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
    np.testing.assert_allclose(_mean(part, params, total=40.0), 4 * _mean(part, params), rtol=1e-5)
    np.testing.assert_allclose(_mean(part, params), _mean(part, params, total=10.0), rtol=1e-6)
    # An example without any count is certain.
    assert _log_prob(part, params, np.zeros(3), total=0.0) == pytest.approx(0.0, abs=1e-5)


def test_poisson_given_its_total_is_poisson_of_the_shares() -> None:
    share = np.array([0.2, 0.5, 0.3])
    x = np.array([3.0, 0.0, 9.0])
    found = _log_prob(Poisson((3,), True, 1.0), np.log(share), x, total=12.0)
    assert found == pytest.approx(scipy.stats.poisson.logpmf(x, 12 * share).sum(), rel=1e-6)
    assert not Poisson((3,)).given_total


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
    params = NegativeBinomial((2,)).initial_params(np.array([4.0, 4.0]), np.array([1.0, 3.0]))
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
            terms = model.log_terms(jnp.asarray(data[0]), jax.random.key(1), 1)
            return terms.log_likelihood[0], model.decode_draw(jnp.zeros(2), jax.random.key(2))

        log_likelihood, draw = said(model)
        # With its first weights a decoder says little more than the data's means.
        expected = scipy.stats.poisson.logpmf(data[0], data.mean(axis=0)).sum()
        assert float(log_likelihood) == pytest.approx(expected, abs=5.0)
        assert (np.asarray(draw) == np.rint(np.asarray(draw))).all()


# --- categories and grades ---


def test_uniform_categorical_is_eight_bits() -> None:
    assert _log_prob(Categorical((3,), 256), np.full((256, 3), 7.0), [0.0, 100.0, 255.0]) == pytest.approx(-3 * 8 * np.log(2))


def test_categories_that_an_element_does_not_have() -> None:
    part = Categorical((2,), (2, 4))
    logits = np.log([[0.3, 0.1], [0.6, 0.2], [9.0, 0.3], [9.0, 0.4]])
    masses = [[np.exp(_log_prob(part, logits, [a, b])) for b in range(4)] for a in range(4)]
    np.testing.assert_allclose(masses, np.outer([1 / 3, 2 / 3, 0, 0], [0.1, 0.2, 0.3, 0.4]), atol=1e-6)
    np.testing.assert_allclose(_mean(part, logits), [2 / 3, 2.0], rtol=1e-5)
    distribution = part.distribution(jnp.asarray(logits, jnp.float32))
    draws = np.asarray(distribution.sample(jax.random.key(0), (1000,)))
    assert draws[:, 0].max() == 1
    gradient = jax.grad(lambda raw: part.distribution(raw).log_prob(jnp.array([1.0, 3.0])))(jnp.asarray(logits, jnp.float32))
    np.testing.assert_allclose(gradient, [[-1 / 3, -0.1], [1 / 3, -0.2], [0.0, -0.3], [0.0, 0.6]], atol=1e-6)


def test_initial_params_of_categories() -> None:
    mean, std = np.array([7.0, 4.0]), np.array([2.0, 1.0])
    distribution = Categorical((2,), 16).distribution(jnp.asarray(Categorical((2,), 16).initial_params(mean, std)))
    # A hundredth of the mass is spread evenly, and rounding adds a twelfth to the variance.
    np.testing.assert_allclose(np.asarray(distribution.mean), mean, atol=0.04)
    np.testing.assert_allclose(np.asarray(distribution.variance), std**2 + 1 / 12, atol=0.4)
    masses = jax.nn.softmax(jnp.asarray(Categorical((2,), 16).initial_params(mean, np.zeros(2))), axis=0)
    assert float(masses.min()) > 0.0005
    part = Categorical((2,), (1, 3))
    assert np.isfinite(part.initial_params(np.zeros(2), np.ones(2))).all()
    np.testing.assert_allclose(_log_prob(part, part.initial_params(np.zeros(2), np.zeros(2)), [0.0, 0.0]), 0.0, atol=0.05)


def test_ordinal_worked_by_hand() -> None:
    """Cutpoints -1 and 1: three grades; a larger location makes the larger grade likelier (some libraries' sign is the other)."""
    part = Ordinal((1,), 3, np.array([[-1.0], [np.log(np.expm1(2.0))]]))
    low, high = scipy.special.expit(-1.0), scipy.special.expit(1.0)
    masses = [np.exp(_log_prob(part, [0.0], [float(grade)])) for grade in range(3)]
    np.testing.assert_allclose(masses, [low, high - low, low], rtol=1e-5)
    assert _log_prob(part, [2.0], [2.0]) == pytest.approx(np.log(high), abs=1e-6)
    assert _mean(part, [0.0]) == pytest.approx([1.0])


def test_ordinal_of_elements_with_their_own_grades() -> None:
    part = Ordinal.of_moments((3,), (2, 5, 1), 0.7, 1.5)
    masses = np.array([[[np.exp(_log_prob(part, [0.3, -0.2, 9.0], [a, b, 0.0])) for b in range(5)] for a in range(2)]])
    assert masses.sum() == pytest.approx(1.0, abs=1e-5)
    draws = np.asarray(part.distribution(jnp.array([0.3, -0.2, 9.0])).sample(jax.random.key(0), (1000,)))
    assert draws.max(axis=0).tolist() == [1.0, 4.0, 0.0]

    trained, rest = split_trained(part)
    for x in ([0.0, 0.0, 0.0], [1.0, 4.0, 0.0]):

        def log_prob(trained: Any, location: Any, x: Any = x) -> Any:
            return eqx.combine(trained, rest).distribution(location).log_prob(jnp.array(x))

        gradients = jax.grad(log_prob, argnums=(0, 1))(trained, jnp.array([50.0, -50.0, 0.0]))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_grades_whose_cutpoints_nearly_meet_keep_a_finite_log_mass() -> None:
    part = Ordinal((1,), 3, np.array([[0.0], [-60.0]]))
    masses = [np.exp(_log_prob(part, [0.0], [float(grade)])) for grade in range(3)]
    # Two logistic densities' heights times a width of e^-15.
    np.testing.assert_allclose(masses, [0.5, 0.25 * np.exp(-15.0), 0.5], rtol=1e-4)


def test_initial_params_of_grades() -> None:
    mean, std = np.array([1.2, 3.0]), np.array([1.0, 0.5])
    part = Ordinal.of_moments((2,), 5, mean, std)
    location = part.initial_params(mean, std)
    # The cutpoints hold the data's mean already, but for the ends of the scale and the evenly spread hundredth.
    np.testing.assert_allclose(location, 0.0, atol=0.2)
    for other in (mean, np.array([0.4, 3.7])):
        np.testing.assert_allclose(_mean(part, part.initial_params(other, std)), other, rtol=1e-4)
    assert np.abs(part.initial_params(np.array([0.0, 4.0]), std)).max() == pytest.approx(10.0)


# --- mixtures of discretised logistics ---


def test_mixture_worked_by_hand() -> None:
    """Three levels 0, 1/2, 1, so half a step is 1/4; loc = 1/2, scale = 1/4."""
    part = DiscretizedLogisticMixture((1,), num_levels=3, num_components=1)
    params = [[0.0], [0.5], [np.log(0.25)]]
    tail = scipy.special.expit(-1.0)
    masses = [np.exp(_log_prob(part, params, [x])) for x in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(masses, [tail, 1 - 2 * tail, tail], rtol=1e-5)
    # The negative controls: a half step of 1 / (number of levels - 1), which is right on [-1, 1] alone, and cut-off tails.
    mistaken = scipy.special.expit([2.0, 0.0, 4.0]) - scipy.special.expit([-2.0, -4.0, 0.0])
    assert mistaken.sum() > 1.5
    assert np.diff(scipy.special.expit([-3.0, -1.0, 1.0, 3.0])).sum() < 0.95


def test_mixture_of_one_is_the_discretised_logistic() -> None:
    one = DiscretizedLogisticMixture((2,), num_components=1)
    plain = DiscretizedLogistic((2,), bounded_mean=False)
    params = np.array([[0.3, 1.2], [-3.0, -30.0]])
    for x in ([0.0, 1.0], [77 / 255, 254 / 255]):
        expected = _log_prob(plain, params, x)
        assert _log_prob(one, np.concatenate([[[5.0, -5.0]], params]), x) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("scale", [0.01 / 255, 1 / 255, 0.1, 1e3])
def test_mixture_of_256_levels_sums_to_one(scale: float) -> None:
    part = DiscretizedLogisticMixture((256,), num_components=3)
    heads = np.log([0.2, 0.5, 0.3]), np.array([-0.2, 0.3, 0.9]), np.log([scale, 2 * scale, 0.05])
    params = jnp.asarray(np.concatenate(heads)[:, None] * np.ones(256), jnp.float32)
    each: Any = part.distribution(params)
    log_masses = np.asarray(each.base_dist.log_prob(jnp.linspace(0, 1, 256)), np.float64)
    assert np.exp(log_masses).sum() == pytest.approx(1.0, abs=3e-5)
    assert np.isfinite(log_masses).all()
    masses = masses_of_logistic(heads[1], np.maximum(np.exp(heads[2]), 0.1 / 255), 0.0, 1.0, 256)
    expected = np.array([0.2, 0.5, 0.3]) @ masses @ np.linspace(0, 1, 256)
    np.testing.assert_allclose(np.asarray(each.mean), expected, atol=1e-5)


def test_initial_components_differ_and_have_the_datas_moments() -> None:
    mean, std = np.array([0.4, 0.6]), np.array([0.1, 0.05])
    part = DiscretizedLogisticMixture((2,), num_components=3)
    params = part.initial_params(mean, std)
    loc, scale = params[3:6], np.exp(params[6:9])
    np.testing.assert_allclose(loc.mean(axis=0), mean, rtol=1e-5)
    np.testing.assert_allclose(np.sqrt(loc.var(axis=0) + np.mean((np.pi * scale) ** 2 / 3, axis=0)), std, rtol=1e-4)

    def gradient(params: Any) -> np.ndarray:
        return np.asarray(jax.grad(lambda p: part.distribution(p).log_prob(jnp.array([0.4, 151 / 255])))(jnp.asarray(params)))

    assert np.abs(np.diff(gradient(params)[3:6], axis=0)).min() > 0.1
    # The negative control: components that start equal stay equal.
    equal = params.copy()
    equal[3:6] = mean
    assert np.abs(np.diff(gradient(equal)[3:6], axis=0)).max() < 1e-5
    single = DiscretizedLogisticMixture((2,), num_components=1).initial_params(mean, std)
    np.testing.assert_allclose(np.exp(single[2]) * np.pi / np.sqrt(3), std, rtol=1e-5)
    colour = DiscretizedLogisticMixture((2, 1, 3), num_components=4, colour=True)
    assert colour.initial_params(np.zeros((2, 1, 3)), np.ones((2, 1, 3))).shape == colour.param_shape == (14, 2, 1, 3)


def _colour_means(loc: np.ndarray, scale: np.ndarray, coefficients: np.ndarray, num_levels: int) -> np.ndarray:
    """E[r], E[g], E[b] of one component by sums over all levels."""
    x = np.linspace(0, 1, num_levels)
    levels = (0.0, 1.0, num_levels)
    red = masses_of_logistic(loc[0], scale[0], *levels)
    green = masses_of_logistic(loc[1] + coefficients[0] * (x - 0.5), scale[1], *levels)
    blue_loc = loc[2] + coefficients[1] * (x[:, None] - 0.5) + coefficients[2] * (x - 0.5)
    blue = masses_of_logistic(blue_loc, scale[2], *levels) @ x
    return np.array([red @ x, red @ green @ x, np.einsum("r,rg,rg->", red, green, blue)])


@pytest.mark.parametrize("num_levels", [5, 32, 256])
def test_mean_of_colours_is_within_half_a_level_of_the_sums(num_levels: int) -> None:
    rng = np.random.default_rng(num_levels)
    part = DiscretizedLogisticMixture((1, 1, 3), num_levels=num_levels, num_components=2, colour=True)
    mean = jax.jit(lambda params: part.distribution(params).mean)
    for _ in range(2 if num_levels == 256 else 10):
        weights, loc = rng.dirichlet([1, 1]), rng.uniform(-0.3, 1.3, (2, 3))
        log_scale, raw = rng.uniform(np.log(0.1 / (num_levels - 1)), 0, (2, 3)), rng.normal(0, 2, (2, 3))
        parts = zip(loc, np.exp(log_scale), np.tanh(raw), strict=True)
        expected = weights @ [_colour_means(*component, num_levels) for component in parts]
        params = np.concatenate([[[*np.log(weights), 0.0]], loc, log_scale, raw])[:, None, None, :]
        found = np.asarray(mean(jnp.asarray(params, jnp.float32)))[0, 0]
        assert found[0] == pytest.approx(expected[0], abs=1e-5)
        np.testing.assert_allclose(found, expected, atol=0.5 / (num_levels - 1))
        # The negative control: the coefficients matter more than that.
    without = np.concatenate([params[:-2], np.zeros((2, 1, 1, 3))])
    assert np.abs(np.asarray(mean(jnp.asarray(without, jnp.float32)))[0, 0] - expected)[1:].max() > 0.5 / (num_levels - 1)


def test_colours_are_predicted_from_those_before() -> None:
    """Green follows red and blue follows both, to a level, when the coefficients are nearly 1 and the scales tiny."""
    part = DiscretizedLogisticMixture((1, 2, 3), num_components=1, colour=True)
    loc = np.array([0.5, 0.5, 0.1])
    heads = [np.zeros(3), loc, np.log([0.1, 1e-6, 1e-6]), [9.0, 9.0, 0.0]]
    params = jnp.asarray(np.array(heads)[:, None, None, :] * np.ones((1, 1, 2, 1)), jnp.float32)
    draws = np.asarray(part.distribution(params).sample(jax.random.key(0), (500,)), np.float64) * 255
    red, green, blue = np.moveaxis(draws, -1, 0)
    assert red.std() > 20
    assert np.abs(green - red).max() < 1.01
    assert np.abs(blue - np.clip(red - 0.4 * 255, 0, 255)).max() < 1.01
    assert np.abs(np.corrcoef(red[:, 0, 0], red[:, 0, 1])[0, 1]) < 0.2


def test_colour_is_chosen_from_the_data() -> None:
    rng = np.random.default_rng(0)
    config = RunConfig.from_dict(
        {
            "model": {"latent_dim": 2},
            "network": {"hidden_widths": [8]},
            "likelihood": {"name": "discretized-logistic-mixture", "num_components": 2},
        }
    )
    for channels in (3, 1):
        data = rng.integers(0, 256, (20, 2, 2, channels)).astype(np.uint8)
        model = build_model(config, describe(data), jax.random.key(0))
        likelihood = model.likelihood
        assert isinstance(likelihood, DiscretizedLogisticMixture)
        assert likelihood.colour == (channels == 3)
        log_terms = eqx.filter_jit(lambda model, x: model.log_terms(x, jax.random.key(1), 1))
        assert np.isfinite(np.asarray(log_terms(model, jnp.asarray(data[0])).log_likelihood)).all()


# --- arguments and storage ---


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Poisson((2,), True), r"typical_total is 0; expected .* above 0.*library_size=False"),
        (lambda: Multinomial((2,), -1.0), r"typical_total is -1; expected"),
        (lambda: NegativeBinomial((2,), dispersion="per-element"), r"log_inverse_dispersion has shape None; expected \(2,\)"),
        (lambda: NegativeBinomial((2,), log_inverse_dispersion=np.zeros(2)), r"has shape \(2,\); expected None"),
        (lambda: Categorical((2,), 1), r"num_categories is 1; expected a number from 2 up"),
        (lambda: Categorical((2,), (2, 3, 4)), r"num_categories is \(2, 3, 4\); expected 2 numbers, one for each element"),
        (lambda: Ordinal((2,), 4, np.zeros((4, 2))), r"raw_cutpoints has shape \(4, 2\); expected \(3, 2\).*Ordinal.of_moments"),
        (lambda: DiscretizedLogisticMixture((2,), num_components=0), r"num_components is 0; expected a whole number from 1 up"),
        (lambda: DiscretizedLogisticMixture((4, 4), colour=True), r"event shape is \(4, 4\); expected \(height, width, 3\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(make: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        make()


@pytest.mark.parametrize(
    "part",
    [
        ZeroInflatedNegativeBinomial((2,), True, 10.0, "per-element", np.array([0.5, -1.0])),
        Ordinal.of_moments((2,), (3, 4), 1.0, 1.0),
        Categorical((2,), (3, 4)),
        Multinomial((2,), 10.0),
        DiscretizedLogisticMixture((2,), num_components=2),
    ],
    ids=lambda part: type(part).__name__,
)
def test_parts_are_rebuilt_from_plain_values(part: AbstractLikelihood) -> None:
    rebuilt = part_from_json("likelihood", part_to_json("likelihood", part))
    assert type(rebuilt) is type(part)
    assert len(jax.tree.leaves(split_trained(rebuilt)[0])) == len(jax.tree.leaves(split_trained(part)[0]))
    params = np.random.default_rng(0).normal(size=part.param_shape)
    assert _log_prob(rebuilt, params, [0.0, 1.0]) == pytest.approx(_log_prob(part, params, [0.0, 1.0]), abs=1e-6)
