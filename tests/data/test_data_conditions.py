"""Conditions: categories and numbers, as the vectors that models take."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lowerbound.data.conditions import ConditionSpec, describe_condition
from lowerbound.data.datasets import load_dataset
from lowerbound.data.describe_dataset import describe_dataset
from lowerbound.data.examples import examples_of
from lowerbound.data.spec import DataSpec
from lowerbound.data.splits import check_same_data, shuffled_split, split_record
from lowerbound.errors import DataError, DataWarning, MissingDataError

pytestmark = pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning")


def test_whole_numbers_are_categories_in_order() -> None:
    spec = describe_condition(np.array([3, 1, 3, 7]), "labels")
    assert spec.categories == (1.0, 3.0, 7.0)
    np.testing.assert_array_equal(spec.encode([7, 1]), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(spec.encode(np.array([[3.0]])), [[0, 1, 0]])


def test_numbers_are_standardised_by_the_training_data() -> None:
    values = np.array([[1.0, 10.0], [3.0, 10.0]])
    spec = describe_condition(values, "age")
    np.testing.assert_allclose(spec.encode(values), [[-1, 0], [1, 0]])
    assert describe_condition(np.array([1.5, 2.5]), "x").dim == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([2], r"the condition 'labels' has the value 2 in row 0; expected one of 1, 3, 7 for each example"),
        ([[1, 3]], r"'labels' has shape \(1, 2\); expected one of 1, 3, 7"),
        (["1"], r"'labels' has texts, '1' for one; expected one of 1, 3, 7"),
    ],
)
def test_what_is_no_known_category_is_refused(values: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ConditionSpec("labels", categories=(1.0, 3.0, 7.0)).encode(values)


def test_numbers_of_another_shape_or_not_finite_are_refused() -> None:
    spec = describe_condition(np.ones((4, 2)), "age")
    with pytest.raises(DataError, match="the condition 'age' has 3 numbers for each example; expected 2 numbers, all finite"):
        spec.encode(np.ones((1, 3)))
    with pytest.raises(DataError, match="some of them not finite"):
        spec.encode(np.full((1, 2), np.nan))
    with pytest.raises(DataError, match="'age' has values that are not finite"):
        describe_condition(np.array([np.inf, 0.0]), "age")
    with pytest.raises(DataError, match="has 2000 different values, more than 1000 categories"):
        describe_condition(np.arange(2000), "id")


AGES = np.random.default_rng(0).normal(40, 10, 300)


@pytest.mark.filterwarnings("error::lowerbound.errors.DataWarning")
def test_numbers_in_other_units_are_warned_of_and_fresh_ones_are_not() -> None:
    spec = describe_condition(AGES, "age")
    for fresh in (np.random.default_rng(1).normal(40, 10, 300), AGES.max() + 1 + np.zeros(9)):
        spec.check_like_training(fresh)
    with pytest.warns(DataWarning, match=rf"'age' is {AGES[0] * 12:g} in row 0, far .* trained on {AGES.min():g} to"):
        spec.check_like_training(AGES * 12)
    table = describe_condition(np.stack([AGES, 60 + AGES], axis=1), "of each")
    with pytest.warns(DataWarning, match=r"'of each' in column 1 is 1e\+06 in row 2"):
        table.check_like_training(np.array([[40, 100], [40, 100], [40, 1e6]]))
    frame = pd.DataFrame({"age": AGES, "is_old": AGES > 40})
    with pytest.warns(DataWarning, match="'age' is"):
        describe_condition(frame, "both").check_like_training(frame.assign(age=AGES * 12))


def test_one_absurd_number_does_not_scale_all_others() -> None:
    spoilt = AGES.copy()
    spoilt[7] = 1e6
    with pytest.warns(DataWarning, match=r"the condition 'age' is 1e\+06 in 1 of 300 rows, an outlier: the others lie from"):
        spec = describe_condition(spoilt, "age")
    assert spec.std[0] == pytest.approx(AGES.std(), rel=0.01)


def test_a_mask_of_the_condition_is_never_dropped() -> None:
    with pytest.raises(DataError, match="the condition 'age' is a masked array with 1 of 300 values masked"):
        describe_condition(np.ma.masked_array(AGES, AGES[3] == AGES), "age")


def test_labels_factors_and_variables_of_a_file(tmp_path: Path) -> None:
    digits = load_dataset("digits", condition="labels")
    spec = describe_dataset(digits, np.arange(500))
    assert spec.condition_dim == 10
    examples = examples_of(digits, np.arange(3), spec)
    assert examples.condition is not None
    assert examples.condition.shape == (3, 10)
    assert load_dataset("faces", condition="factors").condition is not None
    np.savez(tmp_path / "own.npz", x=np.random.default_rng(0).normal(size=(20, 3)), group=np.arange(20) % 2)
    own = load_dataset(tmp_path / "own.npz", key="x", condition="group")
    assert describe_dataset(own, np.arange(20)).condition == ConditionSpec("group", categories=(0.0, 1.0), counts=(10, 10))
    with pytest.raises(
        MissingDataError, match=r"data.condition is 'labels', but the data set faces has no labels; it has factors"
    ):
        load_dataset("faces", condition="labels")
    np.savez(tmp_path / "torn.npz", x=np.zeros((20, 3)), group=np.arange(19))
    with pytest.raises(DataError, match=r"data.condition is 'group', which has 19 rows .* but there are 20 examples"):
        load_dataset(tmp_path / "torn.npz", key="x", condition="group")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.arange(20).reshape(10, 2) % 5, "there are several columns"),
        (np.arange(10) % 4 * 1.0, "its type is float64, as that of every column of a table"),
    ],
)
def test_labels_that_become_quantities_are_said(values: np.ndarray, why: str) -> None:
    with pytest.warns(DataWarning, match=f"the condition 'site' holds few .* is taken for a quantity, because {why}. If it is"):
        describe_condition(values, "site")
    # Zeros and ones are the same either way; and these are quantities.
    describe_condition(np.eye(3, dtype=int), "site")
    describe_condition(np.arange(60) * 0.5, "site")


def test_a_described_condition_survives_json() -> None:
    digits = load_dataset("digits", condition="labels")
    spec = describe_dataset(digits, np.arange(500))
    assert DataSpec.from_json(spec.to_json()) == spec


def test_another_condition_is_other_data() -> None:
    digits = load_dataset("digits", condition="labels")
    split = shuffled_split(len(digits.examples))
    other = dataclasses.replace(digits, condition=np.zeros(len(digits.examples), int))
    saved = split_record(digits.examples, split, digits.condition)
    check_same_data(saved, split_record(digits.examples, split, digits.condition))
    with pytest.raises(DataError, match=r"what is given with them \(data.condition\) is not"):
        check_same_data(saved, split_record(other.examples, split, other.condition))
