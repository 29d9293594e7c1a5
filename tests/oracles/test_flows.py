"""Flow steps: log-determinants against autodiff, inverses, derivatives through the inverses, and formulas worked by hand."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lowerbound.bijections import PlanarStep, SylvesterStep, monotone
from lowerbound.bijections.orthogonal import Axes, Reflections, orthogonalised, orthonormal_columns, product_of_reflections
from lowerbound.bijections.sylvester import step_of
from lowerbound.config import RunConfig
from lowerbound.densities import Transformed
from lowerbound.errors import ConfigurationError
from lowerbound.posteriors import (
    AbstractPosteriorFamily,
    FullGaussian,
    Householder,
    HouseholderSylvester,
    LowRankGaussian,
    OrthogonalSylvester,
    Planar,
    TriangularSylvester,
)

LATENT_DIM = 4
NUM_CASES = 64
FLOWS: dict[str, AbstractPosteriorFamily] = {
    "planar": Planar(LATENT_DIM, num_flows=2),
    "sylvester-orthogonal": OrthogonalSylvester(LATENT_DIM, num_flows=1, num_directions=2),
    "sylvester-householder": HouseholderSylvester(LATENT_DIM, num_flows=1, num_reflections=3),
    "sylvester-triangular": TriangularSylvester(LATENT_DIM, num_flows=1),
}
FAMILIES: dict[str, AbstractPosteriorFamily] = {
    **FLOWS,
    "householder": Householder(LATENT_DIM, num_flows=2),
    "low-rank-gaussian": LowRankGaussian(LATENT_DIM, rank=2),
    "full-gaussian": FullGaussian(LATENT_DIM),
}
every_flow = pytest.mark.parametrize("name", FLOWS)
every_family = pytest.mark.parametrize("name", FAMILIES)


@functools.cache
def _walk(name: str) -> Callable[..., dict[str, jax.Array]]:
    """For a batch of parameters and z, what each step of the flow says on the way."""

    def walk(params: jax.Array, z: jax.Array) -> dict[str, jax.Array]:
        posterior = FLOWS[name].at(params)
        assert isinstance(posterior, Transformed)
        seen = []
        for step in posterior.steps:
            moved, log_det = step.forward_and_log_det(z)
            back, inverse_log_det = step.inverse_and_log_det(moved)
            jacobian = jax.jacfwd(lambda z, step=step: step.forward_and_log_det(z)[0])(z)
            elsewhere = step.forward_and_log_det(z + 0.1)[1]
            seen.append(
                {
                    "z": z,
                    "back": back,
                    "moved": moved,
                    "log_det": log_det,
                    "inverse_log_det": inverse_log_det,
                    "autodiff": jnp.linalg.slogdet(jacobian)[1],
                    "elsewhere": elsewhere,
                }
            )
            z = moved
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *seen)

    return jax.jit(jax.vmap(walk))


def _inputs(family: AbstractPosteriorFamily, spread: float, dtype: Any) -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    params = spread * rng.standard_normal((NUM_CASES, *family.param_shape))
    return jnp.asarray(params, dtype), jnp.asarray(1.5 * rng.standard_normal((NUM_CASES, LATENT_DIM)), dtype)


# With a spread of 8 the diagonals of R and R~ are at their limits and w^T u goes down to -100.
@pytest.mark.parametrize("spread", [1.0, 8.0])
@every_flow
def test_log_determinant_is_that_of_the_autodiff_jacobian(name: str, spread: float) -> None:
    with jax.enable_x64(True):
        said = jax.tree.map(np.asarray, _walk(name)(*_inputs(FLOWS[name], spread, jnp.float64)))
    np.testing.assert_allclose(said["log_det"], said["autodiff"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(said["inverse_log_det"], -said["log_det"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(said["back"], said["z"], rtol=1e-6, atol=1e-6)
    # The negative control: the log-determinant a tenth beside z.
    assert np.abs(said["elsewhere"] - said["autodiff"]).max() > 0.01


@every_family
def test_density_of_a_draw_is_the_density_there(name: str) -> None:
    """In float32, where the inverse of a flow must find the draw's own noise again."""
    family = FAMILIES[name]

    @jax.jit
    @jax.vmap
    def said(params: jax.Array, z: jax.Array, key: jax.Array) -> dict[str, jax.Array]:
        posterior = family.at(params)
        draw, of_draw = posterior.sample_and_log_prob(key)
        moved, back = z, z
        if isinstance(posterior, Transformed):
            for step in posterior.steps:
                moved, _ = step.forward_and_log_det(moved)
            back = moved
            for step in reversed(posterior.steps):
                back, _ = step.inverse_and_log_det(back)
        densities = {"there": posterior.log_prob(draw), "beside": posterior.log_prob(draw + 0.01)}
        return {"of_draw": of_draw, "moved": moved, "back": back, **densities}

    params, z = _inputs(family, 1.0, jnp.float32)
    found = jax.tree.map(np.asarray, said(params, z, jax.random.split(jax.random.key(0), NUM_CASES)))
    np.testing.assert_allclose(found["there"], found["of_draw"], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(found["back"], z, rtol=1e-5, atol=1e-5)
    # The negative controls: a hundredth beside the draw is seen, and flows do move z.
    assert np.abs(found["beside"] - found["of_draw"]).max() > 1e-2
    assert name not in FLOWS or np.abs(found["moved"] - z).max(axis=-1).min() > 1e-3


@every_family
def test_gradient_of_the_density_is_the_finite_difference(name: str) -> None:
    """By all the parameters and by z, where the inverse of a flow is the root of an equation."""
    family = FAMILIES[name]

    def log_prob(vector: jax.Array) -> jax.Array:
        return family.at(vector[:-LATENT_DIM].reshape(family.param_shape)).log_prob(vector[-LATENT_DIM:])

    with jax.enable_x64(True):
        size = math.prod(family.param_shape) + LATENT_DIM
        points = np.random.default_rng(1).standard_normal((4, size))
        step = 1e-5
        shifts = step * np.concatenate([np.eye(size), -np.eye(size)])
        rows = np.concatenate([points, points + 1e-3, (points[:, None] + shifts).reshape(-1, size)])
        values, gradients = jax.jit(jax.vmap(jax.value_and_grad(log_prob)))(jnp.asarray(rows))
    around = np.asarray(values)[8:].reshape(4, 2, size)
    difference = (around[:, 0] - around[:, 1]) / (2 * step)
    np.testing.assert_allclose(np.asarray(gradients)[:4], difference, rtol=2e-5, atol=2e-5)
    # The negative control: the gradient a thousandth beside.
    assert np.abs(np.asarray(gradients)[4:8] - difference).max() > 1e-3


@every_family
def test_encoder_output_of_zero_is_a_good_start(name: str) -> None:
    """Standard normal draws, and a gradient for every kind of parameter that the encoder may move."""
    family = FAMILIES[name]

    @jax.jit
    @jax.vmap
    def start(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        def loss(params: jax.Array) -> tuple[jax.Array, jax.Array]:
            z, log_prob = family.at(params).sample_and_log_prob(key)
            # A target that no diagonal Gaussian is.
            return log_prob + jnp.square(z[0] - jnp.square(z[1])) + z.sum(), z

        gradient, z = jax.grad(loss, has_aux=True)(jnp.zeros(family.param_shape))
        return gradient, z, jax.random.normal(key, (LATENT_DIM,))

    gradient, z, epsilon = map(np.asarray, start(jax.random.split(jax.random.key(0), 8)))
    if name != "low-rank-gaussian":
        np.testing.assert_allclose(z, epsilon, atol=1e-6)
    assert np.isfinite(gradient).all()
    base = 2 * LATENT_DIM
    assert np.abs(gradient.reshape(len(gradient), -1)[:, base:]).max() > 1e-2


def test_planar_step_worked_by_hand() -> None:
    r"""w = (2, 0), u = (-3, 1), b = 1/2, z = (0.1, -0.2), so w^T u = -6 and |w|^2 = 4.

    m(-6) = -1 + log(1 + e^-6) = -0.997524315
    u_hat = (-3 + (-0.997524315 + 6) 2 / 4, 1) = (-0.498762157, 1)
    w^T z + b = 0.7, tanh(0.7) = 0.604367777, tanh'(0.7) = 1 - 0.604367777^2 = 0.634739590
    z' = (0.1 - 0.498762157 * 0.604367777, -0.2 + 0.604367777) = (-0.201435776, 0.404367777)
    log|det| = log(1 - 0.634739590 * 0.997524315) = log(0.366831811) = -1.002851800
    """
    w = jnp.array([2.0, 0.0])
    step = PlanarStep(w, jnp.array([-3.0, 1.0]) - math.log(math.e - 1) * w / 4, jnp.array(0.5))
    z, log_det = step.forward_and_log_det(jnp.array([0.1, -0.2]))
    np.testing.assert_allclose(np.asarray(step.u_hat), [-0.498762157, 1.0], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(z), [-0.201435776, 0.404367777], rtol=1e-5)
    assert float(log_det) == pytest.approx(-1.002851800, rel=1e-5)
    # The mis-copied forms are far from it: no division by |w|^2; m without its -1.
    assert abs(-3 + (-0.997524315 + 6) * 2 - -0.498762157) > 1
    assert abs(-3 + (0.002475685 + 6) * 2 / 4 - -0.498762157) > 0.4


def test_planar_constraint_holds_at_any_parameters() -> None:
    rng = np.random.default_rng(0)
    scales = np.exp(rng.uniform(-12, 4, (2, 5000, 1)))
    w, u = jnp.asarray(scales * rng.standard_normal((2, 5000, 3)), jnp.float32)
    steps = jax.vmap(PlanarStep)(w, u, jnp.zeros(5000))
    products = np.sum(np.asarray(w, np.float64) * np.asarray(jax.vmap(lambda step: step.u_hat)(steps)), axis=1)
    slopes = np.asarray(jax.vmap(lambda step: step.slope)(steps))
    # float32 rounds w^T u, which is up to 1e4 here.
    size = np.maximum(1.0, np.linalg.norm(w, axis=1) * np.linalg.norm(u, axis=1))
    np.testing.assert_array_less(np.abs(products - (slopes - 1)) / size, 1e-6)
    assert slopes.min() > 0
    # The negative control: the unconstrained vectors break it.
    assert np.sum(np.asarray(w) * np.asarray(u), axis=1).min() < -10


def test_the_base_of_planar_steps_is_as_the_encoder_says_and_never_wider_than_four_in_log_variance() -> None:
    """An encoder that extrapolates would send an image away as far as e^7.5, and one such image decides a test set's mean."""
    said = jnp.asarray([-15.0, -3.3, 0.0, 1.9, 2.1, 12.0])
    base = Planar(6, 1).at(jnp.concatenate([jnp.full(6, 0.3), said, jnp.zeros(13)])).base
    log_variance = np.log(np.asarray(base.variance))
    np.testing.assert_allclose(log_variance[:4], said[:4], rtol=1e-5, atol=1e-6)
    assert 2.09 < log_variance[4] < 2.1
    assert log_variance[5] == pytest.approx(4.0, abs=1e-3)
    np.testing.assert_array_equal(base.mean, jnp.full(6, 0.3))


def test_planar_step_without_a_direction_is_a_shift() -> None:
    """w = 0, where the paper's own u_hat has no limit."""

    def said(w: jax.Array, u: jax.Array, b: jax.Array) -> jax.Array:
        z, log_det = PlanarStep(w, u, b).forward_and_log_det(jnp.array([0.3, -0.4]))
        return z.sum() + log_det

    arguments = jnp.zeros(2), jnp.array([1.0, 2.0]), jnp.array(0.3)
    assert float(said(*arguments)) == pytest.approx(-0.1 + 3 * math.tanh(0.3), rel=1e-6)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.grad(said, argnums=(0, 1, 2))(*arguments))


def test_sylvester_step_of_one_direction_is_a_planar_step() -> None:
    """R = (r), R~ = (s), Q = (q): w = s q, u_hat = r q."""
    q, r, s, b = np.array([0.6, 0.0, -0.8]), -0.7, 0.9, 0.2
    directions = orthogonalised(jnp.asarray(q[:, None], jnp.float32))
    sylvester = SylvesterStep(directions, *(jnp.asarray(x, jnp.float32) for x in ([[r]], [[s]], [b])))
    # The u whose u_hat is r q: w^T u = m^-1(r s).
    along = math.log(math.expm1(1 + r * s)) - math.log(math.e - 1)
    planar = PlanarStep(*(jnp.asarray(x, jnp.float32) for x in (s * q, along / s * q, b)))
    z = jnp.array([0.4, -1.0, 2.0])
    for method in ("forward_and_log_det", "inverse_and_log_det"):
        for one, other in zip(getattr(sylvester, method)(z), getattr(planar, method)(z), strict=True):
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-5)


