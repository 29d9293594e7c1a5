"""Labels that some examples lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lowerbound.data import load_dataset
from lowerbound.data.dataset import Dataset
from lowerbound.data.labels import label_column, label_values, told_rows
from lowerbound.data.splits import consecutive_split, shuffled_split
from lowerbound.errors import ConfigurationError, DataError


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (np.array([2, -1, 0]), [2, None, 0]),
        (np.array([2.0, np.nan, 0.0]), [2, None, 0]),
        (["cat", "", "dog"], ["cat", None, "dog"]),
        (["cat", None, "dog"], ["cat", None, "dog"]),
        ([1, None, 0], [1, None, 0]),
        (np.array([True, False, True]), [True, False, True]),
        (pd.Series(["a", None, "b"], dtype="category"), ["a", None, "b"]),
        (pd.Series(["a", pd.NA, "b"], dtype="string"), ["a", None, "b"]),
        (["a", np.nan, "b"], ["a", None, "b"]),
        (pd.Series([3, None, 5], dtype="category"), [3, None, 5]),
        (np.array([[2], [-1], [0]]), [2, None, 0]),
    ],
)
def test_what_stands_for_no_label(values: Any, labels: list[Any]) -> None:
    found, known = label_values(values, "kind")
    assert known.tolist() == [label is not None for label in labels]
    assert [each for each, is_known in zip(found.tolist(), known, strict=True) if is_known] == [
        x for x in labels if x is not None
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.array([0.0, 1.5]),
            "the label 'kind' is 1.5 in row 1, which is no class; expected whole numbers or texts, and -1, NaN",
        ),
        (np.zeros((3, 2)), r"the labels 'kind' have several columns \(\(3, 2\)\); expected one class for each example"),
        (pd.DataFrame({"a": ["x", "y"], "b": ["x", "y"]}), r"several columns \(a, b\)"),
    ],
)
def test_what_is_no_label_is_refused(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        label_values(values, "kind")


def _dataset(labels: np.ndarray) -> Dataset:
    return Dataset("rows", np.zeros((len(labels), 2)), condition=labels, condition_name="labels")


def test_labels_are_drawn_evenly_from_the_classes_of_training_examples() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 3])
    split = shuffled_split(len(labels), validation=20, test=20, seed=1)
    told = told_rows(_dataset(labels), split, 22, seed=0)
    small = (labels[split.train] == 2).sum()
    assert np.bincount(labels[told]).tolist() == [11, 11, 0] if small == 0 else told.sum() == 22
    assert set(np.flatnonzero(told)) <= set(split.train.tolist())
    counts = np.bincount(labels[told], minlength=3)
    assert counts[2] == small
    assert abs(int(counts[0]) - int(counts[1])) <= 1
    # Another seed draws others, the same seed the same.
    assert (told_rows(_dataset(labels), split, 22, seed=0) == told).all()
    assert (told_rows(_dataset(labels), split, 22, seed=1) != told).any()
    assert told_rows(_dataset(labels), split, 0, seed=0).sum() == len(split.train)


def test_those_without_a_label_are_never_told() -> None:
    labels = np.array([0, 1, -1, -1, 1, 0])
    assert told_rows(_dataset(labels), consecutive_split(5, 1, 0), 0, seed=0).tolist() == [True, True, False, False, True, False]


@pytest.mark.parametrize(
    ("count", "message"), [(1, "of 2 classes; expected a number from 2 to 3, or 0 for all"), (4, "3 training")]
)
def test_too_few_or_too_many_are_refused(count: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        told_rows(_dataset(np.array([0, 1, 1, -1])), consecutive_split(4, 0, 0), count, seed=0)


def test_rows_with_a_label_are_held_out_last() -> None:
    kept = np.arange(10) < 4
    split = shuffled_split(10, validation=3, test=2, seed=0, kept=kept)
    assert set(range(4)) <= set(split.train.tolist())
    assert sorted([*split.train, *split.validation, *split.test]) == list(range(10))


def test_a_table_may_lack_labels_where_they_are_asked_for_as_labels(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b,kind\n1,2,x\n3,4,\n5,6,y\n", encoding="utf-8")
    dataset = load_dataset(path, condition="kind", are_labels=True)
    assert dataset.condition is not None
    assert dataset.condition.tolist() == ["x", "", "y"]
    path.write_text("a,b,kind\n1,2,1\n3,4,?\n5,6,0\n", encoding="utf-8")
    numbers = load_dataset(path, condition="kind", are_labels=True).condition
    np.testing.assert_array_equal(numbers, [1, np.nan, 0])
    with pytest.raises(DataError, match="line 3, column 'kind' has no value"):
        load_dataset(path, condition="kind")


@pytest.mark.parametrize(
    ("values", "column"),
    [
        (["a", None, "b"], ["a", "", "b"]),
        (pd.Series(["a", None, "b"], dtype="category"), ["a", "", "b"]),
        ([1.0, np.nan, 0.0], [1, -1, 0]),
        ([True, None, False], [1, -1, 0]),
        ([True, False], [True, False]),
    ],
)
def test_labels_of_a_data_set_say_where_there_is_none(values: Any, column: list[Any]) -> None:
    assert label_column(values, "y").tolist() == column
