"""The data sets with a name: where each comes from, and how its files become arrays."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import ChecksumError, SavingError
from ..storage.npz import read_npz, write_npz
from .cache import RemoteFile, fetch, file_sha256
from .dataset import Dataset
from .faces import Faces, generate_faces, render_faces
from .idx import read_idx
from .splits import consecutive_split

_FREY = RemoteFile(
    "frey_faces/frey_rawface.mat",
    "https://cs.nyu.edu/~roweis/data/frey_rawface.mat",
    "265a83a23adb081755cd3de375509828e690324d1d60f076b8ecebc840d59c64",
)


def _mnist_file(name: str, sha256: str) -> RemoteFile:
    return RemoteFile(f"mnist/{name}", f"https://storage.googleapis.com/cvdf-datasets/mnist/{name}", sha256)


_MNIST = (
    _mnist_file("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    _mnist_file("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    _mnist_file("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    _mnist_file("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)


def _binarized_file(part: str, sha256: str) -> RemoteFile:
    file = f"binarized_mnist_{part}.amat"
    address = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist"
    return RemoteFile(f"binarized_mnist_static/{file}", f"{address}/{file}", sha256)


_BINARIZED_MNIST = (
    _binarized_file("train", "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"),
    _binarized_file("valid", "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"),
    _binarized_file("test", "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
)
_PACKED_PATH = "binarized_mnist_static/binarized_mnist_static_packed.npz"
# Of the bits, not of the .npz around them: two archives of the same bits differ in their compression and dates.
_PACKED_SHA256 = "c462f82a020638a4d5d8d44e4c83242ee0145ee1d125869d0e030c35011837e6"
_BINARIZED_SIZES = {"train": 50_000, "valid": 10_000, "test": 10_000}

_NEWSGROUPS = RemoteFile(
    "20newsgroups_etm/20ng_bow_csr.npz", "", "f4d795505640eb8488803f7522a697e5500c1844d31c29d5c1dd4ca17cacd3c9"
)


@dataclasses.dataclass(frozen=True)
class NamedSet:
    """A data set that the package knows by name.

    - `what`: one line for a listing. `num_examples`, `event_shape`: its size.
    - `load`: from the data directory to the data.
    - `files`: what must be in the data directory; empty when nothing is needed.
    - `alternative`: a path in the data directory that serves in place of `files`.
    """

    name: str
    what: str
    num_examples: int
    event_shape: tuple[int, ...]
    load: Callable[[Path], Dataset]
    files: tuple[RemoteFile, ...] = ()
    alternative: str = ""


def _load_faces(data_dir: Path) -> Dataset:
    faces = _default_faces()
    images, factors = faces.images.copy(), faces.factors.copy()
    return Dataset("faces", images, factors=factors, factor_names=faces.factor_names, render=render_faces)


@functools.cache
def _default_faces() -> Faces:
    """Drawing them takes a second or two; a process that asks again gets copies of the first drawing."""
    return generate_faces()


def _load_digits(data_dir: Path) -> Dataset:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.asarray(pixels).astype(np.uint8).reshape(-1, 8, 8)
    return Dataset("digits", images, labels=np.asarray(labels).astype(np.int64), num_levels=17)


def _load_frey_faces(data_dir: Path) -> Dataset:
    (path,) = fetch([_FREY], data_dir, name="frey-faces")
    return Dataset("frey-faces", _read_frey(path))


def _read_frey(path: Path) -> np.ndarray:
    from .files import load_array_file

    # The file holds one image in each column.
    return np.ascontiguousarray(load_array_file(path, "ff").T.reshape(-1, 28, 20))


def read_original(path: Path) -> np.ndarray | None:
    """The examples in `path` where it is the original file of a named set that is not stored row by row, else None."""
    if path.name == Path(_FREY.path).name and file_sha256(path) == _FREY.sha256:
        return _read_frey(path)
    return None


def _load_mnist(data_dir: Path) -> Dataset:
    paths = fetch(_MNIST, data_dir, name="mnist")
    train_images, train_labels, test_images, test_labels = map(read_idx, paths)
    return Dataset(
        "mnist",
        np.concatenate([train_images, test_images]),
        labels=np.concatenate([train_labels, test_labels]).astype(np.int64),
        split=consecutive_split(50_000, 10_000, 10_000),
    )


def _load_binarized_mnist(data_dir: Path) -> Dataset:
    packed = data_dir / _PACKED_PATH
    if packed.exists():
        bits = _read_packed(packed)
    else:
        paths = fetch(_BINARIZED_MNIST, data_dir, name="binarized-mnist")
        bits = {part: pack_amat(path) for part, path in zip(_BINARIZED_SIZES, paths, strict=True)}
        # The packed form loads fifty times faster than the text; without room for it, the text still serves.
        with contextlib.suppress(SavingError):
            write_npz(packed, bits)
    images = [np.unpackbits(bits[part], axis=1)[:, :784].reshape(-1, 28, 28) for part in _BINARIZED_SIZES]
    return Dataset("binarized-mnist", np.concatenate(images), split=consecutive_split(*_BINARIZED_SIZES.values()))


def _load_newsgroups(data_dir: Path) -> Dataset:
    import scipy.sparse

    (path,) = fetch([_NEWSGROUPS], data_dir, name="20newsgroups")
    with np.load(path, allow_pickle=False) as archive:
        stored = [[archive[f"{part}_{array}"] for array in ("data", "indices", "indptr")] for part in ("tr", "va", "ts")]
    # Rows of word counts, which are stored without their zeros.
    parts = [scipy.sparse.csr_array(tuple(each), shape=(len(each[2]) - 1, 3072)).toarray().astype(np.uint16) for each in stored]
    return Dataset("20newsgroups", np.concatenate(parts), split=consecutive_split(*map(len, parts)))


def pack_amat(path: Path) -> np.ndarray:
    """Eight pixels to a byte, from a text file of 784 digits (0 or 1) a line, one byte after each."""
    digits = np.frombuffer(path.read_bytes(), dtype=np.uint8)[::2]
    return np.packbits(digits.reshape(-1, 784) == ord("1"), axis=1)


def _read_packed(path: Path) -> dict[str, np.ndarray]:
    try:
        bits = dict(zip(_BINARIZED_SIZES, read_npz(path, *_BINARIZED_SIZES), strict=True))
        # Of each part's bytes in turn.
        got = hashlib.sha256(b"".join(part.tobytes() for part in bits.values())).hexdigest()
    except ValueError as error:
        got, bits = f"none that can be computed ({error})", {}
    if got != _PACKED_SHA256:
        raise ChecksumError(
            f"the bits in {path} have SHA-256 {got}; expected {_PACKED_SHA256}. The file is torn or is not the original. "
            "Delete it and run again to fetch it anew."
        )
    return bits


NAMED_SETS = {
    each.name: each
    for each in (
        NamedSet("faces", "drawn faces, grey, 8 bits, with the factors that made them", 1965, (28, 20), _load_faces),
        NamedSet("digits", "scikit-learn's handwritten digits, 17 grey levels", 1797, (8, 8), _load_digits),
        NamedSet("frey-faces", "Brendan Frey's face on video, grey, 8 bits", 1965, (28, 20), _load_frey_faces, (_FREY,)),
        NamedSet(
            "binarized-mnist",
            "handwritten digits, black or white (the static set)",
            70_000,
            (28, 28),
            _load_binarized_mnist,
            _BINARIZED_MNIST,
            _PACKED_PATH,
        ),
        NamedSet("mnist", "handwritten digits, grey, 8 bits", 70_000, (28, 28), _load_mnist, _MNIST),
        NamedSet(
            "20newsgroups", "word counts of newsgroup posts, 3,072 words", 18_845, (3072,), _load_newsgroups, (_NEWSGROUPS,)
        ),
    )
}
