"""Likelihoods of the columns of a table against SciPy and against sums by hand: masses, densities, and both in one row."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from checks import log_prob_of
from registered.case import numpyro
from support.chance import is_likely

from lowerbound.data.columns import Column
from lowerbound.errors import ConfigurationError
from lowerbound.likelihoods import (
    CategoriesLikelihood,
    GaussianMixture,
    LogNormalMixture,
    Mixed,
    ZeroInflatedLogNormal,
)
from lowerbound.likelihoods.mixed import blocks_of

WEIGHTS, LOCS, LOG_SCALES = np.array([0.3, -0.4]), np.array([-1.0, 0.8]), np.array([-0.5, 0.2])
MIXTURE = np.stack([WEIGHTS, LOCS, LOG_SCALES]).reshape(6, 1).astype(np.float32)
NUM_DRAWS = 20_000


def mixture_density(x: float) -> float:
    """The density of the mixture above, by SciPy."""
    return float(scipy.special.softmax(WEIGHTS) @ scipy.stats.norm.pdf(x, LOCS, np.exp(LOG_SCALES)))


@pytest.mark.parametrize("x", [-2.5, 0.0, 0.7, 3.0])
def test_mixtures_are_scipys(x: float) -> None:
    gaussian = GaussianMixture((1,), np.float32(0.01), num_components=2)
    assert log_prob_of(gaussian, MIXTURE, [x]) == pytest.approx(np.log(mixture_density(x)), abs=1e-5)
    of_logs = LogNormalMixture((1,), np.float32(0.01), num_components=2)
    assert log_prob_of(of_logs, MIXTURE, [np.exp(x)]) == pytest.approx(np.log(mixture_density(x)) - x, abs=1e-5)
    with_zeros, params = ZeroInflatedLogNormal((1,), np.float32(0.01), num_components=2), np.append(MIXTURE, [[0.4]], axis=0)
    above = scipy.special.log_expit(-0.4)
    assert log_prob_of(with_zeros, params, [np.exp(x)]) == pytest.approx(np.log(mixture_density(x)) - x + above, abs=1e-5)
    assert log_prob_of(with_zeros, params, [0.0]) == pytest.approx(scipy.special.log_expit(0.4), abs=1e-6)
    assert log_prob_of(with_zeros, params, [-1.0]) == -np.inf


def test_the_mass_at_zero_and_the_density_above_it_make_one() -> None:
    part, params = ZeroInflatedLogNormal((1,), np.float32(0.01), num_components=2), np.append(MIXTURE, [[0.4]], axis=0)
    density = jax.jit(jax.vmap(lambda x: part.distribution(jnp.asarray(params)).log_prob(x[None])))
    logs = np.linspace(-12, 12, 4001)
    with jax.numpy_dtype_promotion("standard"):
        at_zero = float(np.exp(density(jnp.zeros(1))[0]))
        above = np.exp(np.asarray(density(jnp.exp(jnp.asarray(logs, jnp.float32))), np.float64) + logs)
    assert at_zero + scipy.integrate.trapezoid(above, logs) == pytest.approx(1.0, abs=1e-5)


def test_draws_are_zero_as_often_as_they_should_and_lie_as_they_should_above() -> None:
    """Two tests with fixed seeds, each of which fails by chance as `is_likely` says."""
    part, params = ZeroInflatedLogNormal((1,), np.float32(0.01), num_components=2), np.append(MIXTURE, [[0.4]], axis=0)
    with jax.numpy_dtype_promotion("standard"):
        drawn = np.asarray(part.elements(jnp.asarray(params)).sample(jax.random.key(3), (NUM_DRAWS,)))[:, 0]
    zeros = int((drawn == 0).sum())
    assert is_likely(float(scipy.stats.binomtest(zeros, NUM_DRAWS, float(scipy.special.expit(0.4))).pvalue))
    logs, scales, weights = np.log(drawn[drawn > 0]), np.exp(LOG_SCALES), scipy.special.softmax(WEIGHTS)

    def below(u: np.ndarray) -> np.ndarray:
        return scipy.stats.norm.cdf((u[:, None] - LOCS) / scales) @ weights

    assert is_likely(float(scipy.stats.kstest(logs, below).pvalue))
    # The negative control: half a deviation away.
    assert scipy.stats.kstest(logs + 0.5, below).pvalue < 1e-12


def test_what_training_did_not_see_has_the_probability_that_is_stated() -> None:
    part = CategoriesLikelihood((2,), np.array([3, 2]), np.array([0.05, 0.2]))
    params = np.array([[0.1, 1.0], [0.7, -1.0], [-0.3, 9.0]], np.float32)
    # The second column has two categories: its third logit is none.
    first, second = scipy.special.log_softmax(params[:, 0]), scipy.special.log_softmax(params[:2, 1])
    assert log_prob_of(part, params, [1, 0]) == pytest.approx(np.log(0.95) + first[1] + np.log(0.8) + second[0], abs=1e-5)
    assert log_prob_of(part, params, [3, 2]) == pytest.approx(np.log(0.05) + np.log(0.2), abs=1e-5)
    assert log_prob_of(part, params, [4, 0]) == log_prob_of(part, params, [0, 3]) == -np.inf
    masses = part.masses_of_codes(jnp.asarray(params))
    assert [len(masses[0]), len(masses[1])] == [4, 3]
    assert np.asarray(masses[1]) == pytest.approx([*(0.8 * np.exp(second)), 0.2], abs=1e-6)


def test_a_row_of_several_kinds_is_the_sum_of_its_columns() -> None:
    codes, numbers = CategoriesLikelihood((2,), 3, 0.1), GaussianMixture((1,), np.float32(0.01), num_components=2)
    mixed = Mixed((codes, numbers), ((2, 0), (1,)))
    params_of_codes = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    params = np.concatenate([params_of_codes.ravel(), MIXTURE.ravel()])
    row = np.array([2.0, 0.4, 1.0], np.float32)
    each = log_prob_of(codes, params_of_codes, [1, 2]), log_prob_of(numbers, MIXTURE, [0.4])
    assert log_prob_of(mixed, params, row) == pytest.approx(sum(each), abs=1e-5)
    assert mixed.measure == "mixed"
    assert mixed.discrete.tolist() == [True, False, True]
    with jax.numpy_dtype_promotion("standard"):
        # What is hidden may hold anything.
        hidden = jnp.asarray([np.nan, 0.4, np.nan], jnp.float32), jnp.asarray([False, True, False])
        assert float(mixed.log_prob(jnp.asarray(params), hidden[0], observed=hidden[1])) == pytest.approx(each[1], abs=1e-5)
    of_columns = mixed.masses_of_codes(jnp.asarray(params))
    assert np.asarray(of_columns[0]) == pytest.approx(np.asarray(codes.masses_of_codes(jnp.asarray(params_of_codes))[1]))
    gradient = numpyro(jax.grad(lambda params: mixed.log_prob(params, hidden[0], observed=hidden[1])))(jnp.asarray(params))
    assert np.isfinite(np.asarray(gradient)).all()
    assert (np.asarray(gradient)[: 2 * 3] == 0).all()


def test_blocks_hold_categories_of_like_sizes() -> None:
    def column(name: str, size: int) -> Column:
        return Column(name, "categorical", likelihood="categories", categories=tuple(map(str, range(size))))

    columns = (column("a", 3), column("b", 5000), column("c", 4), Column("d", "real", likelihood="gaussian-mixture"))
    assert blocks_of(columns) == [("categories", (0, 2)), ("categories", (1,)), ("gaussian-mixture", (3,))]


@pytest.mark.parametrize("places", [((0,), (0,)), ((0,), (2,)), ((0, 1), (2,))])
def test_each_column_has_one_block(places: tuple[tuple[int, ...], ...]) -> None:
    codes, numbers = CategoriesLikelihood((1,), 3, 0.1), GaussianMixture((1,), np.float32(0.01))
    with pytest.raises(ConfigurationError, match=r"places is .*; expected each column 0, 1, \.\.\. once"):
        Mixed((codes, numbers), places)


def test_probabilities_of_the_unseen_lie_inside_the_unit_interval() -> None:
    with pytest.raises(ConfigurationError, match=r"unseen .*; expected numbers from 1 up, and probabilities above 0 and below 1"):
        CategoriesLikelihood((2,), 3, 0.0)
