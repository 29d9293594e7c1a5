"""Examples for validation that a person chose: by a file, a column or a variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import scipy.io

from lowerbound.config.sections import DataConfig
from lowerbound.data.datasets import load_configured, load_dataset
from lowerbound.data.splits import split_around
from lowerbound.errors import ConfigurationError, DataError, MissingDataError

X = np.arange(24, dtype=np.float64).reshape(6, 4) / 8


def _table(path: Path, names: str, rows: Any) -> Path:
    path.write_text("\n".join([names, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_a_table_of_the_same_columns_in_another_order(tmp_path: Path) -> None:
    train = _table(tmp_path / "train.csv", "a,kind,b", [(1, "x", 2), (3, "y", 4), (5, "x", 7)])
    valid = _table(tmp_path / "valid.csv", "b,id,a,kind", [(20, 7, 10, "longer"), (40, 8, 30, "y")])
    dataset = load_dataset(train, condition="kind", validation=str(valid))
    np.testing.assert_array_equal(dataset.examples, [[1, 2], [3, 4], [5, 7], [10, 20], [30, 40]])
    np.testing.assert_array_equal(dataset.validation, [3, 4])
    assert dataset.condition is not None
    assert dataset.condition.tolist() == ["x", "y", "x", "longer", "y"]
    assert (
        load_configured(DataConfig(name=str(train), condition="kind", validation=str(valid)), instead=str(valid)).validation
        is None
    )


@pytest.mark.parametrize(
    ("names", "rows", "message"),
    [
        ("a,c,kind", [(1, 2, "x"), (3, 4, "x")], r"valid.csv lacks 1 of the 2 columns of .*train.csv: 'b'.* It has 'a', 'c'"),
        ("a,b", [(1, 2), (3, 4)], r"valid.csv: data.condition is 'kind', which does not exist"),
        (
            "a,b,kind",
            [(1, 2, 0.5), (3, 4, 0.25)],
            r"the condition 'kind' is of the type float64 in .*valid.csv.* expected the same",
        ),
    ],
)
def test_other_columns_are_refused(names: str, rows: Any, message: str, tmp_path: Path) -> None:
    train = _table(tmp_path / "train.csv", "a,kind,b", [(1, "x", 2), (3, "y", 4)])
    with pytest.raises(DataError, match=message):
        load_dataset(train, condition="kind", validation=str(_table(tmp_path / "valid.csv", names, rows)))


def test_arrays_of_another_shape_or_kind_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "bytes.npy", np.arange(24, dtype=np.uint8).reshape(6, 4))
    np.save(tmp_path / "whole.npy", np.arange(8).reshape(2, 4))
    np.save(tmp_path / "wide.npy", np.ones((3, 5)))
    np.save(tmp_path / "real.npy", X[:2])
    assert load_dataset(tmp_path / "bytes.npy", validation=str(tmp_path / "whole.npy")).examples.dtype == np.uint8
    with pytest.raises(DataError, match=r"wide.npy, for validation, has examples of shape \(5,\), but those of .* have \(4,\)"):
        load_dataset(tmp_path / "bytes.npy", validation=str(tmp_path / "wide.npy"))
    with pytest.raises(
        DataError, match=r"real.npy, for validation, has 0.125 in row 0, which uint8, the type of .*, does not hold"
    ):
        load_dataset(tmp_path / "bytes.npy", validation=str(tmp_path / "real.npy"))
    with pytest.raises(MissingDataError, match=r"there is no file absent.npy"):
        load_dataset(tmp_path / "bytes.npy", validation="absent.npy")
    with pytest.raises(
        MissingDataError, match=r"data.validation is 'mask': there is no such file, and .*bytes.npy has no columns"
    ):
        load_dataset(tmp_path / "bytes.npy", validation="mask")


def test_folders_of_images_share_their_size_and_their_labels(tmp_path: Path) -> None:
    for part, kinds, size in (("train", "ac", (9, 8)), ("valid", "bc", (10, 8))):
        for kind in kinds:
            (tmp_path / part / kind).mkdir(parents=True)
            for number in range(2):
                PIL.Image.fromarray(np.full(size, 9, np.uint8)).save(tmp_path / part / kind / f"{number}.png")
    dataset = load_dataset(tmp_path / "train", condition="labels", validation=str(tmp_path / "valid"))
    assert dataset.examples.shape == (8, 9, 8)
    assert dataset.condition is not None
    assert dataset.condition.tolist() == [*"aacc", *"bbcc"]
    assert dataset.labels is not None
    assert [dataset.label_names[label] for label in dataset.labels] == [*"aacc", *"bbcc"]


@pytest.mark.parametrize("marks", [[0, 0, 1, 0, 0, 1], [False, False, True, False, False, True]])
def test_a_column_or_a_variable_marks_the_rows(marks: list[Any], tmp_path: Path) -> None:
    rows = [(*row, mark) for row, mark in zip(X.tolist(), marks, strict=True)]
    datasets = [load_dataset(_table(tmp_path / "x.csv", "a,b,c,d,late", rows), validation="late")]
    np.savez(tmp_path / "x.npz", x=X, late=marks)
    scipy.io.savemat(tmp_path / "x.mat", {"x": X, "late": np.asarray(marks)})
    datasets += [load_dataset(tmp_path / name, "x", validation="late") for name in ("x.npz", "x.mat")]
    for dataset in datasets:
        np.testing.assert_array_equal(dataset.examples, X)
        np.testing.assert_array_equal(dataset.validation, [2, 5])


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ([0, 0, 2], r"data.validation is 'late', which holds 0.0, 2.0; expected 1 or TRUE for the rows for validation"),
        ([0, 0, 0], r"which holds 0.0; expected 1 or TRUE for the rows for validation, one at least"),
        (["yes", "no", "no"], r"which holds no, yes; expected 1 or TRUE"),
    ],
)
def test_other_marks_are_refused(marks: list[Any], message: str, tmp_path: Path) -> None:
    path = _table(tmp_path / "x.csv", "a,late", list(zip(range(3), marks, strict=True)))
    with pytest.raises(DataError, match=message):
        load_dataset(path, validation="late")
    with pytest.raises(DataError, match=r"data.validation is 'lat', which does not exist. Did you mean 'late'"):
        load_dataset(path, validation="lat")


def test_the_other_rows_are_divided_into_training_and_test() -> None:
    split = split_around(np.array([3, 4]), 12, test=0.2, seed=1)
    assert split.sizes == {"train": 8, "validation": 2, "test": 2}
    assert sorted(np.concatenate([split.train, split.validation, split.test])) == list(range(12))
    assert split.sha256() == split_around(np.array([3, 4]), 12, test=0.2, seed=1).sha256()
    assert split.sha256() != split_around(np.array([3, 4]), 12, test=0.2, seed=2).sha256()
    with pytest.raises(ConfigurationError, match="validation leaves 1 examples to train on; expected at least 2"):
        split_around(np.arange(5), 6)
