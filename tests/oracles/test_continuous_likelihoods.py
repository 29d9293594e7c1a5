"""Continuous likelihoods and the quantised Gaussian where float32 is hard, and the scales that are no function of z."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from jaxtyping import Array
from scipy_continuous import quantized_masses

from lowerbound.config import PartConfig, RunConfig
from lowerbound.config.context import BuildContext
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.data.transforms import Affine, choose_transform
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.likelihoods import (
    BetaDistribution,
    ContinuousBernoulliDistribution,
    Gaussian,
    GaussianFixedScale,
    GaussianLearnedScale,
    GaussianOptimalScale,
    Lattice,
    LowRankNormal,
    NumPyroLikelihood,
    QuantizedGaussianDistribution,
)
from lowerbound.likelihoods.continuous_bernoulli import log_normaliser
from lowerbound.likelihoods.level_distributions import log_mass_between
from lowerbound.likelihoods.tracked import Tracked
from lowerbound.models import SingleLayer
from lowerbound.training.numbers import Numbers
from lowerbound.training.optimizer import make_optimizer
from lowerbound.training.schedule import Schedule
from lowerbound.training.tracked import with_moving_averages

RNG = np.random.default_rng(0)
TABLE = (RNG.normal(size=(200, 3)) * [1.0, 10.0, 100.0] + [0.0, 50.0, 0.0]).astype(np.float32)


def context_of(data: np.ndarray, scaling: str) -> BuildContext:
    spec = describe(data)
    return BuildContext(spec, choose_transform(spec, scaling), choose_transform(spec, "standard"), 2, 0, jax.random.key(0))


# --- Gaussian scales ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("from-z", Gaussian),
        ("per-element", GaussianLearnedScale),
        ("shared", GaussianLearnedScale),
        ("fixed", GaussianFixedScale),
        ("optimal", GaussianOptimalScale),
    ],
)
def test_every_scale_starts_as_the_data_are_and_keeps_the_floor(scale: str, expected: type) -> None:
    context = context_of(TABLE, "standard")
    config = PartConfig("likelihood", "gaussian", {"scale": scale, "fixed_scale": 20.0, "scale_floor": 3.0})
    part = Gaussian.build(config, context)
    assert type(part) is expected
    params = jnp.asarray(part.initial_params(np.zeros(3), np.ones(3)))
    deviations = np.sqrt(np.asarray(part.distribution(params).variance)) * context.transform.scale
    std = TABLE.std(axis=0)
    # The floor of 3 units lies above the deviation of the first column alone.
    if scale == "fixed":
        np.testing.assert_allclose(deviations, [20.0] * 3, rtol=1e-5)
    elif scale in ("shared", "optimal"):
        # One scale in the model's units; the first column counts with its floor.
        shared = np.sqrt(np.mean([(3 / std[0]) ** 2, 1, 1]))
        np.testing.assert_allclose(deviations, np.maximum(shared * std, 3.0), rtol=1e-4)
    else:
        np.testing.assert_allclose(deviations, np.maximum(std, 3.0), rtol=1e-4)
    at_floor = {"fixed": 0.0, "shared": 1 / 3, "optimal": 1 / 3}.get(scale, 1 / 3)
    assert float(part.monitors(params)["fraction_at_floor"]) == pytest.approx(at_floor)


def test_a_log_scale_of_another_shape_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"log_scale has shape \(2,\); expected \(\) for one shared scale"):
        GaussianLearnedScale((3,), 0.1, np.zeros(2))


def _mean_log_prob(distribution: Any, batch: Array) -> Array:
    return jax.vmap(distribution.log_prob)(batch).mean()


def _negative_log_likelihood(part: GaussianOptimalScale, params: Array, batch: Array) -> Array:
    return -_mean_log_prob(part.distribution(params), batch)


@pytest.mark.parametrize("num_elements", [1, 50])
@pytest.mark.parametrize("log_variance", [-3.0, 0.0, 2.0])
def test_the_tracked_gradient_is_one_less_the_ratio_of_variances(num_elements: int, log_variance: float) -> None:
    """Whatever the number of elements; while the mean's gradient is the plain Gaussian's."""
    batch = jnp.asarray(RNG.normal(size=(20, num_elements)), jnp.float32)
    part, params = GaussianOptimalScale((num_elements,), 1e-3, log_variance), jnp.full(num_elements, 0.2)
    by_part, by_params = jax.grad(_negative_log_likelihood, argnums=(0, 1))(part, params, batch)
    mean_squared_error = float(np.mean((np.asarray(batch, np.float64) - 0.2) ** 2))
    assert float(by_part.tracked_log_variance.value) == pytest.approx(1 - mean_squared_error / np.exp(log_variance), rel=1e-4)
    expected = (0.2 - np.asarray(batch).mean(axis=0)) / np.exp(log_variance)
    np.testing.assert_allclose(by_params, expected, rtol=1e-3, atol=1e-5)
    # The value is the Gaussian's own, with no trace of the tracking.
    log_prob = scipy.stats.norm.logpdf(batch[0], 0.2, np.exp(log_variance / 2)).sum()
    assert float(jnp.asarray(part.distribution(params).log_prob(batch[0]))) == pytest.approx(log_prob, rel=1e-5)


@functools.cache
def _optimizer(**changes: Any) -> optax.GradientTransformation:
    options = TrainingConfig(learning_rate=0.01, **changes)
    return make_optimizer(Numbers.of(options, Schedule.plan(options, 100), 100))


def test_the_tracked_variance_becomes_the_batches_mean_squared_error_and_beats_a_wrong_fixed_scale() -> None:
    batch = jnp.asarray(3.0 * RNG.normal(size=(500, 4)) + 1.0, jnp.float32)
    # Starts far too small: gradient descent on the logarithm would leap to exp(9 / 0.01) and not come back.
    part, params = GaussianOptimalScale((4,), 1e-3, np.log(0.01)), jnp.zeros(4)
    optimizer = _optimizer()

    def tree(part: GaussianOptimalScale, params: Array) -> dict[str, Any]:
        return {"scale": part.tracked_log_variance, "weight": params}

    state = optimizer.init(tree(part, params))

    @jax.jit
    def step(values: dict[str, Any], state: Any) -> tuple[dict[str, Any], Any]:
        def loss(values: dict[str, Any]) -> Array:
            part = GaussianOptimalScale((4,), 1e-3, values["scale"])
            return _negative_log_likelihood(part, values["weight"], batch)

        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(jax.grad(loss)(values), state, values)
        return optax.apply_updates(values, updates), state  # pyright: ignore[reportReturnType]

    values, variances = tree(part, params), [0.01]
    errors = []
    for _ in range(200):
        errors.append(float(jnp.mean((batch - values["weight"]) ** 2)))
        values, state = step(values, state)
        variances.append(float(jnp.exp(values["scale"].value)))
    # The exact moving average of the batch's own optima, from the first step on.
    average = 0.01
    for error, variance in zip(errors, variances[1:], strict=True):
        average = 0.9 * average + 0.1 * error
        assert variance == pytest.approx(average, rel=1e-3)
    assert variances[-1] == pytest.approx(errors[-1], rel=0.02)
    optimal = GaussianOptimalScale((4,), 1e-3, values["scale"])
    loss_of_optimal = _negative_log_likelihood(optimal, values["weight"], batch)
    for wrong in (1.0, 10.0):
        distribution = GaussianFixedScale((4,), 1e-3, scale=wrong).distribution(values["weight"])
        assert -_mean_log_prob(distribution, batch) > loss_of_optimal + 1
    # The negative control: the fixed scale that is right loses nothing.
    right = GaussianFixedScale((4,), 1e-3, scale=np.sqrt(errors[-1])).distribution(values["weight"])
    assert float(-_mean_log_prob(right, batch)) == pytest.approx(float(loss_of_optimal), abs=1e-3)


def test_a_perfect_reconstruction_leaves_the_tracked_variance_finite() -> None:
    part = GaussianOptimalScale((2,), 0.1, -8.0)
    gradient = jax.grad(_negative_log_likelihood)(part, jnp.zeros(2), jnp.zeros((3, 2)))
    # Below the floor by less than a hundredth of it: from there the average comes back at once.
    assert float(gradient.tracked_log_variance.value) == pytest.approx(1 - 1e-6 * np.exp(8.0), rel=1e-4)
    far = GaussianOptimalScale((2,), 0.1, -1000.0)
    assert np.isfinite(float(jax.grad(_negative_log_likelihood)(far, jnp.zeros(2), jnp.ones((3, 2))).tracked_log_variance.value))


@pytest.mark.parametrize("changes", [{}, {"gradient_clip": 1.0}, {"optimizer": "adamw", "weight_decay": 0.1}])
def test_a_model_that_tracks_nothing_has_the_plain_optimizers_state(changes: dict[str, Any]) -> None:
    params = {"weight": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    plain = optax.adam(0.01)
    wrapped = with_moving_averages(plain)
    assert jax.tree.structure(wrapped.init(params)) == jax.tree.structure(plain.init(params))
    tracked = {**params, "scale": Tracked(jnp.float32(0.0))}
    assert jax.tree.structure(wrapped.init(tracked)) != jax.tree.structure(plain.init(tracked))
    # Beside a tracked number, the others move as they would without it.
    optimizer, gradient = _optimizer(**changes), jax.tree.map(jnp.ones_like, tracked)
    alone = {name: gradient[name] for name in params}
    with jax.numpy_dtype_promotion("standard"):
        with_tracked: Any = optimizer.update(gradient, optimizer.init(tracked), tracked)[0]
        without: Any = optimizer.update(alone, optimizer.init(params), params)[0]
    for name in params:
        np.testing.assert_array_equal(with_tracked[name], without[name])


def test_only_weights_decay() -> None:
    params = {"weight": jnp.ones((2, 2)), "bias": jnp.ones(2), "log_scale": jnp.ones((2, 2))}
    optimizer = _optimizer(optimizer="adamw", weight_decay=0.1)
    with jax.numpy_dtype_promotion("standard"):
        updates: Any = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)[0]
    assert float(updates["weight"].max()) < 0
    assert not updates["bias"].any()
    assert not updates["log_scale"].any()


# --- The continuous Bernoulli ------------------------------------------------------------------------------------------------


def test_continuous_bernoulli_near_one_half_and_far_from_it() -> None:
    """The logit form against the published one, in double precision with the limit at lambda = 1/2 by its series."""
    logits = np.array([-300.0, -50.0, -1.0001, -0.9999, -0.1, -1e-3, -1e-6, 0.0, 1e-9, 1e-4, 0.3, 0.9999, 1.0001, 7.0, 50.0])
    size = np.where(np.abs(logits) < 1e-2, 1.0, np.abs(logits))
    closed = np.maximum(logits, 0) + np.log(-np.expm1(-size) / size)
    exact = np.where(np.abs(logits) < 1e-2, logits / 2 + logits**2 / 24, closed)
    raw = jnp.asarray(logits, jnp.float32)
    np.testing.assert_allclose(log_normaliser(raw), exact, rtol=3e-7, atol=1e-7)
    # A'(a) is the mean and A''(a) the variance: by autodiff, at 0 too, and without a NaN.
    mean = jax.vmap(jax.grad(log_normaliser))(raw)
    variance = jax.vmap(jax.grad(jax.grad(log_normaliser)))(raw)
    distribution = ContinuousBernoulliDistribution(raw)
    np.testing.assert_allclose(distribution.mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(distribution.variance, variance, rtol=1e-3, atol=1e-6)
    assert float(distribution.mean[7]) == 0.5
    assert float(distribution.variance[7]) == pytest.approx(1 / 12)
    # The mean is not lambda, as is often shown: at a = 7, lambda is 0.999 and the mean 6/7.
    assert float(distribution.mean[13]) == pytest.approx(6 / 7, abs=1e-3)
    # Draws keep a finite gradient on both sides of 0 and at it.
    gradient = jax.vmap(jax.grad(lambda a: ContinuousBernoulliDistribution(a).sample(jax.random.key(0))))(raw)
    assert np.isfinite(np.asarray(gradient)).all()
    np.testing.assert_allclose(gradient[4:10], gradient[7], rtol=0.1)


def test_bernoulli_loss_on_grey_levels_is_no_density() -> None:
    """The negative control: without the constant the integral is at most 1/2."""
    y = np.linspace(0, 1, 2001)
    a = jnp.float32(0.5)
    density = np.exp(np.asarray(ContinuousBernoulliDistribution(a).log_prob(jnp.asarray(y, jnp.float32)), np.float64))
    assert np.trapezoid(density, y) == pytest.approx(1.0, abs=1e-5)
    rate = 1 / (1 + np.exp(-0.5))
    assert np.trapezoid(rate**y * (1 - rate) ** (1 - y), y) < 0.5


# --- The quantised Gaussian, Beta and the low-rank Gaussian where float32 is hard --------------------------------------------


@pytest.mark.parametrize("width", [1e-6, 1e-3, 0.1, 0.99, 1.01, 5.0, 100.0])
def test_quantized_gaussian_mass_in_the_tails(width: float) -> None:
    centres = np.array([0.0, 0.3, -1.5, 1.99, 2.01, -9.0, 20.0, 200.0, 1e4])
    found = np.asarray(log_mass_between(jnp.asarray(centres, jnp.float32), jnp.full(9, width, jnp.float32)), np.float64)
    near, far = np.abs(centres) - np.float64(np.float32(width)) / 2, np.abs(centres) + np.float64(np.float32(width)) / 2
    log_near, log_far = scipy.stats.norm.logsf(near), scipy.stats.norm.logsf(far)
    # Narrow intervals by the density at the middle, whose relative error is (w c)^2 / 24; the rest by log(S - S).
    middle = scipy.stats.norm.logpdf(centres) + np.log(width)
    is_narrow = np.maximum(np.abs(centres), 1) * width < 2e-3
    expected = np.where(is_narrow, middle, log_near + np.log(-np.expm1(np.minimum(log_far - log_near, -1e-12))))
    tolerance = {1e-6: 1e-4, 1e-3: 1e-5}.get(width, 3e-6)
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=tolerance)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("loc", "scale"), [(0.3337, 0.1 / 255), (0.5, 0.004), (-0.5, 0.1), (1.7, 0.1), (0.5, 1e4)])
def test_quantized_gaussian_masses(loc: float, scale: float) -> None:
    distribution = QuantizedGaussianDistribution(jnp.float32(loc), jnp.float32(scale), Lattice(0.0, 1.0, 256))
    found = np.asarray(distribution.log_prob(jnp.linspace(0, 1, 256)), np.float64)
    masses = quantized_masses(float(np.float32(loc)), float(np.float32(scale)), 0.0, 1.0, 256)
    rounding = 3e-8 / scale
    assert np.exp(found).sum() == pytest.approx(1.0, abs=2e-6 + 2 * rounding)
    seen = masses > 1e-290
    distance = np.abs(np.linspace(0, 1, 256) - loc)[seen] / scale
    assert np.all(np.abs(found[seen] - np.log(masses[seen])) < 1e-5 + 2e-6 * np.abs(found[seen]) + 4 * rounding * (1 + distance))
    assert np.isfinite(found).all()
    assert float(distribution.mean) == pytest.approx(np.linspace(0, 1, 256) @ masses, abs=1e-5)


@pytest.mark.parametrize("concentration", [0.2, 1.0, 30.0, 1e3, 1e5])
@pytest.mark.parametrize("mean", [1e-3, 0.3, 0.999])
def test_beta_of_a_high_concentration(mean: float, concentration: float) -> None:
    loc, co_loc, c = jnp.float32(mean), jnp.float32(1 - mean), jnp.float32(concentration)
    alpha, beta = float(c) * float(loc), float(c) * float(co_loc)
    y = scipy.stats.beta.ppf(np.array([0.01, 0.5, 0.99]), alpha, beta).clip(1e-30, 1 - 1e-6).astype(np.float32)
    distribution = BetaDistribution(jnp.full(3, loc), jnp.full(3, co_loc), jnp.full(3, c))
    expected = scipy.stats.beta.logpdf(y.astype(np.float64), alpha, beta)
    np.testing.assert_allclose(distribution.log_prob(jnp.asarray(y)), expected, rtol=1e-5, atol=2e-3 if c > 1e4 else 1e-4)


def test_low_rank_normal_with_large_factors_that_are_alike() -> None:
    """I + V'V is singular in float32 here; its Cholesky factor does not exist, and the density does."""
    size, rank = 100, 3
    factor = np.full((rank, size), 50.0) + RNG.normal(size=(rank, size)) * [[0.0], [0.01], [1.0]]
    loc, log_scale, y = RNG.normal(size=size), np.full(size, np.log(0.05)), 50 * RNG.normal() + 0.05 * RNG.normal(size=size)
    arrays = [jnp.asarray(value, jnp.float32) for value in (loc, factor, log_scale, y)]

    def log_prob(loc: Array, factor: Array, log_scale: Array, y: Array) -> Array:
        return LowRankNormal(loc, factor, log_scale).log_prob(y)

    loc, factor, log_scale, y = (np.asarray(value, np.float64) for value in arrays)
    covariance = factor.T @ factor + np.diag(np.exp(2 * log_scale))
    sign, log_det = np.linalg.slogdet(covariance)
    expected = -0.5 * ((y - loc) @ np.linalg.solve(covariance, y - loc) + log_det + size * np.log(2 * np.pi))
    value, gradient = jax.jit(jax.value_and_grad(log_prob, argnums=(0, 1, 2)))(*arrays)
    assert sign == 1
    assert float(value) == pytest.approx(expected, rel=1e-3)
    assert all(np.isfinite(np.asarray(part)).all() for part in gradient)
    # The negative control: the textbook way.
    scaled = jnp.asarray(factor / np.exp(log_scale), jnp.float32)
    textbook = jnp.linalg.cholesky(jnp.eye(rank) + scaled @ scaled.T)
    by_cholesky = 2 * float(jnp.log(jnp.diagonal(textbook)).sum())
    exact = np.linalg.slogdet(np.eye(rank) + (factor / np.exp(log_scale)) @ (factor / np.exp(log_scale)).T)[1]
    assert not abs(by_cholesky - exact) < 0.01


