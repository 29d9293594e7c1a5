"""Files that are read a block at a time give what they give as one array; a file that changes meanwhile is said."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import pytest
import scipy.sparse

from lowerbound.config import RunConfig
from lowerbound.data.columns import read_raw
from lowerbound.data.datasets import load_dataset
from lowerbound.data.examples import in_form_of
from lowerbound.data.splits import data_sha256
from lowerbound.data.streams import BlockRows, arrays, files, rows_of
from lowerbound.errors import DataError
from lowerbound.runs.planning import plan
from lowerbound.runs.training import TrainingRun

DRAWN = np.random.default_rng(0)
ARRAY = DRAWN.normal(size=(90, 3))
PICTURES = DRAWN.integers(0, 256, (30, 8, 6, 3)).astype(np.uint8)


def _npy(folder: Path) -> Path:
    np.save(folder / "x.npy", ARRAY)
    return folder / "x.npy"


def _shards(folder: Path) -> Path:
    for number, part in enumerate(np.split(ARRAY, [10, 50])):
        np.savez(folder / f"part-{number}.npz", x=part)
    return folder


def _h5ad(folder: Path, value: Callable[[Any], None]) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "x.h5ad", "w") as file:
        value(file)
        file.create_group("var").attrs["_index"] = "none"
    return folder / "x.h5ad"


def _dense_h5ad(folder: Path) -> Path:
    return _h5ad(folder, lambda file: file.__setitem__("X", ARRAY))


def _parquet(folder: Path) -> Path:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame(ARRAY, columns=list("abc")).to_parquet(folder / "x.parquet", row_group_size=40)
    return folder / "x.parquet"


def _images(folder: Path) -> Path:
    import PIL.Image

    for number, pixels in enumerate(PICTURES):
        PIL.Image.fromarray(pixels).save(folder / f"{number:03d}.png")
    return folder


@pytest.mark.parametrize("made", [_npy, _shards, _dense_h5ad, _parquet, _images])
def test_what_is_read_a_block_at_a_time_is_what_the_array_holds(
    made: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 20 * 24)
    monkeypatch.setattr(arrays, "_IMAGES_A_BLOCK", 7)
    path = made(tmp_path)
    whole, rows = load_dataset(path, memory="resident"), load_dataset(path, memory="streamed")
    assert isinstance(whole.examples, np.ndarray)
    assert isinstance(rows.examples, BlockRows)
    assert len(rows.examples.starts) > 3
    assert rows.feature_names == whole.feature_names
    assert rows.examples.dtype == whole.examples.dtype
    order = np.random.default_rng(1).permutation(len(whole.examples))
    np.testing.assert_array_equal(rows.examples[order], whole.examples[order])
    # The same file elsewhere is the same data.
    assert data_sha256(rows.examples) == data_sha256(load_dataset(path, memory="streamed").examples)


def test_memory_decides_where_nobody_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _npy(tmp_path)
    assert not rows_of(load_dataset(path).examples)
    monkeypatch.setattr(files, "free_bytes", lambda: 3 * ARRAY.nbytes - 1)
    assert rows_of(load_dataset(path).examples)
    assert not rows_of(load_dataset(path, memory="resident").examples)


def test_a_sparse_matrix_that_memory_does_not_hold_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = scipy.sparse.random_array((60, 9), density=0.2, format="csr", rng=np.random.default_rng(0), dtype=np.float32)

    def write(file: Any) -> None:
        group = file.create_group("X")
        group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", matrix.shape
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(matrix, part)

    path = _h5ad(tmp_path, write)
    monkeypatch.setattr(files, "free_bytes", lambda: 100)
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 400)
    rows = load_dataset(path).examples
    assert isinstance(rows, arrays.MatrixRows)
    order = np.random.default_rng(1).permutation(60)
    np.testing.assert_array_equal(rows[order], matrix.toarray()[order])


def test_a_table_of_several_kinds_is_read_by_row_groups(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path, drawn = tmp_path / "people.parquet", np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "height": np.where(drawn.random(300) < 0.1, np.nan, drawn.normal(170, 8, 300)),
            "colour": drawn.choice(["red", "blue"], 300),
            "group": drawn.choice(["a", "b"], 300),
        }
    )
    frame.to_parquet(path, row_group_size=70)
    whole, rows = (load_dataset(path, condition="group", memory=memory) for memory in ("resident", "streamed"))
    assert rows_of(rows.examples)
    np.testing.assert_array_equal(np.asarray(rows.condition), np.asarray(whole.condition))
    assert [(column.name, column.kind) for column in rows.columns] == [(column.name, column.kind) for column in whole.columns]
    order = np.random.default_rng(1).permutation(300)
    np.testing.assert_array_equal(rows.examples[order], whole.examples[order])
    written = rows.examples.table(order[:5])
    assert written is not None
    assert written.column("colour").tolist() == read_raw(path).rows(order[:5]).column("colour").tolist()
    # What a run plans of it is what it plans of the array, for rows in their order.
    config = RunConfig.from_dict({"data": {"name": str(path)}})
    planned = plan(config, rows, {})
    assert (np.diff(planned.split.train) > 0).all()
    assert planned.config.data.memory == "streamed"
    assert planned.config.likelihood.name == "mixed"
    assert planned.spec.columns == plan(config, _in_order(whole, planned.split), {}).spec.columns
    np.testing.assert_array_equal(
        in_form_of(rows, planned.spec).examples[order], np.asarray(in_form_of(whole, planned.spec).examples)[order]
    )


def _in_order(dataset: Any, split: Any) -> Any:
    return dataclasses.replace(dataset, split=split)


@pytest.mark.parametrize("made", [_npy, _shards, _parquet])
def test_a_file_that_changes_or_vanishes_or_is_cut_short_is_said(made: Callable[[Path], Path], tmp_path: Path) -> None:
    path = made(tmp_path)
    file = path / "part-1.npz" if path.is_dir() else path
    for change, words in (
        (_cut, "has changed since it was opened .it had"),
        (_touch, "was written again"),
        (_remove, "not there"),
    ):
        rows = load_dataset(path, memory="streamed").examples
        kept = file.read_bytes()
        change(file)
        with pytest.raises(DataError, match=f"{file.name}.*{words}"):
            rows.read(np.array([len(rows) // 2]))
        file.write_bytes(kept)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def _touch(file: Path) -> None:
    os.utime(file, ns=(1, 1))


def _remove(file: Path) -> None:
    file.unlink()


def test_a_run_whose_file_vanishes_keeps_what_it_learned_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _npy(tmp_path)
    sections = {
        "data": {"name": str(path), "memory": "streamed"},
        "model": {"latent_dim": 1},
        "network": {"name": "mlp", "hidden_widths": [2]},
        "likelihood": {"name": "gaussian"},
        "training": {"epochs": 6, "batch_size": 8, "validate_every": 1, "seed": 1},
    }
    config = RunConfig.from_dict(sections)
    monkeypatch.setattr("lowerbound.training.stream.WINDOW_BYTES", 200)
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 240)

    def begun(name: str) -> TrainingRun:
        dataset = load_dataset(path, memory="streamed")
        return TrainingRun.begin(tmp_path / name, config, dataset, recipe="", command="lowerbound train")

    def vanish(record: Any, run: TrainingRun) -> None:
        if record.epoch == 3:
            path.rename(tmp_path / "elsewhere.npy")

    with pytest.raises(DataError, match=r"x\.npy is not there any more.*All that was learned is kept in .*--resume"):
        begun("stopped").run(on_record=vanish)
    (tmp_path / "elsewhere.npy").rename(path)
    again = TrainingRun.resume(tmp_path / "stopped", load_dataset(path, memory="streamed"))
    assert int(again.progress.state.step) > 0
    again.run()
    whole = begun("whole")
    whole.run()
    assert eqx.tree_equal(again.progress.state, whole.progress.state)
