"""The gate for arrays: what is let in as it is, and what each refusal says."""

import numpy as np
import pytest
import scipy.sparse

from lowerbound.data.checks import check_array
from lowerbound.errors import DataError

GOOD = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_numbers_come_through_in_their_own_type(dtype):
    got = check_array(GOOD.astype(dtype))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, GOOD)


def test_lists_and_booleans_become_arrays():
    assert check_array([[1, 2], [3, 4]]).shape == (2, 2)
    got = check_array(GOOD > 5)
    assert got.dtype == np.uint8
    assert got.sum() == 6


def test_nan_and_infinity_are_counted_and_located():
    bad = GOOD.copy()
    bad[1, 2], bad[3, 0], bad[3, 1] = np.nan, np.nan, -np.inf
    with pytest.raises(
        DataError, match=r"Input X contains 2 NaN and 1 infinite of 12 values .*; the first is nan at index \(1, 2\)"
    ):
        check_array(bad, may_have_holes=False)
    with pytest.raises(DataError, match=r"Input X contains 1 infinite of 12 values .*; the first is -inf at index \(3, 1\)"):
        check_array(bad)
    with pytest.raises(DataError, match=r"Input Z contains 1 infinite of 3 values .*; the first is inf at index \(0, 1\)"):
        check_array(np.array([[0.0, np.inf, 0.0]]), name="Z", event_shape=(3,))


def test_a_nan_far_down_a_long_array_is_located():
    long = np.zeros((3_000_000, 3), np.float32)
    long[2_999_999, 1] = np.nan
    with pytest.raises(DataError, match=r"the first is nan at index \(2999999, 1\)"):
        check_array(long, may_have_holes=False)
    assert np.isnan(check_array(long)).sum() == 1


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 3)), r"X is empty: 0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 2 is required"),
        (np.zeros((5, 0)), r"X is empty: 0 feature\(s\) \(shape=\(5, 0\)\) while a minimum of 1 is required\."),
        (np.zeros((1, 3)), r"X has only one row \(1 sample, shape=\(1, 3\)\) while a minimum of 2"),
        (np.zeros(7), r"X has shape \(7,\); expected \(examples, features\).*Reshape your data: X.reshape\(-1, 1\)"),
        (3.0, r"X has shape \(\); expected \(examples, features\)"),
        (GOOD + 1j, r"X has dtype complex128. Complex data not supported: expected real numbers"),
        (np.array([[1, "a"], [2, "b"]], dtype=object), r"dtype object; .* first that is not a number is 'a' at index \(0, 1\)"),
        (np.array([["x", "y"]] * 3), r"X has dtype <U1; expected numbers .* is 'x' at index \(0, 0\)"),
        (np.array([["2020-01-01"]] * 3, dtype="datetime64[D]"), r"X has dtype datetime64\[D\]; expected numbers"),
        ([[1, 2], [3]], r"X is not a rectangle of numbers: .* Expected examples that all have one shape"),
        (scipy.sparse.eye(4).tocsr(), r"X is a sparse matrix \(csr_matrix\); expected a dense array: pass X.toarray\(\)"),
    ],
)
def test_what_cannot_be_fitted_is_refused(x, message):
    with pytest.raises(DataError, match=message):
        check_array(x)


@pytest.mark.parametrize(
    ("shape", "event_shape", "message"),
    [
        ((5, 4), (3,), r"X has 4 features, but VAE is expecting 3 features as input"),
        ((5, 20, 28), (28, 20), r"X has shape \(5, 20, 28\); expected \(n, 28, 20\), as in fit. .* X.reshape\(-1, 28, 20\)"),
        ((28, 20), (28, 20), r"one example without its axis of examples\. Reshape your data: pass X\[None\]"),
        ((5, 560), (28, 20), r"X.reshape\(-1, 28, 20\)"),
        ((5, 8, 8), (28, 20), r"Give examples of the same size as those that the model was fitted to"),
        ((9,), (3,), r"Reshape your data"),
        ((0, 3), (3,), r"X is empty: 0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required"),
    ],
)
def test_a_shape_unlike_that_of_fit_is_refused(shape, event_shape, message):
    with pytest.raises(DataError, match=message):
        check_array(np.zeros(shape), event_shape=event_shape)


def test_one_row_is_enough_after_fitting():
    assert check_array(np.zeros((1, 3)), event_shape=(3,)).shape == (1, 3)


def test_a_mask_is_never_dropped():
    masked = np.ma.masked_array(GOOD, mask=GOOD > 10)
    with pytest.raises(DataError, match=r"X is a masked array with 1 of 12 values masked.*x\.filled\(value\).*x\.data\[~numpy"):
        check_array(masked)
    with pytest.raises(DataError, match="X is a masked array with 1 of 12 values masked"):
        check_array(list(masked))
    X = masked
    assert check_array(X.data[~np.ma.getmaskarray(X).reshape(len(X), -1).any(axis=1)]).shape == (3, 3)
    np.testing.assert_array_equal(check_array(np.ma.masked_array(GOOD)), GOOD)
