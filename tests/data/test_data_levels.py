"""Values for the device, and values that a probability mass cannot take."""

import numpy as np
import pytest

from lowerbound.data.examples import for_device
from lowerbound.data.transforms import Affine
from lowerbound.errors import DataError
from lowerbound.likelihoods import Bernoulli, DiscretizedLogistic, NumPyroLikelihood
from lowerbound.likelihoods.support import check_values

PIXELS = np.random.default_rng(3).integers(0, 256, (20, 3, 2)).astype(np.uint8)
BITS = (PIXELS > 127).astype(np.uint8)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.uint8, np.uint8), (np.int64, np.uint8), (np.float64, np.float32), (np.float16, np.float32), (np.float32, np.float32)],
)
def test_8_bit_whole_numbers_stay_8_bit_and_the_rest_becomes_float32(dtype, expected):
    got = for_device(PIXELS.astype(dtype)[::2])
    assert got.dtype == expected
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, PIXELS.astype(dtype)[::2])


def test_integers_beyond_8_bits_become_float32():
    assert for_device(np.array([[0, 256]])).dtype == np.float32
    assert for_device(np.array([[-1, 2]])).dtype == np.float32


def check_levels(array, likelihood):
    part = {
        "bernoulli": Bernoulli(PIXELS.shape[1:]),
        "discretized-logistic": DiscretizedLogistic(PIXELS.shape[1:], 0.0, 255.0, 256),
        "numpyro": NumPyroLikelihood(PIXELS.shape[1:], family="Gamma"),
    }[likelihood]
    check_values(array, part, Affine(0.0, 1.0), likelihood_name=likelihood)


def test_values_on_the_levels_pass():
    check_levels(PIXELS, "discretized-logistic")
    check_levels(PIXELS.astype(np.float64), "discretized-logistic")
    check_levels(BITS, "bernoulli")


@pytest.mark.parametrize(
    ("training", "likelihood", "value", "message"),
    [
        (
            BITS,
            "bernoulli",
            0.5,
            r"X has 2 of 120 values outside the support of the likelihood 'bernoulli': the first is 0.5 at ",
        ),
        (
            BITS,
            "bernoulli",
            2.0,
            r"\(4, 2, 1\); expected 0 or 1. Bring .* or train a model whose likelihood takes any number: gaussian",
        ),
        (PIXELS, "discretized-logistic", 300.0, r"'discretized-logistic': the first is 300 at .* whole numbers from 0 to 255"),
        (PIXELS, "discretized-logistic", -1.0, r"the first is -1 at index \(4, 2, 1\); expected whole numbers from 0 to 255"),
        (PIXELS, "discretized-logistic", 7.25, r"the first is 7.25 at index"),
        (PIXELS + 1.0, "numpyro", -3.0, r"'numpyro': the first is -3 at index \(4, 2, 1\); expected numbers above 0\. Bring"),
    ],
)
def test_values_off_the_levels_are_counted_and_located(training, likelihood, value, message):
    data = training.astype(np.float64)
    data[4, 2, 1] = data[9, 0, 0] = value
    with pytest.raises(DataError, match=message):
        check_levels(data, likelihood)