# --- NumPyro's families ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("Weibul", "Weibull"),
        ("Uniform", "its support depends on its arguments"),
        ("Dirichlet", "it is about vectors or matrices"),
        ("Cauchy", "its mean does not exist"),
        ("HurdleGamma", "a point mass besides its density"),
        ("os", "AsymmetricLaplace"),
        ("", "AsymmetricLaplace"),
    ],
)
def test_families_that_cannot_be_used_are_refused(family: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        NumPyroLikelihood((2,), family=family)


def test_numpyro_family_is_held_against_its_own_support() -> None:
    positive = np.abs(TABLE) + 0.5
    part = NumPyroLikelihood.build(PartConfig("likelihood", "numpyro", {"distribution": "Weibull"}), context_of(positive, "none"))
    params = part.initial_params(positive.mean(axis=0), positive.std(axis=0))
    distribution: Any = part.distribution(jnp.asarray(params))
    np.testing.assert_allclose(distribution.mean, positive.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(np.sqrt(np.asarray(distribution.variance)), positive.std(axis=0), rtol=1e-3)
    assert part.measure == "lebesgue"
    partly_positive = np.where([False, True, False], positive, TABLE)
    # 0 lies in the closed support that NumPyro gives some densities, and has no finite log-density.
    with_zero, with_one = positive.copy(), 1 / (1 + positive)
    with_zero[0, 1], with_one[0, 2] = 0.0, 1.0
    for family, data, expected in (
        ("Weibull", partly_positive, "whose support is numbers above 0, but columns 0, 2 hold"),
        ("Poisson", positive, "whose support is the whole numbers from 0 up"),
        ("Gamma", with_zero, "column 1"),
        ("Beta", with_one, "numbers from 0 to 1, but column 2 holds"),
    ):
        assert expected in str(NumPyroLikelihood((3,), family).misfit(describe(data), Affine(0.0, 1.0)))
    assert NumPyroLikelihood((3,), "Weibull").misfit(describe(positive), Affine(0.0, 1.0)) is None
    config = RunConfig().updated({"likelihood": {"name": "numpyro", "distribution": "Weibull"}})
    with pytest.raises(DataError, match=r"likelihood.name is 'numpyro', whose support is numbers above 0, but columns 0, 2 hold"):
        SingleLayer.build(config, context_of(partly_positive, "none"), {})


def test_a_discrete_family_sums_to_one() -> None:
    counts = RNG.poisson(5.0, size=(200, 2)).astype(np.int64)
    part = NumPyroLikelihood.build(
        PartConfig("likelihood", "numpyro", {"distribution": "NegativeBinomial2"}), context_of(counts, "none")
    )
    assert part.measure == "counting"
    params = jnp.asarray(part.initial_params(counts.mean(axis=0), counts.std(axis=0)))
    grid = jnp.stack(jnp.meshgrid(jnp.arange(60.0), jnp.arange(60.0)), -1).reshape(-1, 2)
    with jax.numpy_dtype_promotion("standard"):
        masses = jax.vmap(part.distribution(params).log_prob)(grid)
    # These vary no more than a Poisson variable does, so the concentration is at its limit, where float32 keeps three digits.
    # With a concentration of e^15 the sum would be 0.9.
    assert float(jnp.exp(masses).sum()) == pytest.approx(1.0, abs=1e-3)
