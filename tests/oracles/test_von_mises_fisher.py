"""The von Mises-Fisher posterior: SciPy's density, closed forms of Bessel functions, and the implicit gradient of its draws."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from support.chance import agrees

from lowerbound.densities import SphericalUniformDensity, StandardNormalDensity, VonMisesFisherDensity, kl
from lowerbound.densities.polar_angle import angle_at
from lowerbound.densities.sphere import log_sphere_area
from lowerbound.errors import ConfigurationError
from lowerbound.posteriors import VonMisesFisher
from lowerbound.priors import HypersphericalUniform

DIMS = (2, 3, 8, 64)
CONCENTRATIONS = (1e-3, 0.5, 30.0, 1e4)
_RNG = np.random.default_rng(0)


def _unit(dim: int) -> np.ndarray:
    direction = _RNG.normal(size=dim)
    return direction / np.linalg.norm(direction)


@jax.jit
def _log_prob_and_kl(mu: jax.Array, concentration: jax.Array, z: jax.Array) -> tuple[jax.Array, Any]:
    posterior = VonMisesFisherDensity(mu, concentration)
    return jax.vmap(posterior.log_prob)(z), kl(posterior, SphericalUniformDensity(len(mu)))


def mean_cosine(concentration: float, dim: int) -> float:
    """A(kappa) = I_{m/2}(kappa) / I_{m/2-1}(kappa), in double precision."""
    return float(scipy.special.ive(dim / 2, concentration) / scipy.special.ive(dim / 2 - 1, concentration))


@pytest.mark.parametrize("concentration", CONCENTRATIONS)
@pytest.mark.parametrize("dim", DIMS)
def test_density_is_scipys(dim: int, concentration: float) -> None:
    mu = _unit(dim)
    law = scipy.stats.vonmises_fisher(mu, concentration)  # pyright: ignore[reportArgumentType]
    z = law.rvs(20, random_state=np.random.default_rng(1))
    found, divergence = _log_prob_and_kl(jnp.asarray(mu, jnp.float32), jnp.float32(concentration), jnp.asarray(z, jnp.float32))
    np.testing.assert_allclose(found, law.logpdf(z), rtol=3e-6, atol=5e-5)
    # KL = kappa A + log C + log|S|, where log C + kappa A is minus the entropy.
    assert np.shape(divergence) == ()
    assert float(divergence) == pytest.approx(log_sphere_area(dim) - law.entropy(), rel=1e-5, abs=2e-5)


def test_no_closed_form_to_a_prior_elsewhere() -> None:
    assert kl(VonMisesFisher(3).at(jnp.ones(4)), StandardNormalDensity(3)) is None


@functools.cache
def _angles(dim: int) -> Any:
    """t, dcos(t)/dkappa and d2cos(t)/dkappa2 at equally likely places of the distribution function."""
    uniforms = (jnp.arange(4000, dtype=jnp.float32) + 0.5) / 4000

    def cosine(concentration: jax.Array, uniform: jax.Array) -> jax.Array:
        return jnp.cos(angle_at(concentration, uniform, dim))

    def all_of(concentration: jax.Array, uniform: jax.Array) -> tuple[jax.Array, ...]:
        slope = jax.grad(cosine)
        return angle_at(concentration, uniform, dim), slope(concentration, uniform), jax.grad(slope)(concentration, uniform)

    program = jax.jit(jax.vmap(all_of, in_axes=(None, 0)))
    return lambda concentration: tuple(np.asarray(x, np.float64) for x in program(jnp.float32(concentration), uniforms))


@pytest.mark.parametrize("concentration", [0.1, 3.0, 200.0])
@pytest.mark.parametrize("dim", [2, 3, 20])
def test_gradient_of_an_expectation_by_the_concentration(dim: int, concentration: float) -> None:
    """E[d cos t / dkappa] over the draws is A'(kappa), and the second derivative A''; both by differences in double precision."""
    angles, slopes, curvatures = _angles(dim)(concentration)
    step = 1e-3 * concentration
    below, here, above = (mean_cosine(concentration + shift, dim) for shift in (-step, 0.0, step))
    assert np.cos(angles).mean() == pytest.approx(here, rel=1e-4, abs=1e-5)
    slope = (above - below) / (2 * step)
    assert slopes.mean() == pytest.approx(slope, rel=2e-3)
    second = (above - 2 * here + below) / step**2
    assert curvatures.mean() == pytest.approx(second, rel=0.03, abs=2e-3 * abs(slopes.mean()) / concentration + 1e-4)
    # The negative control: half of the draws have another mean.
    assert slopes[:2000].mean() != pytest.approx(slope, rel=2e-3)


