"""Arrays from the user's own files: .npy, .npz, .mat and idx. Nothing in a file is ever executed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import DataError, LowerboundError, MissingDataError, TooLargeError, unknown_name_message
from ..storage.memory import check_fits, readable
from ..storage.regular import MISSING, not_a_file
from .counts.sparse import Memory, is_scipy, load_scipy, rows_of_matrix
from .endings import ENDINGS, FILES_IN_WORDS, IDX, ending_of
from .idx import read_idx
from .images import IMAGE_ENDINGS
from .matlab import read_mat
from .signatures import begins_as
from .streams import AbstractRows
from .streams.arrays import NpyRows, ShardRows
from .streams.files import Files, is_streamed

_AGAIN = " Write or copy it again."
# A variable's shape and the name of its type.
_Form = tuple[tuple[int, ...], str]


def load_array_file(path: Path, key: str = "") -> np.ndarray:
    """The array in `path`, as stored; a sparse matrix of SciPy as an array.

    - `key`: the variable's name in a .npz or .mat file; empty for the only one there.

    Raises `MissingDataError` when there is no such file, and `DataError` when its form is unknown, when it cannot be read,
    when it holds Python objects, or when `key` is missing, wrong or needed (the message lists what there is).
    """
    return np.asarray(load_rows_file(path, key, "resident"))


def load_rows_file(path: Path, key: str = "", memory: Memory = "auto") -> np.ndarray | AbstractRows:
    """The array in `path`, as `load_array_file` reads it; or rows that are read by their numbers.

    - `memory`: whether data that take much memory are an array all the same ("resident"), or never ("streamed").
    """
    reason = not_a_file(path)
    if reason == MISSING:
        raise MissingDataError(f"there is no file {path}; expected {FILES_IN_WORDS}, or a folder of images.")
    if reason is not None:
        raise DataError(f"{path} {reason}; expected {FILES_IN_WORDS}, or a folder of images.")
    readers: dict[str, Callable[[Path, str], np.ndarray | AbstractRows]] = {
        ".npy": lambda path, key: _load_numpy(path, key, memory),
        ".npz": lambda path, key: _load_numpy(path, key, memory),
        ".mat": lambda path, key: _load_mat(path, key, memory),
        IDX: _load_idx,
    }
    reader = readers.get(ending_of(path))
    if reader is None:
        hint = begins_as(path)
        if path.suffix.lower() in (".txt", ".dat"):
            hint = f" A table of numbers separated by commas, semicolons or tabs is read from {path.stem}.csv."
        elif path.suffix.lower() in IMAGE_ENDINGS:
            hint = f" For images give the folder that holds them, {path.parent}."
        elif path.suffix.lower() == ".gz":
            hint = " Of compressed files .csv.gz, .tsv.gz, .mtx.gz and idx are read; unpack others first."
        raise DataError(
            f"{path} has the ending {path.suffix or '(none)'!r}, which is not known; expected "
            f"{', '.join(ENDINGS)}, or a folder of images.{hint}"
        )
    try:
        return reader(path, key)
    except LowerboundError:
        raise
    except MemoryError as error:
        raise TooLargeError(
            f"{path} does not fit into memory ({error}); make it smaller, for example with fewer rows."
        ) from error
    except Exception as error:
        # The readers of these formats meet damage with whatever their parts raise: zlib.error, TokenError, KeyError, ...
        raise _unreadable(path, error) from error


def _refuse_key(path: Path, key: str) -> None:
    if key:
        what = {".npy": "a .npy", IDX: "an idx"}[ending_of(path)]
        raise DataError(
            f"data.key is {key!r}, but {path} is {what} file, which holds one array without a name; leave the key out."
        )


def _load_idx(path: Path, key: str) -> np.ndarray:
    _refuse_key(path, key)
    return read_idx(path)


def _load_numpy(path: Path, key: str, memory: Memory) -> np.ndarray | AbstractRows:
    is_single = path.suffix.lower() == ".npy"
    if is_single:
        _refuse_key(path, key)
    if is_single and (rows := _npy_rows(path, memory)) is not None:
        return rows
    with path.open("rb") as file:
        _check_header(path, file)
        stored = np.load(file, allow_pickle=False)
        if isinstance(stored, np.ndarray) != is_single:
            what = "ends in .npy but is a .npz archive" if is_single else "ends in .npz but holds a single .npy array"
            raise DataError(f"{path} {what}; rename it.")
        if is_single:
            return stored
        if is_scipy(stored.files):
            if key:
                raise DataError(f"data.key is {key!r}, but {path} holds a sparse matrix of SciPy; leave the key out.")
            for name in stored.files:
                _check_size(path, *_form_of_member(stored, name), name)
            return rows_of_matrix(load_scipy(path), str(path), memory)
        forms = {name: _form_of_member(stored, name) for name in stored.files}
        name = _choose_key(path, key, forms)
        _check_size(path, *forms[name], name)
        value = stored[name]
    if not isinstance(value, np.ndarray):
        raise DataError(f"{path}: {name} is not an array; expected members that numpy.savez wrote.")
    return value


def _npy_rows(path: Path, memory: Memory) -> NpyRows | None:
    """The rows of an array that is to be read a block at a time; None where it is to be one array, or `numpy.load` judges it."""
    with path.open("rb") as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
            return None
        file.seek(0)
        shape, in_columns, dtype = _header(file)
        offset = file.tell()
    size = math.prod(shape) * dtype.itemsize
    is_whole = path.stat().st_size - offset >= size
    if len(shape) < 2 or not shape[0] or in_columns or dtype.kind not in "biuf" or not is_whole or not is_streamed(size, memory):
        return None
    return NpyRows(path, shape, dtype, offset)


def shard_rows(folder: Path, key: str = "", memory: Memory = "auto") -> np.ndarray | AbstractRows | None:
    """The rows of a folder of .npz and .npy files, sorted by name, each of which holds a part; None for a folder without any.

    Raises `DataError` for a file whose array has another shape or type, and where `key` is missing, wrong or needed.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".npz", ".npy"))
    if not paths:
        return None
    forms = [_form_of_shard(path, key) for path in paths]
    (first, dtype), counts = forms[0], [shape[0] for shape, _ in forms]
    for path, (shape, kind) in zip(paths, forms, strict=True):
        if shape[1:] != first[1:] or kind != dtype or not shape:
            raise DataError(
                f"{path} holds an array {shape} of {kind}, but {paths[0].name} one {first} of {dtype}; expected files whose "
                "arrays differ in the number of rows alone."
            )
    if np.dtype(dtype).kind not in "iuf":
        raise DataError(f"{paths[0]} holds {dtype}; expected numbers.")

    def load(path: Path) -> np.ndarray:
        return load_array_file(path, key if path.suffix.lower() == ".npz" else "")

    rows = ShardRows(folder, paths, counts, first[1:], np.dtype(dtype), load)
    return rows if is_streamed(rows.nbytes, memory) else np.asarray(rows)


