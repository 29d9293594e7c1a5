"""Categories, grades and mixtures of levels: worked cases, sums over whole supports, and what float32 would lose."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from checks import log_prob_of, mean_of
from scipy_discrete import masses_of_logistic
from support.built import build_model

from lowerbound.assembly.parts import part_from_json, part_to_json
from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
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
from lowerbound.models import Draws, SingleLayer, split_trained

# --- categories and grades ---


def test_uniform_categorical_is_eight_bits() -> None:
    assert log_prob_of(Categorical((3,), 256), np.full((256, 3), 7.0), [0.0, 100.0, 255.0]) == pytest.approx(-3 * 8 * np.log(2))


def test_categories_that_an_element_does_not_have() -> None:
    part = Categorical((2,), (2, 4))
    logits = np.log([[0.3, 0.1], [0.6, 0.2], [9.0, 0.3], [9.0, 0.4]])
    masses = [[np.exp(log_prob_of(part, logits, [a, b])) for b in range(4)] for a in range(4)]
    np.testing.assert_allclose(masses, np.outer([1 / 3, 2 / 3, 0, 0], [0.1, 0.2, 0.3, 0.4]), atol=1e-6)
    np.testing.assert_allclose(mean_of(part, logits), [2 / 3, 2.0], rtol=1e-5)
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
    np.testing.assert_allclose(log_prob_of(part, part.initial_params(np.zeros(2), np.zeros(2)), [0.0, 0.0]), 0.0, atol=0.05)


def test_ordinal_worked_by_hand() -> None:
    """Cutpoints -1 and 1: three grades; a larger location makes the larger grade likelier (some libraries' sign is the other)."""
    part = Ordinal((1,), 3, np.array([[-1.0], [np.log(np.expm1(2.0))]]))
    low, high = scipy.special.expit(-1.0), scipy.special.expit(1.0)
    masses = [np.exp(log_prob_of(part, [0.0], [float(grade)])) for grade in range(3)]
    np.testing.assert_allclose(masses, [low, high - low, low], rtol=1e-5)
    assert log_prob_of(part, [2.0], [2.0]) == pytest.approx(np.log(high), abs=1e-6)
    assert mean_of(part, [0.0]) == pytest.approx([1.0])


def test_ordinal_of_elements_with_their_own_grades() -> None:
    part = Ordinal.of_moments((3,), (2, 5, 1), 0.7, 1.5)
    masses = np.array([[[np.exp(log_prob_of(part, [0.3, -0.2, 9.0], [a, b, 0.0])) for b in range(5)] for a in range(2)]])
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
    masses = [np.exp(log_prob_of(part, [0.0], [float(grade)])) for grade in range(3)]
    # Two logistic densities' heights times a width of e^-15.
    np.testing.assert_allclose(masses, [0.5, 0.25 * np.exp(-15.0), 0.5], rtol=1e-4)


def test_initial_params_of_grades() -> None:
    mean, std = np.array([1.2, 3.0]), np.array([1.0, 0.5])
    part = Ordinal.of_moments((2,), 5, mean, std)
    location = part.initial_params(mean, std)
    # The cutpoints hold the data's mean already, but for the ends of the scale and the evenly spread hundredth.
    np.testing.assert_allclose(location, 0.0, atol=0.2)
    for other in (mean, np.array([0.4, 3.7])):
        np.testing.assert_allclose(mean_of(part, part.initial_params(other, std)), other, rtol=1e-4)
    assert np.abs(part.initial_params(np.array([0.0, 4.0]), std)).max() == pytest.approx(10.0)


# --- mixtures of discretised logistics ---


def test_mixture_worked_by_hand() -> None:
    """Three levels 0, 1/2, 1, so half a step is 1/4; loc = 1/2, scale = 1/4."""
    part = DiscretizedLogisticMixture((1,), num_levels=3, num_components=1)
    params = [[0.0], [0.5], [np.log(0.25)]]
    tail = scipy.special.expit(-1.0)
    masses = [np.exp(log_prob_of(part, params, [x])) for x in (0.0, 0.5, 1.0)]
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
        expected = log_prob_of(plain, params, x)
        assert log_prob_of(one, np.concatenate([[[5.0, -5.0]], params]), x) == pytest.approx(expected, rel=1e-6)


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


@pytest.mark.parametrize("colour", [False, True])
def test_the_mean_of_many_pictures_needs_no_memory_for_all_sums_at_once(colour: bool) -> None:
    part = DiscretizedLogisticMixture((8, 8, 3), num_components=3, colour=colour)
    params = jax.ShapeDtypeStruct((64, *part.param_shape), jnp.float32)
    memory = jax.jit(jax.vmap(part.mean_of)).lower(params).compile().memory_analysis()
    assert memory is not None
    # All pairs of red and green at once are 144 numbers for each component's blue, and all edges between levels are 255.
    assert memory.temp_size_in_bytes < 4 * np.prod(params.shape) * 4


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
        assert isinstance(model, SingleLayer)
        likelihood = model.likelihood
        assert isinstance(likelihood, DiscretizedLogisticMixture)
        assert likelihood.colour == (channels == 3)
        log_terms = eqx.filter_jit(lambda model, x: model.log_terms(Example(x), jax.random.key(1), Draws(1)))
        assert np.isfinite(np.asarray(log_terms(model, jnp.asarray(data[0])).log_likelihood)).all()


# --- arguments and storage ---


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Poisson((2,)), r"typical_total is 0; expected .* above 0.*library_size=False"),
        (lambda: Multinomial((2,), -1.0), r"typical_total is -1; expected"),
        (lambda: NegativeBinomial((2,), False), r"log_inverse_dispersion has shape None; expected \(2,\)"),
        (lambda: NegativeBinomial((2,), False, 0.0, "from-z", np.zeros(2)), r"has shape \(2,\); expected None"),
        (lambda: Categorical((2,), 1), r"num_categories is 1; expected a number from 2 up"),
        (lambda: Categorical((2,), (2, 3, 4)), r"num_categories is \(2, 3, 4\); expected 2 numbers, one for each element"),
        (lambda: Ordinal((2,), 4, np.zeros((4, 2))), r"raw_cutpoints has shape \(4, 2\); expected \(3, 2\).*Ordinal.of_moments"),
        (lambda: DiscretizedLogisticMixture((2,), num_components=0), r"likelihood.num_components is 0 \(an integer\); expected"),
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
    assert log_prob_of(rebuilt, params, [0.0, 1.0]) == pytest.approx(log_prob_of(part, params, [0.0, 1.0]), abs=1e-6)
