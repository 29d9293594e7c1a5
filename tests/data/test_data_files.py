"""The user's own files: what is read, and what each refusal says."""

import gzip
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from lowerbound.data.datasets import load_dataset
from lowerbound.errors import ConfigurationError, DataError, MissingDataError, TooLargeError

X = np.arange(24, dtype=np.float32).reshape(6, 4)


class _Bomb:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def test_npy(tmp_path):
    np.save(tmp_path / "x.npy", X.astype(np.uint8))
    dataset = load_dataset(tmp_path / "x.npy")
    assert dataset.name == str(tmp_path / "x.npy")
    assert dataset.examples.dtype == np.uint8
    np.testing.assert_array_equal(dataset.examples, X)
    assert dataset.split is None


def test_npz_and_mat_with_one_variable_need_no_key(tmp_path):
    np.savez(tmp_path / "x.npz", data=X)
    scipy.io.savemat(tmp_path / "x.mat", {"data": X})
    for name in ("x.npz", "x.mat"):
        np.testing.assert_array_equal(load_dataset(tmp_path / name).examples, X)


def test_npz_and_mat_with_a_key(tmp_path):
    np.savez(tmp_path / "x.npz", images=X, labels=np.arange(6))
    scipy.io.savemat(tmp_path / "x.mat", {"images": X, "labels": np.arange(6), "note": "text"})
    for name in ("x.npz", "x.mat"):
        np.testing.assert_array_equal(load_dataset(tmp_path / name, key="images").examples, X)


@pytest.mark.parametrize("name", ["x.npz", "x.mat"])
def test_an_ambiguous_or_wrong_key_lists_what_there_is(name, tmp_path):
    np.savez(tmp_path / "x.npz", labels=np.arange(6), images=X)
    scipy.io.savemat(tmp_path / "x.mat", {"labels": np.arange(6), "images": X})
    with pytest.raises(
        DataError, match=rf"{name} holds 2 variables: labels .*images \(6, 4\) .*--set data.key=images \(in Python:"
    ):
        load_dataset(tmp_path / name)
    with pytest.raises(
        DataError, match=r"data.key is 'image', which does not exist. Did you mean 'images'\? Available: images, labels"
    ):
        load_dataset(tmp_path / name, key="image")


def test_a_key_for_a_npy_file_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(DataError, match=r"data.key is 'a', but .*x.npy is a .npy file, which holds one array without a name"):
        load_dataset(tmp_path / "x.npy", key="a")


def test_pickles_are_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = np.empty((1, 1), dtype=object)
    bomb[0, 0] = _Bomb()
    np.save("object.npy", bomb, allow_pickle=True)
    np.savez("object.npz", bomb=bomb)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(_Bomb()))
    for name in ("object.npy", "object.npz", "raw.npy"):
        with pytest.raises(
            DataError, match=rf"{name} (holds Python objects \(a pickle\), which are|.* a pickle, which is) never loaded"
        ):
            load_dataset(name)
    assert not (tmp_path / "exploded").exists()
    np.load("object.npy", allow_pickle=True)
    assert (tmp_path / "exploded").exists(), "the bomb works, so the refusal above means something"


def _torn(path):
    path.write_bytes(path.read_bytes()[:-20])


def test_torn_files_are_refused_by_name(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", data=X)
    scipy.io.savemat(tmp_path / "x.mat", {"data": X})
    for name in ("x.npy", "x.npz", "x.mat"):
        _torn(tmp_path / name)
        said = (
            "is torn: its header says an array"
            if name == "x.npy"
            else r"could not be read \(.*\); it may be torn or of another form"
        )
        with pytest.raises(DataError, match=f"{name} {said}"):
            load_dataset(tmp_path / name)


@pytest.mark.parametrize("ending", ["npy", "npz", "mat"])
def test_foreign_and_empty_files_are_refused(ending, tmp_path):
    for content in (b"", b"this is not an array at all, whatever its name may say" * 9, bytes(500)):
        (tmp_path / f"x.{ending}").write_bytes(content)
        with pytest.raises(DataError, match=rf"x.{ending} (could not be read|holds)"):
            load_dataset(tmp_path / f"x.{ending}")


def test_an_archive_under_the_other_name(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "y.npz", data=X)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    (tmp_path / "y.npz").rename(tmp_path / "y.npy")
    with pytest.raises(DataError, match=r"x.npz ends in .npz but holds a single .npy array; rename it"):
        load_dataset(tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"y.npy ends in .npy but is a .npz archive; rename it"):
        load_dataset(tmp_path / "y.npy")


def test_a_zip_of_other_things_is_not_an_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"x.npz: readme.txt is not an array; expected members that numpy.savez wrote"):
        load_dataset(tmp_path / "x.npz")


