"""Counts with names: .h5ad, .loom, SciPy's sparse .npz and Matrix Market."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from lowerbound.data.counts.sparse import rows_of_matrix
from lowerbound.data.datasets import load_dataset
from lowerbound.errors import DataError, DataWarning, MissingDataError, TooLargeError

COUNTS = np.array([[0, 3, 0, 1], [2, 0, 0, 0], [0, 0, 5, 70_000]])
GENES = ("Gad2", "Vip", "Sst", "Cnr1")


def _strings(values: Any) -> np.ndarray:
    return np.array(list(values), dtype=object)


def _sparse(file: Any, place: str, matrix: Any, form: str) -> None:
    """As AnnData writes it."""
    group = file.create_group(place)
    group.attrs["encoding-type"], group.attrs["shape"] = f"{form}_matrix", matrix.shape
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(matrix, part)


def _frame(file: Any, place: str, names: Any) -> Any:
    group = file.create_group(place)
    group.attrs["_index"] = "_index"
    group["_index"] = _strings(names)
    return group


@pytest.fixture
def h5ad(tmp_path: Path) -> Path:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        _sparse(file, "X", scipy.sparse.csr_array(COUNTS.astype(np.float32)), "csr")
        _sparse(file, "layers/spliced", scipy.sparse.csc_array(COUNTS + 1), "csc")
        file["layers/dense"] = np.log1p(COUNTS)
        _sparse(file, "raw/X", scipy.sparse.csr_array(np.hstack([COUNTS, COUNTS])), "csr")
        _frame(file, "raw/var", [*GENES, *(f"{name}b" for name in GENES)])
        _frame(file, "var", GENES)
        obs = _frame(file, "obs", ["c0", "c1", "c2"])
        obs["depth"] = np.array([4.0, 2.0, 5.0])
        obs["texts"] = _strings("xyx")
        kinds = obs.create_group("kind")
        kinds["codes"], kinds["categories"] = np.array([1, 0, 1], np.int8), _strings(["glia", "neuron"])
        holes = obs.create_group("holes")
        holes["codes"], holes["categories"] = np.array([1, -1, 0], np.int8), _strings(["glia", "neuron"])
        whole = obs.create_group("whole")
        whole["values"], whole["mask"] = np.array([1, 2, 3]), np.array([False, False, True])
        obs["held_out"] = np.array([False, True, False])
    return path


def test_an_h5ad_file_is_cells_by_genes_with_names(h5ad: Path) -> None:
    dataset = load_dataset(h5ad)
    np.testing.assert_array_equal(dataset.examples, COUNTS)
    assert dataset.examples.dtype == np.int32
    assert dataset.feature_names == GENES
    np.testing.assert_array_equal(load_dataset(h5ad, key="spliced").examples, COUNTS + 1)
    dense = load_dataset(h5ad, key="dense")
    np.testing.assert_array_equal(dense.examples, np.log1p(COUNTS))
    assert dense.examples.dtype == np.float64
    raw = load_dataset(h5ad, key="raw")
    assert raw.examples.shape == (3, 8)
    assert raw.feature_names[4:] == ("Gad2b", "Vipb", "Sstb", "Cnr1b")
    with pytest.raises(
        DataError, match=r"data.key is 'splised', which does not exist. Did you mean 'spliced'\?.*dense, raw, spliced"
    ):
        load_dataset(h5ad, key="splised")


def test_what_is_written_beside_each_cell_is_a_condition_or_a_mark(h5ad: Path) -> None:
    dataset = load_dataset(h5ad, condition="kind,depth", validation="held_out")
    assert dataset.condition is not None
    assert dataset.condition["kind"].tolist() == ["neuron", "glia", "neuron"]
    assert dataset.condition["depth"].tolist() == [4, 2, 5]
    np.testing.assert_array_equal(dataset.validation, [1])
    texts = load_dataset(h5ad, condition="texts").condition
    assert texts is not None
    assert texts.tolist() == ["x", "y", "x"]
    holes = load_dataset(h5ad, condition="holes", are_labels=True).condition
    assert holes is not None
    assert holes.tolist() == ["neuron", "", "glia"]
    np.testing.assert_array_equal(load_dataset(h5ad, condition="whole", are_labels=True).condition, [1, 2, np.nan])
    with pytest.raises(DataError, match=r"'holes' has no value for cell 1; fill it in, or leave the cell out"):
        load_dataset(h5ad, condition="holes")
    with pytest.raises(DataError, match=r"data.condition is 'kinds', which does not exist. Did you mean 'kind'\?"):
        load_dataset(h5ad, condition="kinds")
    with pytest.raises(DataError, match=r"data.validation is 'held', which does not exist. Did you mean 'held_out'\?"):
        load_dataset(h5ad, validation="held")


def test_older_files_are_read(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "old.h5ad"
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        matrix = scipy.sparse.csr_array(COUNTS)
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = b"csr", matrix.shape
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(matrix, part)
        file["var"] = np.array([(name.encode(),) for name in GENES], [("index", "S8")])
        obs = _frame(file, "obs", ["c0", "c1", "c2"])
        obs["kind"] = np.array([0, 1, 0], np.int8)
        obs["__categories/kind"] = _strings(["glia", "neuron"])
    dataset = load_dataset(path, condition="kind")
    np.testing.assert_array_equal(dataset.examples, COUNTS)
    assert dataset.feature_names == GENES
    assert dataset.condition is not None
    assert dataset.condition.tolist() == ["glia", "neuron", "glia"]


def test_a_loom_file_is_turned_round(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "cells.loom"
    with h5py.File(path, "w") as file:
        file["matrix"] = COUNTS.T.astype(np.float32)
        file["row_attrs/Gene"] = _strings(GENES)
        file["col_attrs/Cluster"] = np.array([b"a", b"b", b"a"])
        file["layers/spliced"] = COUNTS.T + 1
    dataset = load_dataset(path, condition="Cluster")
    np.testing.assert_array_equal(dataset.examples, COUNTS)
    assert dataset.feature_names == GENES
    assert dataset.condition is not None
    assert dataset.condition.tolist() == ["a", "b", "a"]
    np.testing.assert_array_equal(load_dataset(path, key="spliced").examples, COUNTS + 1)


def test_names_that_come_twice_are_told_apart(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file["X"] = COUNTS
        _frame(file, "var", ["a", "a", "a-1", "a"])
    with pytest.warns(DataWarning, match=r"1 names stand for several columns, 'a' for one; the second is called a-1"):
        dataset = load_dataset(tmp_path / "x.h5ad")
    assert len(set(dataset.feature_names)) == 4
    assert dataset.feature_names[0] == "a"


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr"])
def test_a_sparse_matrix_of_scipy(form: str, tmp_path: Path) -> None:
    scipy.sparse.save_npz(tmp_path / "x.npz", getattr(scipy.sparse, f"{form}_array")(COUNTS))
    dataset = load_dataset(tmp_path / "x.npz")
    np.testing.assert_array_equal(dataset.examples, COUNTS)
    assert dataset.examples.dtype == np.int32
    with pytest.raises(DataError, match=r"data.key is 'x', but .*x.npz holds a sparse matrix of SciPy; leave the key out"):
        load_dataset(tmp_path / "x.npz", key="x")


@pytest.mark.parametrize("prefix", ["", "GSM1_"])
@pytest.mark.parametrize("names", ["features.tsv.gz", "genes.tsv"])
def test_a_matrix_market_file_with_its_genes(prefix: str, names: str, tmp_path: Path) -> None:
    path = tmp_path / f"{prefix}matrix.mtx"
    scipy.io.mmwrite(path, scipy.sparse.coo_array(COUNTS.T))
    text = "".join(f"ENSG{number}\t{name}\tGene Expression\n" for number, name in enumerate(GENES)).encode()
    (tmp_path / f"{prefix}{names}").write_bytes(gzip.compress(text) if names.endswith("gz") else text)
    dataset = load_dataset(path)
    np.testing.assert_array_equal(dataset.examples, COUNTS)
    assert dataset.feature_names == GENES
    packed = tmp_path / f"{prefix}matrix.mtx.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(load_dataset(packed).examples, COUNTS)
    (tmp_path / f"{prefix}{names}").write_bytes(gzip.compress(b"a\nb\n") if names.endswith("gz") else b"a\nb\n")
    with pytest.raises(
        DataError, match=rf"{names} has 2 lines, but .* is 4 x 3; expected a name for each row, or for each column"
    ):
        load_dataset(path)


def test_a_matrix_market_file_alone_holds_a_row_for_each_example(tmp_path: Path) -> None:
    scipy.io.mmwrite(tmp_path / "x.mtx", scipy.sparse.coo_array(COUNTS))
    with pytest.warns(DataWarning, match=r"each of its 3 rows is taken for an example, because no features.tsv or genes.tsv"):
        dataset = load_dataset(tmp_path / "x.mtx")
    np.testing.assert_array_equal(dataset.examples, COUNTS)
    assert dataset.feature_names == ()


def test_what_memory_does_not_hold_is_refused_before_it_is_dense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scipy.sparse.save_npz(tmp_path / "x.npz", scipy.sparse.csr_array(([1], ([0], [0])), shape=(20_000, 30_000)))
    monkeypatch.setattr("lowerbound.storage.memory.free_bytes", lambda: 10**9)
    with pytest.raises(
        TooLargeError, match=r"x.npz, 20,000 x 30,000 as a dense array, would take 2.4 GB .*keep fewer columns \(of"
    ):
        load_dataset(tmp_path / "x.npz", memory="resident")
    # As it is stored it fits.
    assert load_dataset(tmp_path / "x.npz").examples.shape == (20_000, 30_000)


def test_indices_that_lead_out_of_the_matrix_are_refused(tmp_path: Path) -> None:
    wrong = scipy.sparse.csr_array(COUNTS)
    wrong.indices[0] = 10**6
    with pytest.raises(DataError, match=r"x is no sparse matrix that can be used \(.*\); it may be torn"):
        rows_of_matrix(wrong, "x")
    scipy.sparse.save_npz(tmp_path / "x.npz", wrong)
    with pytest.raises(DataError, match=r"x.npz is no sparse matrix that can be used"):
        load_dataset(tmp_path / "x.npz")


def test_torn_and_foreign_files_are_refused(h5ad: Path, tmp_path: Path) -> None:
    content = h5ad.read_bytes()
    h5ad.write_bytes(content[: len(content) // 3])
    with pytest.raises(DataError, match=r"cells.h5ad could not be read as .h5ad \(.*\); it may be torn"):
        load_dataset(h5ad)
    (tmp_path / "x.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n2 2 1\n3 3 1\n")
    with pytest.raises(DataError, match=r"x.mtx could not be read as a Matrix Market file"):
        load_dataset(tmp_path / "x.mtx")
    with pytest.raises(DataError, match=r"data.key is 'x', but .*x.mtx holds one matrix without a name; leave the key out"):
        load_dataset(tmp_path / "x.mtx", key="x")
    with pytest.raises(MissingDataError, match=r"there is no file .*none.h5ad"):
        load_dataset(tmp_path / "none.h5ad")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "x.h5ad").write_bytes(b"")
    with pytest.raises(DataError, match=r"which h5py reads, and that is not installed.*pip install 'lowerbound\[counts\]'"):
        load_dataset(tmp_path / "x.h5ad")
