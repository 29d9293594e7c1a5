"""The affine transform: its inverse, its Jacobian, and a density that does not care about units."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.stats
import numpy as np
import pytest

from lowerbound.data.describe import describe
from lowerbound.data.spec import DataSpec
from lowerbound.data.transforms import Affine, choose_transform
from lowerbound.errors import ConfigurationError

RNG = np.random.default_rng(0)
SHAPES = [(), (5,), (4, 3), (2, 3, 3)]


def _random_affine(event_shape: tuple[int, ...], per_element: bool) -> Affine:
    shape = event_shape if per_element else ()
    return Affine(shift=RNG.normal(size=shape), scale=RNG.uniform(0.1, 3.0, shape) * RNG.choice([-1.0, 1.0], shape))


@pytest.mark.parametrize("per_element", [True, False])
@pytest.mark.parametrize("event_shape", SHAPES)
def test_log_det_is_that_of_the_autodiff_jacobian(event_shape, per_element):
    affine = _random_affine(event_shape, per_element)
    size = int(np.prod(event_shape, dtype=int))
    x = jnp.asarray(RNG.normal(size=event_shape), jnp.float32)
    jacobian = jax.jacobian(affine.forward)(x).reshape(size, size)
    expected = float(jnp.linalg.slogdet(jacobian)[1])
    got = affine.log_abs_det_jacobian(event_shape)
    assert isinstance(got, float)
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-5)
    if per_element and size > 1:
        assert -got != pytest.approx(expected, rel=1e-2), "the sign convention is log|dy/dx|"


def test_log_det_is_the_same_inside_a_compiled_function():
    affine = _random_affine((4, 3), True)
    inside = eqx.filter_jit(lambda transform: jnp.asarray(transform.log_abs_det_jacobian((4, 3))))(affine)
    assert float(inside) == pytest.approx(affine.log_abs_det_jacobian((4, 3)), rel=1e-6)


def test_unit_scaling_of_8_bit_pixels_costs_log_255_nats_each():
    assert Affine(shift=0.0, scale=255.0).log_abs_det_jacobian((28, 20)) == pytest.approx(-560 * np.log(255.0), rel=1e-9)


@pytest.mark.parametrize("event_shape", SHAPES)
def test_inverse_undoes_forward(event_shape):
    affine = _random_affine(event_shape, True)
    x = RNG.normal(size=(*event_shape,)).astype(np.float32)
    np.testing.assert_allclose(affine.inverse(affine.forward(x)), x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, np.float64])
def test_forward_casts_every_numeric_type(dtype):
    y = Affine(shift=0.0, scale=255.0).forward(np.array([0, 51, 255]).astype(dtype))
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, [0.0, 0.2, 1.0], rtol=1e-6)


def test_all_256_levels_survive_unit_scaling():
    affine = Affine(shift=0.0, scale=255.0)
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(np.rint(affine.inverse(affine.forward(levels))), levels)


def test_a_density_changes_units_as_it_should():
    """Length in metres or in millimetres: log p(x) differs by D log 1000, and with the Jacobian by nothing else."""
    metres = RNG.normal(1.7, 0.1, size=(50, 3))

    def mean_log_density(data: np.ndarray) -> float:
        affine = choose_transform(describe(data), "standard")
        y = jax.vmap(affine.forward)(jnp.asarray(data, jnp.float32))
        log_density = jax.scipy.stats.norm.logpdf(y).sum(axis=1) + affine.log_abs_det_jacobian((3,))
        return float(log_density.mean())

    in_metres, in_millimetres = mean_log_density(metres), mean_log_density(metres * 1000)
    assert in_metres - in_millimetres == pytest.approx(3 * np.log(1000.0), abs=1e-3)


@pytest.mark.parametrize(
    ("shift", "scale", "message"),
    [
        (0.0, 0.0, r"scale is 0; expected a finite number other than 0. For an element that never changes use scale=1"),
        (0.0, [1.0, np.nan], r"scale is nan at index \(1,\); expected a finite number other than 0"),
        ([[0.0], [np.inf]], 1.0, r"shift is inf at index \(1, 0\); expected a finite number"),
    ],
)
def test_a_transform_that_loses_the_data_is_refused(shift, scale, message):
    with pytest.raises(ConfigurationError, match=message):
        Affine(shift=shift, scale=scale)


def test_constants_are_numpy_so_that_they_are_not_trained():
    affine = Affine(shift=0, scale=np.ones(3, np.float64))
    assert all(isinstance(leaf, np.ndarray) and leaf.dtype == np.float32 for leaf in jax.tree.leaves(affine))


def _spec(event_shape=(2, 2), low=10.0, high=20.0) -> DataSpec:
    size = int(np.prod(event_shape))
    return DataSpec(event_shape, "continuous", low, high, (1.0,), (12.0,) * size, (2.0,) * (size - 1) + (0.0,))


def test_unit_maps_low_and_high_to_0_and_1():
    affine = choose_transform(_spec(), "unit")
    np.testing.assert_allclose(affine.forward(np.array([10.0, 15.0, 20.0])), [0.0, 0.5, 1.0])


def test_standard_is_per_element_and_keeps_a_constant_one_finite():
    affine = choose_transform(_spec(event_shape=(4,)), "standard")
    y = affine.forward(np.full(4, 14.0))
    np.testing.assert_allclose(y, [1.0, 1.0, 1.0, 2.0])


def test_standard_does_not_blow_up_a_pixel_that_was_lit_once():
    pixels = RNG.integers(0, 256, (1000, 3, 3)).astype(np.uint8)
    pixels[:, 0, 0] = 0
    pixels[17, 0, 0] = 255
    lit_once = choose_transform(describe(pixels), "standard").forward(pixels[17])[0, 0]
    assert lit_once < 40
    as_a_table = choose_transform(describe(pixels.reshape(1000, 9)), "standard").forward(pixels[17].reshape(9))[0]
    assert as_a_table == pytest.approx(999**0.5, rel=1e-2)


def test_unit_of_data_that_are_all_one_value_is_finite():
    affine = choose_transform(_spec(low=7.0, high=7.0), "unit")
    assert float(affine.forward(np.array(7.0))) == 0.0


def test_a_misspelt_scaling_is_refused_with_the_nearest():
    with pytest.raises(ConfigurationError, match=r"data.scaling is 'standart', which does not exist. Did you mean 'standard'\?"):
        choose_transform(_spec(), "standart")


def test_none_leaves_the_data_as_they_are():
    affine = choose_transform(_spec(), "none")
    np.testing.assert_array_equal(affine.forward(np.array([10.0, 20.0])), [10.0, 20.0])
    assert affine.log_abs_det_jacobian((2, 2)) == 0.0