def test_a_matlab_7_3_file_is_told_from_a_torn_one(tmp_path):
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "x.mat").write_bytes(header + b"\x89HDF\r\n\x1a\n" + bytes(1000))
    with pytest.raises(DataError, match=r"is a MATLAB 7.3 \(HDF5\) file, which is not read here; save it again .* '-v7'"):
        load_dataset(tmp_path / "x.mat")


def _cells(*values):
    cells = np.empty((len(values), 1), dtype=object)
    cells[:, 0] = values
    return cells


def test_text_in_a_mat_file_is_not_data(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"note": _cells("ab", "cd")})
    with pytest.raises(DataError, match=r"x.mat has dtype <U2; expected numbers .* The first that is not a number is 'ab'"):
        load_dataset(tmp_path / "x.mat")


@pytest.mark.parametrize(
    "cells", [_cells(*X), _cells(*X).T, X.astype(object)], ids=["a column of rows", "a row of rows", "numbers"]
)
def test_cells_of_numbers_become_one_array(cells, tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"data": cells})
    np.testing.assert_array_equal(load_dataset(tmp_path / "x.mat").examples, X)


def test_cells_of_pictures_keep_their_shape(tmp_path):
    pictures = X.reshape(3, 4, 2)
    scipy.io.savemat(tmp_path / "x.mat", {"data": _cells(*pictures)})
    np.testing.assert_array_equal(load_dataset(tmp_path / "x.mat").examples, pictures)


def test_cells_of_text_are_categories_of_a_condition(tmp_path):
    names = ["ctrl", "treated", "ctrl", "treated", "ctrl", "ctrl"]
    scipy.io.savemat(tmp_path / "x.mat", {"data": X, "group": _cells(*names), "batch": np.arange(6.0)[:, None]})
    dataset = load_dataset(tmp_path / "x.mat", key="data", condition="group")
    assert np.asarray(dataset.condition).tolist() == names
    both = load_dataset(tmp_path / "x.mat", key="data", condition="group, batch").condition
    assert both is not None
    assert both["group"].tolist() == names
    assert both["batch"].tolist() == list(range(6))
    with pytest.raises(
        DataError, match=r"several variables, of which 'data' in .*x.mat has the shape \(6, 4\); expected one value"
    ):
        load_dataset(tmp_path / "x.mat", key="data", condition="group,data")
    with pytest.raises(
        ConfigurationError, match=r"data.condition is 'group,'; expected one name, or several with commas between"
    ):
        load_dataset(tmp_path / "x.mat", key="data", condition="group,")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (_cells(X[0], X[1, :3]), r"cells of several shapes: the first is \(1, 4\), number 2 is \(1, 3\); .*Cut or pad them"),
        (_cells(X[0], "ab"), r"data has cells with numbers and cells with texts; expected one of them"),
        (_cells(X[0], _cells(1.0)), r"data has a cell, number 2, which holds cells; expected numbers, or one text, in each"),
        (np.empty((0, 1), object), r"data is an empty list of cells"),
        ({"a": X, "b": 1.0}, r"data is a structure with the fields a, b; expected an array. Save it as one: a field S.x"),
        (_cells(*X).reshape(2, 3), r"data is a table of cells \(2, 3\), each \(1, 4\); expected one cell for each example"),
    ],
    ids=["shapes", "kinds", "nested", "none", "structure", "a table"],
)
def test_other_cells_are_refused(value, message, tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"data": value})
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path / "x.mat")


@pytest.mark.parametrize("name", ["testobject_7.4_GLNX86.mat", "testfunc_7.4_GLNX86.mat"])
def test_objects_of_matlab_are_refused(name):
    file = Path(scipy.io.__file__).parent / "matlab" / "tests" / "data" / name
    if not file.exists():
        pytest.skip("this SciPy comes without its tests")
    with pytest.raises(DataError, match=r"is (an object of MATLAB's own|a structure with).*; expected an array. Save it as one"):
        load_dataset(file)


