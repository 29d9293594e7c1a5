"""Files of data made at random: odd types, odd texts, and files that were cut or changed on the way."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from judging import answered, generated

from lowerbound.data import load_dataset
from lowerbound.data.describe import describe

_TYPES = st.one_of(
    hnp.scalar_dtypes(),
    hnp.unicode_string_dtypes(max_len=4),
    hnp.byte_string_dtypes(max_len=4),
    st.just(np.dtype([("a", "f4"), ("b", "i4")])),
    st.just(np.dtype(np.longdouble)),
)
_SHAPES = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6)
_ARRAYS = _TYPES.flatmap(lambda kind: hnp.arrays(kind, _SHAPES))
_CELLS = st.sampled_from(
    [
        "1",
        "2.5",
        "-3",
        "0",
        "1e400",
        "nan",
        "NA",
        "",
        " ",
        "x",
        "TRUE",
        "1,5",
        '"a"',
        '"',
        "1e5",
        "#",
        "2020-01-01",
        "é",
        "\x00",
        "1;2",
        "inf",
    ]
)
_ROWS = st.lists(st.lists(_CELLS, min_size=0, max_size=5), min_size=0, max_size=8)
_DAMAGE = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=3)


def _look(path: Path) -> None:
    """What a command does first with data."""
    dataset = load_dataset(path)
    assert isinstance(dataset.examples, np.ndarray)
    describe(dataset.examples)


def _damaged(content: bytes, damage: list[tuple[float, int]], kept: float) -> bytes:
    array = bytearray(content)
    for place, change in damage:
        if array:
            array[int(place * len(array))] ^= change
    return bytes(array[: int(len(array) * kept)])


@generated
@given(array=_ARRAYS)
def test_any_array_in_a_file(array: np.ndarray, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("arrays")
    np.save(folder / "x.npy", array)
    np.savez(folder / "x.npz", array)
    for name in ("x.npy", "x.npz"):
        answered(lambda name=name: _look(folder / name))


def _written(kind: str) -> bytes:
    rng, file = np.random.default_rng(0), io.BytesIO()
    table = rng.normal(size=(30, 4))
    if kind == "x.npy":
        np.save(file, table)
    elif kind == "x.npz":
        np.savez_compressed(file, table=table)
    elif kind == "x.mat":
        scipy.io.savemat(file, {"x": table, "y": {"a": 1.0}}, do_compression=True)
    elif kind == "x.mtx":
        scipy.io.mmwrite(file, scipy.sparse.coo_array(table > 1))
    elif kind == "sparse.npz":
        scipy.sparse.save_npz(file, scipy.sparse.csr_array(np.maximum(table, 0)))
    elif kind in ("x.parquet", "x.feather"):
        arrow = pytest.importorskip("pyarrow")
        columns = arrow.table({"a": table[:, 0], "b": ["x", "y", None] * 10, "c": table[:, 1].astype("datetime64[s]")})
        if kind == "x.parquet":
            pytest.importorskip("pyarrow.parquet").write_table(columns, file)
        else:
            pytest.importorskip("pyarrow.feather").write_feather(columns, file)
    elif kind == "x.h5ad":
        with pytest.importorskip("h5py").File(file, "w") as hdf:
            hdf["X"] = table
            hdf.create_group("var")["_index"] = np.array([b"a", b"b", b"c", b"d"])
    elif kind == "x.csv":
        np.savetxt(file, table, delimiter=",", header="a,b,c,d", comments="")
    else:
        PIL.Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(file, "PNG" if kind.endswith("png") else "JPEG")
    return file.getvalue()


_DAMAGED = ["x.npy", "x.npz", "sparse.npz", "x.mat", "x.csv", "x.mtx", "x.parquet", "x.feather", "x.h5ad", "a.png", "a.jpg"]


@pytest.mark.parametrize("kind", _DAMAGED)
@generated
@given(damage=_DAMAGE, kept=st.sampled_from([1.0, 1.0, 0.99, 0.5, 0.1, 0.0]))
def test_a_damaged_file(kind: str, damage: list[tuple[float, int]], kept: float, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / kind).write_bytes(_damaged(_written(kind), damage, kept))
    answered(lambda: _look(folder if kind.startswith("a.") else folder / kind))


@generated
@given(
    rows=_ROWS,
    separator=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    ending=st.sampled_from(["csv", "tsv"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
)
def test_a_table_as_somebody_typed_it(
    rows: list[list[str]], separator: str, end: str, ending: str, encoding: str, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("tables") / f"t.{ending}"
    path.write_bytes(end.join(separator.join(cells) for cells in rows).encode(encoding, "replace"))
    answered(lambda: _look(path))


@generated
@given(
    names=st.lists(st.sampled_from(["x.npy", "y.npy", "x", "../x.npy", "a/b.npy", ".npy", "é.npy"]), max_size=3, unique=True),
    content=_ARRAYS,
)
def test_an_archive_with_odd_members(names: list[str], content: np.ndarray, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("archives") / "x.npz"
    member = io.BytesIO()
    np.save(member, content)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, member.getvalue() if name.endswith(".npy") else b"text")
    answered(lambda: _look(path))
