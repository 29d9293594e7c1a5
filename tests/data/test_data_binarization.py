"""Grey levels as probabilities: the one fixed draw, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lowerbound.config.sections import DataConfig
from lowerbound.data.binarization import binarized
from lowerbound.data.dataset import Dataset
from lowerbound.data.datasets import load_configured
from lowerbound.data.describe_dataset import describe_dataset
from lowerbound.errors import DataError, DataWarning


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.float64, 1)])
def test_values_are_probabilities(dtype: type, top: int) -> None:
    """The mean of 40,000 draws is within 6 standard errors, .015, of each of three probabilities: false failure 6e-9."""
    levels = np.repeat(np.array([[0, 51, 153, 255]]), 40_000, axis=0) * top / 255
    drawn = binarized(Dataset("x", levels.astype(dtype)), anew=False)
    assert drawn.examples.dtype == np.uint8
    assert drawn.probability is None
    np.testing.assert_allclose(drawn.examples.mean(axis=0), [0, 0.2, 0.6, 1], atol=0.015)
    assert drawn.examples[:, 0].max() == 0
    assert drawn.examples[:, 3].min() == 1
    anew = binarized(Dataset("x", levels.astype(dtype)), anew=True)
    np.testing.assert_array_equal(anew.examples, drawn.examples)
    assert anew.probability is not None
    assert anew.probability[1] == top


def test_zeros_and_ones_stay_and_digits_have_their_own_highest_level() -> None:
    bits = np.eye(4, dtype=np.uint8)
    np.testing.assert_array_equal(binarized(Dataset("x", bits), anew=False).examples, bits)
    np.testing.assert_array_equal(binarized(Dataset("x", bits * 255), anew=False).examples, bits)
    digits = load_configured(DataConfig(name="digits", binarize="dynamic"))
    assert digits.probability is not None
    assert digits.probability[1] == 16
    with pytest.warns(DataWarning, match="pixels never change"):
        assert describe_dataset(digits, np.arange(100)).kind == "binary"


@pytest.mark.parametrize("values", [[[-0.5, 1.0]], [[0.0, 256.0]]])
def test_what_is_no_probability_is_refused(values: list[list[float]], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", values * 3)
    with pytest.raises(DataError, match=r"data.binarize takes values for probabilities, but those of .* lie from .* expected"):
        load_configured(DataConfig(name=str(tmp_path / "x.npy"), binarize="fixed"))