def _idx(array, code):
    return (
        bytes([0, 0, code, array.ndim])
        + np.asarray(array.shape, ">i4").tobytes()
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


@pytest.mark.parametrize("name", ["train-images-idx2-ubyte", "x.idx2-float", "x.idx"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_idx(name, is_packed, tmp_path):
    array, code = (X, 0x0D) if "float" in name else (X.astype(np.uint8), 0x08)
    path = tmp_path / (name + (".gz" if is_packed else ""))
    path.write_bytes(gzip.compress(_idx(array, code), mtime=0) if is_packed else _idx(array, code))
    found = load_dataset(path).examples
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, X)
    with pytest.raises(DataError, match="is an idx file, which holds one array without a name; leave the key out"):
        load_dataset(path, key="a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin as such a file does"),
        (b"\0\0\x07\x02" + bytes(60), "does not begin as such a file does"),
        (_idx(X.astype(np.uint8), 0x08)[:-1], r"an array \(6, 4\) of uint8, 24 bytes, but 23 bytes follow"),
        (_idx(X.astype(np.uint8), 0x08) + b"1", r"24 bytes, but 25 bytes and more follow"),
        (_idx(X.astype(np.uint8), 0x08)[:7], r"an array \(\) of uint8"),
        (gzip.compress(_idx(X, 0x0D), mtime=0)[:-30], "could not be read .*; it may be torn"),
    ],
    ids=("empty", "foreign", "short", "long", "without sizes", "packed"),
)
def test_a_torn_idx_file_is_refused(content, message, tmp_path):
    (tmp_path / "x-idx2-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path / "x-idx2-ubyte.gz")


def test_an_idx_header_that_no_memory_holds_is_refused(tmp_path):
    (tmp_path / "x.idx").write_bytes(b"\0\0\x08\x03" + b"\x7f\xff\xff\xff" * 3)
    with pytest.raises(TooLargeError, match=r"x.idx, an array \(2147483647, 2147483647, 2147483647\) of uint8, would take"):
        load_dataset(tmp_path / "x.idx")


def test_a_file_that_is_too_large_is_not_called_damaged(tmp_path, monkeypatch):
    def no_memory(*_, **__):
        raise MemoryError("Unable to allocate 8 GiB")

    np.save(tmp_path / "x.npy", X)
    monkeypatch.setattr(np, "load", no_memory)
    with pytest.raises(TooLargeError, match=r"x.npy does not fit into memory \(Unable to allocate 8 GiB\); make it smaller"):
        load_dataset(tmp_path / "x.npy")


def test_bad_values_name_the_file_and_the_variable(tmp_path):
    bad = X.copy()
    bad[2, 3] = np.inf
    np.savez(tmp_path / "x.npz", bad=bad, other=X)
    with pytest.raises(DataError, match=r"Input x.npz\['bad'\] contains 1 infinite of 24 values .* at index \(2, 3\)"):
        load_dataset(tmp_path / "x.npz", key="bad")
    np.save(tmp_path / "x.npy", X[:1])
    with pytest.raises(DataError, match=r"x.npy has only one row"):
        load_dataset(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "table.txt",
            r"table.txt has the ending '.txt', .*; expected .npy, .npz, .mat, .idx, .csv, .tsv.* is read from table.csv",
        ),
        ("face.png", r"face.png has the ending '.png'.*For images give the folder that holds them"),
        (
            "x.npy.gz",
            r"x.npy.gz has the ending '.gz', .*Of compressed files .csv.gz, .* and idx are read; unpack others first",
        ),
        ("data", r"data has the ending '\(none\)', which is not known"),
    ],
)
def test_other_endings_are_refused_with_advice(name, message, tmp_path):
    (tmp_path / name).write_text("1,2\n")
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path / name)


def test_names_and_files_that_do_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        MissingDataError, match=r"the data set 'fases' does not exist, .* Did you mean 'faces'\? Named sets: faces, digits,"
    ):
        load_dataset("fases")
    with pytest.raises(MissingDataError, match=r"there is no file absent.npy; expected a .npy, .npz, .mat, .csv, .tsv,"):
        load_dataset("absent.npy")


def test_a_large_header_is_read_too(tmp_path):
    """Version 2 of the .npy form has a longer header; the listing of an archive reads it as well."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, X, version=(2, 0))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", buffer.getvalue())
        archive.writestr("b.npy", buffer.getvalue())
    with pytest.raises(DataError, match=r"a \(6, 4\) float32, b \(6, 4\) float32"):
        load_dataset(tmp_path / "x.npz")
    np.testing.assert_array_equal(load_dataset(tmp_path / "x.npz", key="a").examples, X)


def test_a_sparse_matrix_of_matlab_is_read(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"x": scipy.sparse.csr_matrix(np.eye(5))})
    np.testing.assert_array_equal(load_dataset(tmp_path / "x.mat").examples, np.eye(5))
    scipy.io.savemat(tmp_path / "y.mat", {"x": scipy.sparse.csr_matrix(np.eye(5) * 1j)})
    with pytest.raises(DataError, match=r"y\.mat: x holds complex128; expected real numbers"):
        load_dataset(tmp_path / "y.mat")


@pytest.mark.parametrize("name", [None, 3, b"x.csv", ["x.csv"]])
def test_what_is_no_name_of_data_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"data is .*; expected a named data set or a path"):
        load_dataset(name)