def test_triangular_sylvester_reverses_the_latents_at_every_other_step() -> None:
    family = TriangularSylvester(3, num_flows=3)
    steps: Any = family.at(jnp.ones(family.param_shape)).steps  # pyright: ignore[reportAttributeAccessIssue]
    identity = np.eye(3)
    for step, expected in zip(steps, (identity, identity[::-1], identity), strict=True):
        np.testing.assert_array_equal(np.asarray(jax.vmap(step.directions.times)(jnp.eye(3))), expected)
        assert not np.tril(step.outer, -1).any()
        assert not np.tril(step.inner, -1).any()
        assert (np.diagonal(step.outer) * np.diagonal(step.inner) > -1).all()


@pytest.mark.parametrize("size", [2, 40])
def test_sylvester_step_moves_no_further_with_more_directions(size: int) -> None:
    """An optimiser moves all the encoder's outputs together; with many directions their sum must not carry z away.

    With the squares themselves as R, forty directions would move z forty times as far (and did, in training).
    """
    step = step_of(Axes(jnp.asarray(False)), jnp.ones((size, size)), jnp.zeros(size), jnp.full(size, 3.0))
    moved, _ = step.forward_and_log_det(jnp.zeros(size))
    assert 0.5 < float(jnp.abs(moved).max()) < 2.0