def _form_of_shard(path: Path, key: str) -> _Form:
    with Files([path]).reading(path), path.open("rb") as file:
        if path.suffix.lower() == ".npy":
            return _form_in_header(file)
        with np.load(file, allow_pickle=False) as stored:
            forms = {name: _form_of_member(stored, name) for name in stored.files}
            return forms[_choose_key(path, key, forms)]


def _check_header(path: Path, file: IO[bytes]) -> None:
    """Raise where a .npy file's header promises more numbers than the file holds, or than fit into memory."""
    is_npy = file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
    file.seek(0)
    if not is_npy:
        # NumPy's reader says what it is.
        return
    form = _form_in_header(file)
    promised, there = _num_bytes(*form), path.stat().st_size - file.tell()
    file.seek(0)
    if form[1] != "object" and promised > there:
        raise DataError(
            f"{path} is torn: its header says an array {form[0]} of {form[1]}, {readable(promised)}, but {readable(there)} "
            "follow. Write or copy it again."
        )
    _check_size(path, *form)


def _check_size(path: Path, shape: tuple[int, ...], kind: str, name: str = "") -> None:
    what = f"{path}[{name!r}]" if name else str(path)
    check_fits(_num_bytes(shape, kind), f"{what}, an array {shape} of {kind},", "give fewer examples")


def _num_bytes(shape: tuple[int, ...], kind: str) -> int:
    try:
        size = np.dtype(kind).itemsize
    except TypeError:
        # MATLAB's own names of types: at most eight bytes each.
        size = 8
    return math.prod(shape) * size


def _form_in_header(file: IO[bytes]) -> _Form:
    shape, _, dtype = _header(file)
    return shape, str(dtype)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(the shape, whether it lies column by column, the type)"""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _form_of_member(archive: np.lib.npyio.NpzFile, name: str) -> _Form:
    """Shape and type of a member, read from its header alone."""
    try:
        with archive.zip.open(f"{name}.npy") as member:  # type: ignore[union-attr]
            return _form_in_header(member)
    except (KeyError, ValueError):
        return (), "not an array"


def _load_mat(path: Path, key: str, memory: Memory) -> np.ndarray | AbstractRows:
    import scipy.io
    import scipy.sparse

    try:
        forms = {name: (tuple(shape), kind) for name, shape, kind in scipy.io.whosmat(path)}
    except NotImplementedError as error:
        raise DataError(
            f"{path} is a MATLAB 7.3 (HDF5) file, which is not read here; save it again in MATLAB with save(..., '-v7')."
        ) from error
    name = _choose_key(path, key, forms)
    _check_size(path, *forms[name], name)
    value: Any = read_mat(path, name)
    return rows_of_matrix(value, f"{path}: {name}", memory) if scipy.sparse.issparse(value) else value


def _choose_key(path: Path, key: str, forms: Mapping[str, _Form]) -> str:
    if key:
        if key not in forms:
            raise DataError(f"{path}: {unknown_name_message('data.key', key, forms)}")
        return key
    if len(forms) == 1:
        return next(iter(forms))
    if not forms:
        raise DataError(f"{path} holds no variable; expected an array of examples.")
    listing = ", ".join(f"{name} {shape} {kind}" for name, (shape, kind) in forms.items())
    largest = max(forms, key=lambda name: math.prod(forms[name][0]))
    raise DataError(
        f"{path} holds {len(forms)} variables: {listing}. Say which one holds the examples with data.key, for example "
        f"--set data.key={largest} (in Python: key={largest!r})."
    )


def _unreadable(path: Path, error: Exception) -> DataError:
    if "Object arrays" in str(error):
        return DataError(
            f"{path} holds Python objects (a pickle), which are never loaded, because loading one can run any code; "
            "save a plain numeric array with numpy.save or numpy.savez."
        )
    # NumPy takes whatever is none of its own for a pickle.
    reason = "no such file" if "pickled" in str(error) else str(error)
    return DataError(f"{path} could not be read ({reason}); it may be torn or of another form.{begins_as(path) or _AGAIN}")
