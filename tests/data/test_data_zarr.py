"""Zarr stores give what an array of the same numbers gives; what is torn, no rows of numbers or could run code is refused."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowerbound.data.datasets import load_dataset
from lowerbound.data.splits import data_sha256
from lowerbound.data.streams import arrays
from lowerbound.data.zarr_store import ZarrRows
from lowerbound.errors import DataError, DataWarning

ARRAY = np.random.default_rng(0).normal(size=(90, 4, 3))


def _store(path: Path, values: np.ndarray = ARRAY, **how: Any) -> Path:
    zarr = pytest.importorskip("zarr")
    how = {"chunks": (20, *values.shape[1:])[: values.ndim], **how}
    zarr.create_array(str(path), shape=values.shape, dtype=values.dtype, **how)[...] = values
    return path


@pytest.mark.parametrize(
    "how",
    [{}, {"zarr_format": 2}, {"chunks": (10, 4, 2), "shards": (30, 4, 4)}, {"chunks": (20, 2, 3)}, {"compressors": None}],
    ids=["version 3", "version 2", "shards", "parts of rows", "not packed"],
)
def test_what_is_read_a_block_at_a_time_is_what_the_array_holds(
    how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 45 * ARRAY[0].nbytes)
    path = _store(tmp_path / "x.zarr", **how)
    whole, rows = (load_dataset(path, memory=memory).examples for memory in ("resident", "streamed"))
    np.testing.assert_array_equal(whole, ARRAY)
    assert isinstance(rows, ZarrRows)
    # Blocks are whole chunks.
    assert rows.starts.tolist() == ([0, 30, 60, 90] if "shards" in how else [0, 40, 80, 90])
    order = np.random.default_rng(1).permutation(90)
    np.testing.assert_array_equal(rows[order], ARRAY[order])
    copy = shutil.copytree(path, tmp_path / "copy.zarr")
    assert data_sha256(rows) == data_sha256(load_dataset(copy, memory="streamed").examples)


def test_the_array_of_a_group_is_chosen_by_its_key(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(str(tmp_path / "g.zarr"))
    for name, values in (("x", ARRAY), ("y", np.arange(90))):
        group.create_array(name, shape=values.shape, dtype=values.dtype)[...] = values
    np.testing.assert_array_equal(load_dataset(tmp_path / "g.zarr", "x").examples, ARRAY)
    with pytest.raises(DataError, match=r"holds 2 arrays: .*x \(90, 4, 3\) float64.*--set data.key="):
        load_dataset(tmp_path / "g.zarr")
    with pytest.raises(DataError, match=r"data.key is 'z', which does not exist"):
        load_dataset(tmp_path / "g.zarr", "z")
    with pytest.raises(DataError, match=r"one array without a name; leave the key out"):
        load_dataset(_store(tmp_path / "x.zarr"), "x")


@pytest.mark.parametrize(("values", "what"), [(np.arange(9.0), r"\(9,\) of float64"), (ARRAY + 1j, "of complex128")], ids=str)
def test_what_are_no_rows_of_numbers_is_refused(values: np.ndarray, what: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"holds an array .*{what}; expected numbers with a row for each example"):
        load_dataset(_store(tmp_path / "x.zarr", values))


def test_a_torn_store_and_one_that_changes_are_said(tmp_path: Path) -> None:
    path = _store(tmp_path / "x.zarr")
    rows = load_dataset(path, memory="streamed").examples
    chunk = path / "c" / "2" / "0" / "0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"c/2/0/0 has changed since it was opened"):
        rows[np.arange(90)]
    with pytest.raises(DataError, match=r"could not be read .*; it may be torn"):
        np.asarray(load_dataset(path, memory="streamed").examples)
    chunk.unlink()
    with pytest.raises(DataError, match=r"c/2/0/0 is not there any more"):
        rows[np.arange(90)]
    # A chunk of zeros alone is not stored either.
    with pytest.warns(DataWarning, match=r"1 of 5 chunks are not stored, which Zarr takes for 0.0 in every element"):
        assert not load_dataset(path).examples[40:60].any()
    (path / "zarr.json").write_text("{")
    with pytest.raises(DataError, match=r"could not be read .*; the store may be torn"):
        load_dataset(path)


class _Touches:
    """What runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compressor": {"id": "pickle", "protocol": 5}}, "pickle"),
        ({"filters": [{"id": "pickle", "protocol": 5}], "dtype": "|O"}, "pickle|object"),
        ({"filters": [{"id": "fixedscaleoffset", "offset": 0, "scale": 2, "dtype": "<f8"}]}, "is packed with fixedscaleoffset"),
    ],
    ids=["compressor", "filter", "not known"],
)
def test_chunks_that_are_packed_in_ways_that_are_not_known_are_refused_unread(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path, touched = _store(tmp_path / "x.zarr", zarr_format=2), tmp_path / "touched"
    record = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps({**record, **changes}))
    for chunk in path.glob("*.*.*"):
        chunk.write_bytes(pickle.dumps(_Touches(touched)))
    with pytest.raises(DataError, match=message):
        load_dataset(path)
    assert not touched.exists()


def test_without_zarr_its_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "zarr.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(DataError, match=r"which zarr reads, and that is not installed. .*pip install 'lowerbound\[zarr\]'"):
        load_dataset(tmp_path / "x.zarr")