def test_columns_are_orthonormal_whatever_the_matrix() -> None:
    rng = np.random.default_rng(0)
    matrices = rng.standard_normal((7, 5, 3))
    matrices[1] *= 1e4
    matrices[2, :, 1] = matrices[2, :, 0]
    matrices[3] = 50.0
    matrices[4] = 0.0
    matrices[5, :, 2] = matrices[5, :, 0] + 1e-5 * matrices[5, :, 1]
    matrices[6, :, 0] = 0.0
    matrices = jnp.asarray(matrices, jnp.float32)
    columns = np.asarray(jax.jit(jax.vmap(orthonormal_columns))(matrices))
    products = np.swapaxes(columns, 1, 2) @ columns
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-6)
    # LAPACK's, with R's diagonal made positive.
    for matrix, found in zip(np.asarray(matrices[:2], np.float64), columns[:2], strict=True):
        q, r = np.linalg.qr(matrix)
        np.testing.assert_allclose(found, q * np.sign(np.diagonal(r)), atol=1e-5)
    gradients = jax.jit(jax.vmap(jax.grad(lambda matrix: orthonormal_columns(matrix)[:, 1].sum())))(matrices)
    assert np.isfinite(np.asarray(gradients)).all()


def test_directions_are_applied_as_their_matrix() -> None:
    matrix = jnp.asarray(np.random.default_rng(1).standard_normal((5, 3)), jnp.float32)
    columns, directions = np.asarray(orthonormal_columns(matrix)), orthogonalised(matrix)
    y, z = np.array([0.3, -2.0, 1.0], np.float32), np.linspace(-1, 2, 5, dtype=np.float32)
    np.testing.assert_allclose(np.asarray(directions.times(jnp.asarray(y))), columns @ y, atol=1e-6)
    np.testing.assert_allclose(np.asarray(directions.components(jnp.asarray(z))), columns.T @ z, atol=1e-6)


