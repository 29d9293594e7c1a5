"""Named data sets: where their files are looked for, how they are fetched, and that the right bytes come out."""

import functools
import hashlib
import http.server
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from lowerbound.data import named
from lowerbound.data.cache import RemoteFile, data_directory, fetch
from lowerbound.data.dataset import Dataset
from lowerbound.data.datasets import dataset_status, load_dataset
from lowerbound.data.describe import describe
from lowerbound.errors import ChecksumError, DataWarning, MissingDataError

CONTENT = b"the bytes of a data set" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
# Port 9 (discard) of this machine: nothing listens there.
NOWHERE = "http://127.0.0.1:9"


def _real(name: str) -> Dataset:
    status = {status.name: status for status in dataset_status()}[name]
    if not status.present:
        pytest.skip(f"{name} is not in {status.where}")
    return load_dataset(name)


class _Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a path that begins with /torn sends half of what it announces."""

    requested: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.requested.append(self.path)
        if self.path.startswith("/torn"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) // 2])
            return
        super().do_GET()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "right.bin").write_bytes(CONTENT)
    (folder / "wrong.bin").write_bytes(CONTENT + b"!")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_Server, "requested", [])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Server, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_download_is_checked_and_kept(server, tmp_path):
    file = RemoteFile("set/right.bin", f"{server}/right.bin", SHA256)
    (path,) = fetch([file], tmp_path, name="example")
    assert path == tmp_path / "set/right.bin"
    assert path.read_bytes() == CONTENT
    fetch([file], tmp_path, name="example")
    assert _Server.requested == ["/right.bin"], "the second time it is there already"


def test_running_again_fetches_only_what_is_missing(server, tmp_path):
    first = RemoteFile("set/first.bin", f"{server}/right.bin", SHA256)
    second = RemoteFile("set/second.bin", f"{server}/torn.bin", SHA256)
    with pytest.raises(MissingDataError, match=r"the data set 'example' is not in .* and could not be downloaded"):
        fetch([first, second], tmp_path, name="example")
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["first.bin"], "half a file is not kept"
    repaired = RemoteFile("set/second.bin", f"{server}/right.bin", SHA256)
    fetch([first, repaired], tmp_path, name="example")
    assert _Server.requested == ["/right.bin", "/torn.bin", "/right.bin"]


def test_a_server_that_sends_other_bytes(server, tmp_path):
    file = RemoteFile("set/wrong.bin", f"{server}/wrong.bin", SHA256)
    with pytest.raises(
        ChecksumError, match=rf"wrong.bin sent for the data set 'example' does not have the SHA-256 {SHA256}, so it was"
    ):
        fetch([file], tmp_path, name="example")
    assert list((tmp_path / "set").iterdir()) == []


def test_a_server_that_no_longer_has_it(server, tmp_path):
    file = RemoteFile("set/gone.bin", f"{server}/gone.bin", SHA256)
    with pytest.raises(MissingDataError, match=r"could not be downloaded \(the server answered 404\)"):
        fetch([file], tmp_path, name="example")


def test_offline_it_is_said_which_files_to_put_where(offline, tmp_path):
    files = [RemoteFile(f"set/{part}.bin", f"{NOWHERE}/{part}.bin", SHA256) for part in ("here", "a", "b")]
    (tmp_path / "set").mkdir()
    (tmp_path / "set/here.bin").write_bytes(CONTENT)
    with pytest.raises(MissingDataError) as caught:
        fetch(files, tmp_path, name="example")
    message = str(caught.value)
    assert f"the data set 'example' is not in {tmp_path} and could not be downloaded (no connection)" in message
    assert f"put these files in place:\n  {tmp_path}/set/a.bin  from  {NOWHERE}/a.bin\n  {tmp_path}/set/b.bin" in message
    assert "with --data-dir DIR or LOWERBOUND_DATA=DIR" in message
    assert "here.bin" not in message
    assert "'faces' and 'digits' need no download" in message


def test_the_offline_message_reaches_the_caller_of_load_dataset(offline, tmp_path, monkeypatch):
    frey = RemoteFile(named._FREY.path, f"{NOWHERE}/frey_rawface.mat", named._FREY.sha256)
    monkeypatch.setattr(named, "_FREY", frey)
    with pytest.raises(
        MissingDataError, match=r"put this file in place:\n  .*/frey_faces/frey_rawface.mat  from  http://127.0.0.1:9/"
    ):
        load_dataset("frey-faces", data_dir=tmp_path)


def test_a_file_with_a_wrong_checksum_is_refused_and_left(tmp_path):
    path = tmp_path / "frey_faces/frey_rawface.mat"
    path.parent.mkdir()
    scipy.io.savemat(path, {"ff": np.zeros((560, 1965), np.uint8)})
    with pytest.raises(
        ChecksumError, match=r"frey_rawface.mat has SHA-256 [0-9a-f]{64}; expected 265a83a2.*Delete it and run again"
    ):
        load_dataset("frey-faces", data_dir=tmp_path)
    assert path.exists()


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "set").write_text("a file where a folder should be")
    with pytest.raises(
        MissingDataError, match=r"could not be written there .*Name a folder that can be written, with --data-dir"
    ):
        fetch([RemoteFile("set/right.bin", f"{server}/right.bin", SHA256)], tmp_path, name="example")


def test_the_data_directory_is_the_argument_else_the_variable_else_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LOWERBOUND_DATA", str(tmp_path / "variable"))
    assert data_directory(tmp_path / "argument") == tmp_path / "argument"
    assert data_directory() == tmp_path / "variable"
    assert data_directory("~/data") == Path.home() / "data"
    monkeypatch.delenv("LOWERBOUND_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_directory().name == "lowerbound"


def test_status_lists_what_is_present(tmp_path):
    (tmp_path / "frey_faces").mkdir()
    (tmp_path / "frey_faces/frey_rawface.mat").write_bytes(bytes(123))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/train-labels-idx1-ubyte.gz").write_bytes(bytes(7))
    rows = {row.name: row for row in dataset_status(tmp_path)}
    assert list(rows) == ["faces", "digits", "frey-faces", "binarized-mnist", "mnist", "20newsgroups"]
    assert [row.present for row in rows.values()] == [True, True, True, False, False, False]
    assert rows["faces"].where == "built in"
    assert (rows["frey-faces"].where, rows["frey-faces"].size_bytes) == (str(tmp_path / "frey_faces"), 123)
    assert rows["mnist"].size_bytes == 7
    assert (rows["mnist"].num_examples, rows["mnist"].event_shape) == (70_000, (28, 28))


def test_the_listing_tells_the_truth_of_the_built_in_sets():
    for row in dataset_status():
        if row.where == "built in":
            assert load_dataset(row.name).examples.shape == (row.num_examples, *row.event_shape)


def test_listing_loads_neither_jax_nor_scikit_learn():
    code = (
        "import sys; from lowerbound.data.datasets import dataset_status; dataset_status('.'); "
        "print([name for name in ('jax', 'sklearn', 'scipy', 'PIL', 'pooch', 'requests') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_faces_come_with_their_factors():
    faces = load_dataset("faces")
    assert faces.factors is not None
    assert faces.factors.shape == (1965, len(faces.factor_names))
    assert describe(faces.examples, num_levels=faces.num_levels).kind == "integer"


def test_digits_have_17_levels():
    digits = load_dataset("digits")
    assert digits.examples.shape == (1797, 8, 8)
    assert digits.labels is not None
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    with pytest.warns(DataWarning, match="never change"):
        spec = describe(digits.examples, num_levels=digits.num_levels)
    assert (spec.kind, spec.low, spec.high, spec.num_levels) == ("integer", 0.0, 16.0, 17)


def test_frey_faces():
    frey = _real("frey-faces")
    assert frey.examples.shape == (1965, 28, 20)
    assert frey.examples.dtype == np.uint8
    assert (frey.examples.min(), frey.examples.max()) == (8, 238)
    mean = frey.examples.mean(axis=0)
    assert mean[:3, 6:14].min() > 190, "the forehead is bright and at the top: upright"
    assert mean[7, 5] < 80, "the left eye"
    assert mean[7, 14] < 80, "the right eye"
    assert mean[7, 10] > 180, "the bridge of the nose between them"
    assert describe(frey.examples).kind == "integer"


def test_the_original_frey_file_is_recognised_by_its_path():
    frey = _real("frey-faces")
    np.testing.assert_array_equal(load_dataset(data_directory() / named._FREY.path).examples, frey.examples)


def test_mnist():
    mnist = _real("mnist")
    assert mnist.examples.shape == (70_000, 28, 28)
    assert mnist.examples.dtype == np.uint8
    assert mnist.labels is not None
    assert mnist.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.split is not None
    assert mnist.split.sizes == {"train": 50_000, "validation": 10_000, "test": 10_000}
    assert np.bincount(mnist.labels[mnist.split.test]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.examples[:60_000].mean() / 255 == pytest.approx(0.1307, abs=1e-4)


def test_binarized_mnist():
    binarized = _real("binarized-mnist")
    assert binarized.examples.shape == (70_000, 28, 28)
    assert binarized.split is not None
    assert binarized.split.method == "as given"
    assert binarized.split.sizes == {"train": 50_000, "validation": 10_000, "test": 10_000}
    with pytest.warns(DataWarning, match="never change"):
        assert describe(binarized.examples[binarized.split.train]).kind == "binary"


def test_the_original_text_files_of_binarized_mnist_are_packed_and_kept(tmp_path):
    """The text is written again from the packed bits; that its SHA-256 is the original's proves both."""
    bits = _real("binarized-mnist").examples.reshape(-1, 784)
    folder = tmp_path / "binarized_mnist_static"
    folder.mkdir()
    for part, start, stop in (("train", 0, 50_000), ("valid", 50_000, 60_000), ("test", 60_000, 70_000)):
        text = np.full((stop - start, 1568), ord(" "), np.uint8)
        text[:, ::2] = bits[start:stop] + ord("0")
        text[:, -1] = ord("\n")
        (folder / f"binarized_mnist_{part}.amat").write_bytes(text.tobytes())
    np.testing.assert_array_equal(load_dataset("binarized-mnist", data_dir=tmp_path).examples.reshape(-1, 784), bits)
    for path in folder.glob("*.amat"):
        path.unlink()
    np.testing.assert_array_equal(load_dataset("binarized-mnist", data_dir=tmp_path).examples.reshape(-1, 784), bits)


@pytest.mark.parametrize("content", ["torn", "foreign", "changed"])
def test_a_wrong_packed_file_is_refused(content, tmp_path):
    path = tmp_path / named._PACKED_PATH
    path.parent.mkdir()
    sizes = {"train": 5, "valid": 2, "test": 2}
    if content == "torn":
        path.write_bytes(b"PK\x03\x04 torn")
    elif content == "foreign":
        np.savez(path, x=np.arange(3))
    else:
        np.savez(path, **{part: np.zeros((rows, 98), np.uint8) for part, rows in sizes.items()})  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        ChecksumError, match=r"the bits in .*packed.npz have SHA-256 .*; expected c462f82a.*Delete it and run again"
    ):
        load_dataset("binarized-mnist", data_dir=tmp_path)
