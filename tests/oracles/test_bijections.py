"""Invertible networks: the log-determinant is autodiff's, the inverse goes back, nothing sees what it must not see."""

from __future__ import annotations

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registered.case import perturbed

from lowerbound.bijections import AbstractBijection, Inverted, MaskedAutoregressive, PlanarStep, SplineCoupling
from lowerbound.bijections.spline import INTERVAL, RationalQuadraticSpline
from lowerbound.errors import ConfigurationError

DIM, CONTEXT = 5, 2
_KEY = jax.random.key(0)
BIJECTIONS: dict[str, AbstractBijection] = {
    "spline": SplineCoupling(DIM, CONTEXT, num_layers=3, hidden_width=8, num_bins=5, key=_KEY),
    "gate": MaskedAutoregressive(DIM, CONTEXT, num_layers=3, hidden_width=8, form="gate", key=_KEY),
    "affine": MaskedAutoregressive(DIM, CONTEXT, num_layers=3, hidden_width=8, form="affine", key=_KEY),
}
every_bijection = pytest.mark.parametrize("name", BIJECTIONS)


@functools.cache
def _passed(name: str) -> dict[str, np.ndarray]:
    """Points, their images with log-determinants and Jacobians, and the way back; one program for each bijection."""
    # At larger weights a stack of splines is too steep for float32 to tell its Jacobian's determinant.
    bijection = perturbed(BIJECTIONS[name], jax.random.key(1), 0.1 if name == "spline" else 0.3)
    # Far enough for some to lie outside the splines' interval.
    z = 2.5 * jax.random.normal(jax.random.key(2), (40, DIM))
    context = jax.random.normal(jax.random.key(3), (40, CONTEXT))

    def one(z: jax.Array, context: jax.Array) -> dict[str, jax.Array]:
        image, log_det = bijection.forward_and_log_det(z, context)
        back, log_det_back = bijection.inverse_and_log_det(image, context)
        jacobian = jax.jacobian(lambda z: bijection.forward_and_log_det(z, context)[0])(z)
        by_context = jax.jacobian(lambda context: bijection.forward_and_log_det(z, context)[0])(context)
        both = {"image": image, "log_det": log_det, "back": back, "log_det_back": log_det_back}
        return {**both, "jacobian": jacobian, "by_context": by_context}

    found = jax.jit(jax.vmap(one))(z, context)
    return {"z": np.asarray(z), **{key: np.asarray(value, np.float64) for key, value in found.items()}}


@every_bijection
def test_log_determinant_is_that_of_the_jacobian(name: str) -> None:
    found = _passed(name)
    sign, log_abs_det = np.linalg.slogdet(found["jacobian"])
    np.testing.assert_allclose(found["log_det"], log_abs_det, atol=2e-4)
    assert (np.abs(sign) == 1).all()
    # The negative control: the determinants differ from point to point by far more.
    assert np.ptp(log_abs_det) > 0.1


@every_bijection
def test_inverse_goes_back(name: str) -> None:
    found = _passed(name)
    np.testing.assert_allclose(found["back"], found["z"], atol=2e-3)
    np.testing.assert_allclose(found["log_det_back"], -found["log_det"], atol=2e-3)
    assert np.abs(found["image"] - found["z"]).max() > 0.5


@every_bijection
def test_every_latent_and_the_context_are_used(name: str) -> None:
    found = _passed(name)
    assert (np.abs(found["by_context"]).max(axis=0) > 1e-3).all()
    off_diagonal = found["jacobian"][:, ~np.eye(DIM, dtype=bool)]
    assert np.abs(off_diagonal).max() > 1e-2