def test_householder_sylvester_goes_through_the_product_of_its_reflections() -> None:
    """H_n ... H_1, the first vector's reflection first."""
    family = HouseholderSylvester(3, num_flows=1, num_reflections=2)
    params = jnp.asarray(np.random.default_rng(2).standard_normal(family.param_shape), jnp.float32)
    step: Any = family.at(params).steps[0]
    vectors = params[6:12].reshape(2, 3) + jnp.eye(1, 3)
    expected = np.asarray(product_of_reflections(jnp.eye(3), vectors))
    assert isinstance(step.directions, Reflections)
    np.testing.assert_allclose(np.asarray(jax.vmap(step.directions.times)(jnp.eye(3))).T, expected, atol=1e-6)


def test_reflections_are_undone_in_reverse() -> None:
    rng = np.random.default_rng(0)
    vectors = jnp.asarray(rng.standard_normal((3, 4)), jnp.float32).at[1].set(0.0)
    matrix = np.asarray(product_of_reflections(jnp.eye(4), vectors))
    by_hand = np.eye(4)
    for vector in np.asarray(vectors)[[0, 2]]:
        by_hand = (np.eye(4) - 2 * np.outer(vector, vector) / (vector @ vector)) @ by_hand
    np.testing.assert_allclose(matrix, by_hand, atol=1e-6)
    np.testing.assert_allclose(np.asarray(product_of_reflections(jnp.eye(4), vectors, reverse=True)), by_hand.T, atol=1e-6)


