"""What is concluded from training data, and what is warned of or refused."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowerbound.data.describe import describe
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, DataWarning, ModelFolderError

RNG = np.random.default_rng(1)
PIXELS = RNG.integers(0, 256, (30, 6, 5)).astype(np.uint8)


def _kind(spec: DataSpec) -> tuple:
    return spec.kind, spec.low, spec.high, spec.step, spec.limits_known


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_zeros_and_ones_are_binary_in_any_type(dtype):
    spec = describe((PIXELS > 127).astype(dtype))
    assert _kind(spec) == ("binary", 0.0, 1.0, (1.0,), True)
    assert spec.num_levels == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_8_bit_images_are_integers_of_256_levels_even_when_dark(dtype):
    spec = describe((PIXELS // 4).astype(dtype))
    assert _kind(spec) == ("integer", 0.0, 255.0, (1.0,), True)
    assert spec.num_levels == 256
    assert spec.is_discrete
    assert spec.num_elements == 30


def test_8_bit_pixels_may_come_flattened_but_wider_integers_in_a_table_are_continuous():
    assert describe(PIXELS.reshape(30, -1)).kind == "integer"
    table = describe(PIXELS.reshape(30, -1).astype(np.int64))
    assert table.kind == "continuous"
    assert len(table.step) == 30
    assert set(table.step) <= {float(gap) for gap in range(1, 60)}


def test_integers_beyond_8_bits_or_below_zero_are_continuous():
    assert describe(PIXELS.astype(np.uint16) * 200).kind == "continuous"
    assert _kind(describe(PIXELS.astype(np.int16) - 128)) == ("continuous", -128.0, 127.0, (1.0,), False)


def test_a_stated_number_of_levels_wins():
    digits = (PIXELS // 16).astype(np.uint8)
    assert _kind(describe(digits, num_levels=17)) == ("integer", 0.0, 16.0, (1.0,), True)
    with pytest.raises(DataError, match=r"X has values from \d+ to 255; expected the levels 0, 1, ..., 16"):
        describe(PIXELS, num_levels=17)
    with pytest.raises(DataError, match=r"not all whole numbers; expected the levels 0, 1, ..., 16"):
        describe(digits + 0.5, num_levels=17)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_divided_by_255_are_continuous_with_their_true_step(dtype):
    assert _kind(describe((PIXELS / 255).astype(dtype))) == ("continuous", 0.0, 1.0, (1 / 255,), True)


def test_floating_point_pixels_with_every_second_level_still_have_the_8_bit_step():
    assert describe((PIXELS // 2 * 2) / 255).step == (1 / 255,)


def test_floating_point_images_that_are_not_8_bit():
    noisy = RNG.uniform(0.1, 0.9, (30, 6, 5)).round(2)
    spec = describe(noisy)
    assert _kind(spec)[:3] == ("continuous", 0.0, 1.0)
    assert spec.step == pytest.approx((0.01,))
    assert _kind(describe(PIXELS.astype(np.float32))) == ("continuous", 0.0, 255.0, (1.0,), True)
    outside = describe(noisy * 10 - 5, kind="pictures")
    assert outside.low == pytest.approx((noisy * 10 - 5).min())
    assert not outside.limits_known


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_zeros_and_ones_stored_as_0_and_255(dtype: Any) -> None:
    stored = (PIXELS > 127).astype(dtype) * dtype(255)
    spec = describe(stored)
    assert _kind(spec) == ("binary", 0.0, 255.0, (255.0,), True)
    assert (spec.num_levels, spec.unit) == (2, 255.0)
    assert dataclasses.replace(spec.of_model, mean=(), std=()) == dataclasses.replace(describe(stored // 255), mean=(), std=())
    np.testing.assert_allclose(spec.of_model.mean, describe(stored // 255).mean, rtol=1e-12)
    taken = spec.to_model(stored)
    assert taken.dtype == dtype
    assert set(np.unique(taken)) == {0, 1}
    np.testing.assert_array_equal(spec.to_user(taken.astype(np.float32)), stored)
    # A signed byte holds no 255; new values in it are told from ours all the same.
    np.testing.assert_allclose(spec.to_model(np.array([0, 1], np.int8)), [0, 1 / 255])
    assert DataSpec.from_json(spec.to_json()) == spec
    with pytest.raises(ModelFolderError, match=r"config.json: data_spec.unit is 0; expected a number above 0\."):
        DataSpec.from_json({**spec.to_json(), "unit": 0.0}, "config.json")
    # Between them, and where one of the two is all that there is, nothing is taken for granted.
    grey = stored.copy()
    grey[3, 2, 1] = 128
    assert describe(grey).unit == 1
    assert np.unique(spec.to_model(grey)).tolist() == [0.0, pytest.approx(128 / 255), 1.0]
    with pytest.warns(DataWarning, match="never change"):
        assert describe(stored * dtype(0) + dtype(255)).unit == 1


def test_the_step_of_each_column_of_a_table():
    table = np.stack([RNG.normal(size=200).round(2), RNG.integers(0, 9, 200) * 0.5, 1e6 + RNG.integers(0, 99, 200) * 3.0], axis=1)
    assert describe(table).step == pytest.approx((0.01, 0.5, 3.0))


def test_rounding_noise_does_not_pass_for_precision():
    exact = RNG.integers(0, 50, 400) * 0.1
    noisy = exact + RNG.choice([0.0, 1e-16, 4e-16], 400)
    assert describe(np.stack([noisy, exact], axis=1)).step == pytest.approx((0.1, 0.1))


def test_mean_and_deviation_are_exact_under_a_large_offset():
    table = 1e4 + RNG.normal(size=(500, 2))
    spec = describe(table)
    np.testing.assert_allclose(spec.mean, table.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spec.std, table.std(axis=0), rtol=1e-9)


def test_moments_of_a_set_larger_than_one_block():
    big = RNG.integers(0, 256, (7000, 28, 28)).astype(np.uint8)
    spec = describe(big)
    np.testing.assert_allclose(spec.mean, big.reshape(7000, -1).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spec.std, big.reshape(7000, -1).std(axis=0), rtol=1e-9)


def test_constant_columns_are_named_and_kept():
    table = RNG.normal(size=(20, 4))
    table[:, 1], table[:, 3] = 7.0, -1.0
    with pytest.warns(
        DataWarning,
        match=r"X: 2 of 4 columns never change: 'b' \(always 7\), 'd' \(always -1\)\. They carry no .* rest on its floor",
    ):
        spec = describe(table, feature_names=["a", "b", "c", "d"])
    assert spec.std[1] == 0.0
    assert spec.mean[1] == 7.0
    assert spec.step[1] == 1.0
    assert spec.feature_names == ("a", "b", "c", "d")


def test_constant_pixels_are_counted_and_the_first_three_placed():
    pixels = PIXELS.copy()
    pixels[:, 0, :] = 9
    with pytest.warns(DataWarning, match=r"5 of 30 pixels never change: \(0, 0\) \(always 9\), .* and 2 more\."):
        describe(pixels)


def test_a_constant_binary_pixel_has_no_floor_to_speak_of():
    bits = (PIXELS > 127).astype(np.uint8)
    bits[:, 0, 0] = 1
    with pytest.warns(
        DataWarning, match=r"1 of 30 pixels never change: \(0, 0\) \(always 1\). They carry no information; they are kept. Drop"
    ):
        describe(bits)


def test_data_without_constant_columns_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        describe(PIXELS)
        describe(RNG.normal(size=(20, 4)))


def test_what_float32_cannot_resolve_is_shifted_in_double_precision():
    table = RNG.normal(size=(50, 3))
    seconds = table.copy()
    seconds[:, 1] += 1.7e9
    spec = describe(seconds, feature_names=["a", "time", "c"])
    assert spec.origin == (0.0, spec.mean[1], 0.0)
    np.testing.assert_allclose(spec.to_model(seconds)[:, 1], table[:, 1] - table[:, 1].mean(), atol=1e-6)
    np.testing.assert_array_equal(spec.to_user(spec.to_model(seconds)), seconds)
    inside = spec.of_model
    assert inside.origin == ()
    assert inside.feature_names[1].startswith("time less 1700000000")
    assert inside.high < 5 < spec.high
    assert abs(inside.mean[1]) < 1e-6
    assert inside.std == spec.std
    # Whole numbers stay whole, with the step of 1 that float32 would not show.
    milliseconds = np.round(seconds * 1000).astype(np.int64)
    whole = describe(milliseconds)
    assert whole.origin[1] == np.rint(milliseconds[:, 1].mean())
    assert whole.step[1] == np.diff(np.unique(milliseconds[:, 1])).min()
    for fine in (seconds - seconds.mean(axis=0), table + 1e3, seconds[:, [0, 2]]):
        assert describe(fine).origin == ()


def test_a_column_beyond_float32_is_refused():
    table = RNG.normal(size=(50, 2)) * 1e39
    with pytest.raises(DataError, match=r"column \d is .* beyond the largest number of float32 \(3.4e\+38\)"):
        describe(table)


@given(power=st.integers(-320, -34), size=st.integers(3, 40))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_columns_whose_values_float32_cannot_tell_apart_are_refused(power: int, size: int) -> None:
    small = np.arange(size) * 10.0**power
    with pytest.raises(DataError, match=r"the values of column 1 lie from 0 to .*e-3?\d+, too near to each other for float32"):
        describe(np.stack([np.arange(size), small], axis=1))
    # Where a row stands far out it is the others that count; and what is large enough is taken.
    assert describe(np.stack([np.arange(size), np.arange(size) * 1e-30], axis=1)).std[1] > 0


def test_names_must_match_the_columns():
    with pytest.raises(DataError, match=r"X has 2 columns but feature_names has 3; expected one for each"):
        describe(RNG.normal(size=(5, 2)), feature_names=["a", "b", "c"])


def test_the_gate_is_applied():
    with pytest.raises(DataError, match=r"Input train contains 1 NaN"):
        describe(np.array([[0.0], [np.nan]]), name="train")


def test_a_spec_survives_json_and_a_foreign_one_is_refused():
    spec = describe(RNG.normal(size=(20, 2)), feature_names=["a", "b"])
    assert DataSpec.from_json({key: list(v) if isinstance(v, tuple) else v for key, v in spec.to_json().items()}) == spec
    with pytest.raises(ModelFolderError, match=r"data_spec: the field data_spec.event_shape is missing; expected a list"):
        DataSpec.from_json({"kind": "binary"})
