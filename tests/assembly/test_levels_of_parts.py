"""A likelihood given as an object is held to the levels and the scale of the data, by training and for new examples."""

import numpy as np
import pytest

from lowerbound import VAE
from lowerbound.config.catalogue import class_of
from lowerbound.data.describe import describe
from lowerbound.data.spec import DataSpec
from lowerbound.data.transforms import Affine, choose_transform
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogisticMixture,
    NeighbourLogistics,
    NumPyroLikelihood,
    Ordinal,
    Poisson,
    QuantizedGaussian,
)
from lowerbound.likelihoods.neighbours import Filter
from lowerbound.likelihoods.support import check_values

DIGITS = np.random.default_rng(0).integers(0, 17, (40, 8, 8)).astype(np.uint8)
DIGITS[:2] = np.array([0, 16])[:, None, None]
PIXELS = DIGITS * np.uint8(15)


@pytest.mark.parametrize(
    ("part", "scaling", "data", "expected"),
    [
        (QuantizedGaussian((8, 8), 0.0, 1.0, 2), "auto", DIGITS, "QuantizedGaussian((8, 8), 0, 1, 256), or the name"),
        (QuantizedGaussian((8, 8), 0.0, 1.0, 2), "auto", PIXELS, "support is 2 levels from 0 to 1, but every pixel holds whole"),
        (QuantizedGaussian((8, 8), 0.0, 255.0, 256), "auto", PIXELS, "whole numbers from 0 to 240, scaled to 0 to 1; expected"),
        (QuantizedGaussian((8, 8), 0.0, 1.0, 256), "none", PIXELS, "expected QuantizedGaussian((8, 8), 0, 255, 256), or the"),
        (DiscretizedLogisticMixture((8, 8), -1.0, 1.0, 256), "auto", PIXELS, "DiscretizedLogisticMixture((8, 8), 0, 1, 256)"),
        (
            NeighbourLogistics((8, 8), 0.0, 1.0, 2, neighbours=Filter.none(1)),
            "auto",
            PIXELS,
            "expected the name 'neighbour-logistics', which finds them",
        ),
        (Categorical((8, 8), 2), "auto", DIGITS, "support is 2 levels from 0 to 1, but every pixel holds whole numbers from 0"),
        (Categorical((8, 8), 5), "auto", PIXELS, "expected Categorical((8, 8), 256), or the name 'categorical'"),
        (Ordinal.of_moments((8, 8), 5, 2.0, 1.0), "auto", DIGITS, "expected Ordinal.of_moments((8, 8), 256, mean, std), or the"),
        (Bernoulli((8, 8)), "auto", DIGITS, "support is {0, 1}, but every pixel holds whole numbers from 0 to 16"),
        (ContinuousBernoulli((8, 8), 0.001), "none", DIGITS, "data.scaling='unit', or the name 'continuous-bernoulli'"),
        (Poisson((8, 8), False), "standard", DIGITS, "data.scaling='none', or the name 'poisson'"),
        (NumPyroLikelihood((8, 8), "Beta"), "none", DIGITS, "numbers from 0 to 1, but every pixel holds whole numbers from 0"),
        (Categorical((8, 8), 5), "auto", DIGITS + 0.5, "whose support is 5 levels from 0 to 4, but every pixel holds continuous"),
    ],
)
def test_a_part_given_as_an_object_is_held_to_the_levels_of_the_data(part, scaling, data, expected):
    spec = describe(data)
    transform = choose_transform(spec, part.scaling if scaling == "auto" else scaling)
    assert expected in part.misfit(spec, transform)


@pytest.mark.parametrize("levels", [17, 256])
@pytest.mark.parametrize(
    "part", [QuantizedGaussian((8, 8), 0.0, 1.0, 2), Categorical((8, 8), 2)], ids=["quantized", "categorical"]
)
def test_training_refuses_a_part_with_two_levels_for_more(part, levels):
    data = DIGITS if levels == 17 else PIXELS
    with pytest.raises(ConfigurationError, match=r"likelihood is a .* whose support is 2 levels from 0 to 1, but every pixel"):
        VAE(2, likelihood=part, epochs=1).fit(data)


def test_levels_that_training_data_lack_are_the_persons_to_state():
    assert Categorical((8, 8), 300).misfit(describe(PIXELS), Affine(0.0, 1.0)) is None
    grades = np.array([[0, 1], [2, 1], [2, 0]])
    assert Categorical((2,), (3, 2)).misfit(describe(grades, num_levels=3), Affine(0.0, 1.0)) is None
    misfit = Categorical((2,), (2, 3)).misfit(describe(grades, num_levels=3), Affine(0.0, 1.0))
    assert misfit is not None
    assert "column 0 holds" in misfit


def test_new_values_are_held_to_the_levels_of_the_part():
    part = Categorical((2,), (3, 2))
    with pytest.raises(DataError, match=r"the first is 2 in row 0, column 1; expected 0 or 1"):
        check_values(np.array([[2, 2]]), part, Affine(0.0, 1.0), likelihood_name="categorical")
    scaled = QuantizedGaussian((2,), 0.0, 1.0, 17)
    check_values(np.array([[0, 16]]), scaled, Affine(0.0, 16.0), likelihood_name="quantized-gaussian")
    with pytest.raises(DataError, match=r"the first is 7.5 in row 0, column 0; expected whole numbers from 0 to 16"):
        check_values(np.array([[7.5, 16]]), scaled, Affine(0.0, 16.0), likelihood_name="quantized-gaussian")


@pytest.mark.parametrize("name", ["poisson", "negative-binomial"])
def test_the_column_that_is_not_whole_is_named_and_not_every_column(name: str) -> None:
    counts = np.random.default_rng(0).poisson(2, (400, 60)).astype(float)
    counts[3, 4] = 1.1387
    spec = describe(counts)
    assert spec.not_whole == (4,)
    with pytest.raises(DataError, match=r"the whole numbers from 0 up, but column 4 holds continuous values from 0 to \d"):
        class_of("likelihood", name).support.check(name, spec)
    reason = Poisson((60,), False).misfit(spec, Affine(0.0, 1.0))
    assert reason is not None
    assert "but column 4 holds continuous" in reason
    # Whole numbers and others side by side are neither.
    counts[:, 7] -= 5
    with pytest.raises(DataError, match=r"but columns 4, 7 hold numbers from -5 to"):
        class_of("likelihood", name).support.check(name, describe(counts))


def test_a_description_of_a_release_that_looked_at_no_single_columns_is_about_all_of_them() -> None:
    counts = np.random.default_rng(0).poisson(2, (400, 60)).astype(float)
    fields = {**describe(counts + 0.5).to_json()}
    assert fields.pop("not_whole") == ()
    assert not DataSpec.from_json(fields).whole_elements.any()
    assert describe(counts).whole_elements.all()