def _residuals(c: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """How far t + (slope - 1) tanh(t) is from c, as a part of |c| + |t|, in double precision."""
    t = np.asarray(jax.jit(jax.vmap(lambda c, slope: monotone.tanh_root(c, slope)))(c, slope), np.float64)
    c, slope = c.astype(np.float64), slope.astype(np.float64)
    return np.abs(t + (slope - 1) * np.tanh(t) - c) / (np.abs(c) + np.abs(t) + 1e-30)


def test_root_at_every_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    slope = np.exp(rng.uniform(np.log(3e-7), np.log(1e4), 20_000)).astype(np.float32)
    c = (np.exp(rng.uniform(-12, 10, 20_000)) * rng.choice([-1, 1], 20_000)).astype(np.float32)
    # The hardest roots: at the knee of a steep function, and at the flat of a slope near 0.
    c[:5000] = slope[:5000] * rng.uniform(-2, 2, 5000)
    assert _residuals(c, slope).max() < 1e-6
    assert _residuals(np.zeros(3, np.float32), np.array([3e-7, 1.0, 1e4], np.float32)).max() == 0
    # The negative control: half the steps are not enough.
    monkeypatch.setattr(monotone, "NEWTON_STEPS", 8)
    assert _residuals(c, slope).max() > 1e-4


def test_second_derivatives_of_the_root() -> None:
    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(monotone.tanh_root, argnums=(0, 1)))
        hessian = jax.jit(jax.hessian(monotone.tanh_root, argnums=(0, 1)))
        for c, slope in ((0.3, 0.2), (-2.0, 5.0), (1e-3, 0.01)):
            step = 1e-6
            found = np.array(hessian(c, slope))
            for axis in range(2):
                shift = step * np.eye(2)[axis]
                up, down = (np.array(gradient(c + sign * shift[0], slope + sign * shift[1])) for sign in (1, -1))
                np.testing.assert_allclose(found[axis], (up - down) / (2 * step), rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Planar(2, num_flows=0), r"posterior.num_flows is 0 \(an integer\); expected an integer >= 1."),
        (lambda: Householder(2, num_flows=0), r"posterior.num_flows is 0 \(an integer\)"),
        (lambda: HouseholderSylvester(2, num_reflections=0), "num_reflections is 0"),
        (lambda: TriangularSylvester(2, num_flows=-1), "num_flows is -1"),
        (lambda: OrthogonalSylvester(2, num_directions=3), r"posterior.num_directions=2 or less"),
        (lambda: LowRankGaussian(2, rank=0), "rank is 0"),
    ],
)
def test_sizes_out_of_range_are_refused(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        make()


def test_names_in_the_configuration() -> None:
    from lowerbound.config.catalogue import class_of

    for name, family in FAMILIES.items():
        assert class_of("posterior", name) is type(family)
    config = RunConfig.from_dict({"posterior": {"name": "sylvester-orthogonal", "num_flows": 2, "num_directions": 5}})
    assert (config.posterior.num_flows, config.posterior.num_directions) == (2, 5)
