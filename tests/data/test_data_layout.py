"""What an array is taken for: pictures, rows or series."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from lowerbound.data.describe import describe
from lowerbound.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:.*never change:lowerbound.errors.DataWarning")

RNG = np.random.default_rng(11)
_DIGITS: Any = load_digits()
DIGITS = np.asarray(_DIGITS.images[:200])
STEPS = np.arange(400)
# Temperature, humidity, wind and pressure: each in its own units.
WEATHER = np.stack(
    [
        12 + 8 * np.sin(STEPS / 20) + RNG.normal(0, 1, 400),
        60 + 15 * np.cos(STEPS / 13) + RNG.normal(0, 3, 400),
        np.abs(RNG.normal(4, 2, 400)),
        1013 + 6 * np.sin(STEPS / 50) + RNG.normal(0, 1, 400),
        np.cumsum(RNG.normal(0, 0.01, 400)),
    ],
    axis=1,
)


def windows(series: np.ndarray, length: int) -> np.ndarray:
    return np.stack([series[start : start + length] for start in range(len(series) - length + 1)])


def smooth_pictures(*shape: int) -> np.ndarray:
    """Smooth in both directions, as pictures are; values about 0."""
    noise = RNG.normal(size=(100, *shape))
    for axis in (1, 2):
        noise = sum(np.roll(noise, shift, axis) for shift in range(3)) / 3**0.5
    return np.asarray(noise)


SCALED = (WEATHER - WEATHER.min(axis=0)) / np.ptp(WEATHER, axis=0)
GREY = smooth_pictures(16, 12)
COLOUR = smooth_pictures(16, 12, 3)
UNIT = (COLOUR - COLOUR.min()) / np.ptp(COLOUR)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (DIGITS.astype(np.uint8), "pictures"),
        (DIGITS, "pictures"),
        (DIGITS / 16, "pictures"),
        (DIGITS / 16 * 2 - 1, "pictures"),
        (DIGITS * 15 + 0.3 * (DIGITS > 0), "pictures"),
        (DIGITS > 8, "pictures"),
        (DIGITS.astype(np.int64) * 4000, "pictures"),
        (GREY, "pictures"),
        (UNIT, "pictures"),
        (UNIT * 255, "pictures"),
        (UNIT * 2 - 1, "pictures"),
        (COLOUR, "pictures"),
        ((UNIT * 255).astype(np.uint8), "pictures"),
        ((UNIT[:, :3, :2] * 255).astype(np.uint8), "pictures"),
        (RNG.normal(size=(50, 7)), "rows"),
        (windows(WEATHER, 24), "series"),
        (windows(WEATHER[:, :3], 24), "series"),
        (windows(WEATHER[:, [1, 3]], 24), "series"),
        (windows(SCALED, 24), "series"),
        (windows((WEATHER - WEATHER.mean(axis=0)) / WEATHER.std(axis=0), 24), "series"),
        (windows(RNG.poisson(3, (400, 2)), 30), "series"),
        (RNG.normal(size=(40, 5, 4, 3, 2)), "series"),
        (np.stack([windows(WEATHER[:, :3] * 1e5, 24)] * 5, axis=2), "series"),
    ],
)
def test_type_shape_and_range_decide(array: np.ndarray, expected: str) -> None:
    spec = describe(array)
    assert spec.layout == expected
    assert spec.is_image == (expected == "pictures")


def test_only_pictures_share_one_step() -> None:
    assert len(describe(GREY).step) == 1
    assert len(describe(GREY, kind="series").step) == len(describe(GREY, kind="rows").step) == 16 * 12


def test_what_was_decided_is_said() -> None:
    assert describe(DIGITS.astype(np.uint8)).words == "grey images of 8 × 8 pixels, whole numbers from 0 to 255"
    assert describe(windows(WEATHER, 24)).words.startswith("windows of series, 24 steps of 5 columns, real values from ")
    assert describe(RNG.normal(size=(50, 7))).words.startswith("rows of 7 columns, real values from ")
    assert describe(RNG.poisson(900, (50, 7)) + 0.0).words.startswith("rows of 7 columns, whole numbers from ")


def test_it_can_be_stated() -> None:
    assert describe(windows(WEATHER, 24), kind="pictures").is_image
    assert describe(DIGITS.astype(np.uint8), kind="series").element_word == "element"
    with pytest.raises(DataError, match=r"kind is 'pictures', but one example of X has shape \(7,\); expected \(height, width\)"):
        describe(RNG.normal(size=(50, 7)), kind="pictures")
    with pytest.raises(DataError, match=r"kind is 'picture', which does not exist\. Did you mean 'pictures'\?"):
        describe(DIGITS, kind="picture")


@pytest.mark.parametrize("array", [UNIT, (UNIT * 255).astype(np.uint8), UNIT[..., :1], COLOUR, (UNIT[..., :1] - 0.13) / 0.31])
def test_channels_first_are_refused_with_the_transpose(array: np.ndarray) -> None:
    X = array.transpose(0, 3, 1, 2)
    with pytest.raises(DataError, match=r"channels first; expected .*: X\.transpose\(0, 2, 3, 1\)\. If .*kind='rows'"):
        describe(X)
    assert describe(X.transpose(0, 2, 3, 1)).is_image
    assert describe(X, kind="rows").layout == "rows"
