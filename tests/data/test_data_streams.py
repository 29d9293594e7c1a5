"""Rows that are not in memory are described, checked and told apart as the array that they would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from lowerbound.data.counts import sparse
from lowerbound.data.dataset import Dataset
from lowerbound.data.datasets import load_dataset
from lowerbound.data.describe_dataset import describe_dataset
from lowerbound.data.examples import examples_of
from lowerbound.data.splits import data_sha256
from lowerbound.data.streams import ArrayRows, SparseRows, rows_of, sample
from lowerbound.errors import TooLargeError
from lowerbound.storage import memory

COUNTS = np.random.default_rng(0).poisson(0.4, (300, 7)).astype(np.int32)
ALL = np.arange(len(COUNTS))


def _rows() -> SparseRows:
    return SparseRows(scipy.sparse.csr_array(COUNTS), "counts")


@pytest.mark.parametrize("index", [3, -1, slice(2, 9), slice(None, None, -50), ALL[::7], ALL % 3 == 0, np.array([-1, 5, 5])])
def test_rows_are_indexed_as_an_array_is(index: Any) -> None:
    np.testing.assert_array_equal(_rows()[index], COUNTS[index])


def test_a_large_matrix_stays_sparse_and_a_small_one_is_an_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "counts.npz"
    scipy.sparse.save_npz(path, scipy.sparse.csc_array(COUNTS.astype(np.float32)))
    assert isinstance(load_dataset(path).examples, np.ndarray)
    assert rows_of(load_dataset(path, memory="streamed").examples)
    monkeypatch.setattr(sparse, "SMALL", COUNTS.nbytes - 1)
    found = load_dataset(path)
    assert isinstance(found.examples, SparseRows)
    np.testing.assert_array_equal(np.asarray(found.examples), COUNTS)
    assert found.examples.dtype == np.int32
    assert isinstance(load_dataset(path, memory="resident").examples, np.ndarray)


def test_rows_are_told_apart_as_the_array_that_they_are() -> None:
    assert data_sha256(_rows()) == data_sha256(COUNTS)
    assert data_sha256(SparseRows(scipy.sparse.csr_array(COUNTS + 1), "counts")) != data_sha256(COUNTS)


def test_what_would_not_fit_as_one_array_is_refused_and_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: COUNTS.nbytes - 1)
    with pytest.raises(TooLargeError, match=r"counts, 300 x 7 as one array, would take"):
        np.asarray(_rows())


@pytest.mark.parametrize(
    "array",
    [
        COUNTS,
        np.random.default_rng(1).normal([0, 5, 1e6], [1, 0.1, 30], (400, 3)),
        np.random.default_rng(2).integers(0, 256, (50, 6, 5)).astype(np.uint8),
        np.where(np.random.default_rng(3).random((400, 3)) < 0.2, np.nan, np.random.default_rng(4).normal(size=(400, 3))),
    ],
)
def test_a_description_is_that_of_the_array(array: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit where the sample is all rows; else its figures are those of all rows, whatever the sample holds."""
    rows = np.random.default_rng(5).permutation(len(array))[: len(array) * 3 // 4]
    whole = describe_dataset(Dataset("x", array), rows)
    assert describe_dataset(Dataset("x", ArrayRows(array, "x")), rows) == whole
    monkeypatch.setattr(sample, "MOST_ELEMENTS", 1)
    monkeypatch.setattr(sample, "_FEWEST_ROWS", 25)
    some = sample.sample_of(ArrayRows(array, "x"), rows)
    assert not some.is_all
    spec = describe_dataset(Dataset("x", ArrayRows(array, "x")), rows)
    for field in ("kind", "low", "high", "element_low", "element_high", "is_whole", "not_whole", "layout", "unit"):
        assert getattr(spec, field) == getattr(whole, field), field
    flat = array[rows].reshape(len(rows), -1).astype(np.float64)
    np.testing.assert_allclose(spec.mean, np.nanmean(flat, axis=0), rtol=1e-12)
    np.testing.assert_allclose(spec.std, np.nanstd(flat, axis=0), rtol=1e-9)
    np.testing.assert_allclose(spec.holes or 0.0, whole.holes or 0.0, atol=1e-12)


def test_examples_are_read_as_the_device_gets_them() -> None:
    array = np.where(np.random.default_rng(0).random((60, 4)) < 0.3, np.nan, np.random.default_rng(1).normal(1e9, 1, (60, 4)))
    dataset = Dataset("x", array)
    spec = describe_dataset(dataset, ALL[:50])
    resident = examples_of(dataset, ALL[5:30], spec)
    streamed = examples_of(Dataset("x", ArrayRows(array, "x")), ALL[5:30], spec)
    assert streamed.is_streamed
    assert len(streamed) == 25
    for index in (slice(3, 9), np.array([7, 0])):
        np.testing.assert_array_equal(streamed[index].x, resident[index].x)
        np.testing.assert_array_equal(streamed[index].observed, resident[index].observed)