@pytest.mark.parametrize("dim", [2, 3, 64])
def test_edges_of_the_distribution_function_are_finite(dim: int) -> None:
    concentrations, uniforms = jnp.meshgrid(jnp.array([1e-3, 1.0, 1e4]), jnp.array([2.0**-24, 1 - 2.0**-24]))
    program = jax.jit(jax.vmap(jax.value_and_grad(lambda k, u: angle_at(k, u, dim))))
    angles, slopes = (np.asarray(value) for value in program(concentrations.ravel(), uniforms.ravel()))
    assert (angles > 0).all()
    assert (angles < np.pi).all()
    assert np.isfinite(slopes).all()
    assert (slopes <= 0).all()


def _first_axis(dim: int, sign: float = 1.0) -> np.ndarray:
    return np.eye(dim)[0] * sign


@pytest.mark.parametrize("dim", [2, 4])
def test_draws_gather_around_the_mean_direction(dim: int) -> None:
    """Also where it is e_1 itself, its opposite, or a hair away: there a reflection along e_1 - mu would break down."""

    @jax.jit
    def drawn(mu: jax.Array, keys: jax.Array) -> jax.Array:
        return jax.vmap(VonMisesFisherDensity(mu, jnp.float32(5.0)).sample)(keys)

    near = _first_axis(dim) + 1e-6 * np.eye(dim)[1]
    keys = jax.random.split(jax.random.key(0), 4000)
    for mu in (_unit(dim), _first_axis(dim), _first_axis(dim, -1.0), near, np.eye(dim)[1]):
        draws = np.asarray(drawn(jnp.asarray(mu, jnp.float32), keys), np.float64)
        np.testing.assert_allclose(np.linalg.norm(draws, axis=1), 1, atol=1e-6)
        error = draws.std(axis=0) / np.sqrt(len(draws))
        assert agrees(draws.mean(axis=0), mean_cosine(5.0, dim) * mu, error, slack=1e-6)


def test_gradient_by_the_mean_direction_is_a_rotation() -> None:
    """d E[a . z] / d mu along the sphere is A(kappa) a; at e_1, where the map from noise to z must be smooth too."""
    a, along = jnp.array([0.3, -1.2, 0.5]), jnp.array([0.0, 1.0, 0.0])
    keys = jax.random.split(jax.random.key(0), 20_000)

    def turned(turn: jax.Array, key: jax.Array) -> jax.Array:
        mu = jnp.cos(turn) * jnp.array([1.0, 0.0, 0.0]) + jnp.sin(turn) * along
        return jnp.dot(a, VonMisesFisherDensity(mu, jnp.float32(5.0)).sample(key))

    slopes = np.asarray(jax.jit(jax.vmap(jax.grad(turned), in_axes=(None, 0)))(jnp.float32(0.0), keys), np.float64)
    error = slopes.std() / np.sqrt(len(slopes))
    assert agrees(slopes.mean(), mean_cosine(5.0, 3) * -1.2, error)


def test_encoder_outputs_at_the_edges() -> None:
    family = VonMisesFisher(3)
    zero = family.at(jnp.zeros(4))
    np.testing.assert_array_equal(zero.mean, [1, 0, 0])
    assert float(family.at(jnp.array([1.0, 0, 0, -50])).concentration) == pytest.approx(1e-3)
    assert float(family.at(jnp.array([1.0, 0, 0, 1e6])).concentration) == 1e4


@pytest.mark.parametrize("cls", [VonMisesFisher, HypersphericalUniform])
def test_a_sphere_of_two_points_is_refused(cls: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"latent_dim is 1; the unit sphere needs 2"):
        cls(1)