@pytest.mark.parametrize("form", ["gate", "affine"])
def test_a_masked_layer_sees_only_what_comes_before(form: Any) -> None:
    one_layer = MaskedAutoregressive(DIM, 0, num_layers=1, hidden_width=11, form=form, key=_KEY)
    one_layer = perturbed(one_layer, jax.random.key(1), 1.0)
    z = jnp.arange(1.0, DIM + 1) / DIM
    jacobian = jax.jacobian(lambda z: jnp.flip(one_layer.forward_and_log_det(z, jnp.zeros(0))[0]))(z)
    above, below = np.triu_indices(DIM, 1), np.tril_indices(DIM, -1)
    assert (np.asarray(jacobian)[above] == 0).all()
    # A latent moves with its own scale alone, which it has no part in.
    np.testing.assert_allclose(one_layer.forward_and_log_det(z)[1], np.log(np.diag(jacobian)).sum(), atol=1e-4)
    # The negative control: of all that comes before, everything is seen.
    assert (np.asarray(jacobian)[below] != 0).all()


def test_gate_by_hand() -> None:
    """Two latents, weights at 0: s = sigmoid(2) and m = 0.5 for both, so y = s z + (1 - s) / 2, reversed."""
    layer = MaskedAutoregressive(2, 0, num_layers=1, hidden_width=3, form="gate", key=_KEY)
    layer = jax.tree.map(lambda leaf: jnp.zeros_like(leaf) if eqx.is_inexact_array(leaf) else leaf, layer)
    layer = eqx.tree_at(lambda layer: layer.conditioners.output_bias, layer, jnp.array([[2.0, 2.0, 0.5, 0.5]]))
    image, log_det = layer.forward_and_log_det(jnp.array([1.0, -3.0]), jnp.zeros(0))
    s = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(image, [-3 * s + (1 - s) / 2, s + (1 - s) / 2], rtol=1e-6)
    assert float(log_det) == pytest.approx(2 * np.log(s), rel=1e-6)


@jax.jit
@jax.vmap
def _there_and_back(raw: jax.Array, x: jax.Array) -> tuple[jax.Array, ...]:
    spline = RationalQuadraticSpline.from_raw(raw)
    y, log_slope = spline.forward_and_log_det(x)
    return y, log_slope, *spline.inverse_and_log_det(y), jax.grad(lambda x: spline.forward_and_log_det(x)[0])(x)


NUM_POINTS = 500


def _splines(raw: jax.Array, x: jax.Array) -> tuple[np.ndarray, ...]:
    """y, log dy/dx, the way back, log dx/dy, and dy/dx by autodiff; always as many points, so that it is compiled once."""
    return tuple(np.asarray(value) for value in _there_and_back(jnp.broadcast_to(raw, (NUM_POINTS, 14)), x))


def test_spline_is_the_identity_at_raw_0_and_outside() -> None:
    x = jnp.linspace(-7, 7, NUM_POINTS)
    y, log_slope, *_ = _splines(jnp.zeros(14), x)
    np.testing.assert_allclose(y, x, atol=1e-5)
    np.testing.assert_allclose(log_slope, 0, atol=1e-5)
    raw = jax.random.normal(_KEY, (NUM_POINTS, 14))
    y, log_slope, *_ = _splines(raw, x)
    outside = np.abs(np.asarray(x)) > INTERVAL
    np.testing.assert_array_equal(y[outside], np.asarray(x)[outside])
    assert (log_slope[outside] == 0).all()
    assert np.abs(y - x)[~outside].max() > 0.1
    # At the ends the slope is 1 from within too.
    ends = (INTERVAL - 1e-4) * jnp.where(jnp.arange(NUM_POINTS) % 2 == 0, 1.0, -1.0)
    np.testing.assert_allclose(_splines(raw, ends)[1], 0, atol=2e-2)


def test_spline_rises_and_its_slope_is_its_derivative() -> None:
    raw = jax.random.normal(_KEY, (14,))
    x = jnp.linspace(-6, 6, NUM_POINTS)
    y, log_slope, back, log_slope_back, slope = _splines(raw, x)
    assert (np.diff(y) > 0).all()
    np.testing.assert_allclose(np.exp(log_slope), slope, rtol=1e-4)
    assert np.ptp(log_slope) > 1
    np.testing.assert_allclose(back, x, atol=1e-4)
    np.testing.assert_allclose(log_slope_back, -log_slope, atol=1e-3)


def test_spline_is_that_of_durkan_by_hand() -> None:
    """Equations 4 and 5 in double precision, at the middle of a bin between knots with slopes 1 and 3."""
    spline = RationalQuadraticSpline(jnp.array([4.0, 6.0]), jnp.array([2.0, 8.0]), jnp.array([1.0, 3.0, 1.0]))
    # First bin: from (-5, -5) to (-1, -3), s = 0.5, slopes 1 and 3; theta = 1/2 at x = -3.
    y, log_slope = spline.forward_and_log_det(jnp.float32(-3.0))
    denominator = 0.5 + (3 + 1 - 2 * 0.5) * 0.25
    assert float(y) == pytest.approx(-5 + 2 * (0.5 * 0.25 + 1 * 0.25) / denominator, rel=1e-6)
    slope = 0.5**2 * (3 * 0.25 + 2 * 0.5 * 0.25 + 1 * 0.25) / denominator**2
    assert float(log_slope) == pytest.approx(np.log(slope), rel=1e-5)
    assert float(spline.inverse_and_log_det(y)[0]) == pytest.approx(-3.0, abs=1e-5)


@jax.jit
@jax.vmap
def _gradient_back(raw: jax.Array, y: jax.Array) -> tuple[jax.Array, ...]:
    def total(raw: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.stack(RationalQuadraticSpline.from_raw(raw).inverse_and_log_det(y)).sum()

    return jax.grad(total, argnums=(0, 1))(raw, y)


@pytest.mark.parametrize("scale", [3.0, 50.0])
def test_spline_goes_back_and_has_gradients_at_wild_numbers(scale: float) -> None:
    raw = scale * jax.random.normal(_KEY, (NUM_POINTS, 14))
    x = 2 * jax.random.normal(jax.random.key(1), (NUM_POINTS,))
    y, _, back, *_ = _splines(raw, x)
    # Where the slope is 1e-4, a rounding error of y is one of 5e-3 of x.
    assert np.abs(back - x).max() < 0.05

    for gradient in _gradient_back(raw, jnp.asarray(y)):
        assert np.isfinite(np.asarray(gradient)).all()


def test_an_inverted_step_goes_the_other_way_round_with_or_without_a_context() -> None:
    step = PlanarStep(jnp.array([1.0, -2.0]), jnp.array([0.5, 0.3]), jnp.array(0.2))
    z = jnp.array([0.4, -1.0])
    for context in (None, jnp.ones(3)):
        for found, expected in zip(Inverted(step).forward_and_log_det(z, context), step.inverse_and_log_det(z), strict=True):
            np.testing.assert_array_equal(found, expected)
        for found, expected in zip(Inverted(step).inverse_and_log_det(z, context), step.forward_and_log_det(z), strict=True):
            np.testing.assert_array_equal(found, expected)
    # The negative control: the two directions differ.
    assert float(jnp.abs(step.forward_and_log_det(z)[0] - step.inverse_and_log_det(z)[0]).max()) > 0.1


def test_one_latent_is_taken_or_refused() -> None:
    one = MaskedAutoregressive(1, 2, num_layers=1, hidden_width=4, form="gate", key=_KEY)
    assert one.forward_and_log_det(jnp.ones(1), jnp.ones(2))[0].shape == (1,)
    with pytest.raises(ConfigurationError, match=r"needs 2 latents or more, but latent_dim is 1.*mixture-of-gaussians"):
        SplineCoupling(1, 2, num_layers=1, hidden_width=4, num_bins=4, key=_KEY)


@pytest.mark.parametrize(("key", "value"), [("num_layers", 0), ("hidden_width", 0), ("num_bins", 1), ("context_dim", -1)])
def test_impossible_sizes_are_refused(key: str, value: int) -> None:
    sizes = {"context_dim": 0, "num_layers": 1, "hidden_width": 4, "num_bins": 4, key: value}
    with pytest.raises(ConfigurationError, match=f"{key} is {value}"):
        SplineCoupling(2, sizes.pop("context_dim"), **sizes, key=_KEY)
