"""Files of single-cell programs, .h5ad (AnnData) and .loom, which h5py reads where it is installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, LowerboundError, unknown_name_message
from ...storage.memory import check_fits
from ..endings import ending_of
from ..signatures import begins_as
from ..streams.arrays import MatrixRows
from ..streams.files import is_streamed

# What row attributes of .loom files call the names of genes, the most usual first.
_GENE_NAMES = ("Gene", "gene", "GeneName", "gene_names", "gene_name", "var_names", "Name", "Accession", "id")


def read_annotated(path: Path, key: str = "", memory: str = "resident") -> tuple[Any, tuple[str, ...]]:
    """The matrix of a file, cells by genes, sparse or dense as it is stored; and the names of its columns, or none.

    - `memory`: "auto" for rows that are read from the file where memory does not hold the matrix as it is stored.
    - `key`: the layer to take instead of the main matrix; "raw" for the raw counts of an .h5ad file.

    Raises `DataError` for another key (the message lists what there is), where h5py is missing, and where the file is torn.
    """
    with _opened(path) as file:
        return _loom(path, file, key) if ending_of(path) == ".loom" else _h5ad(path, file, key, memory)


def read_annotation(path: Path, name: str, *, may_lack: bool = False, key: str = "data.condition") -> np.ndarray:
    """(cells,) what is written beside each cell: numbers, booleans or texts.

    - `may_lack`: whether it may have no value for some cells; NaN or an empty text then.
    - `key`: what asks for it, for messages.

    Raises `DataError` where there is none of this name, and where a value is missing that may not be.
    """
    with _opened(path) as file:
        group = file["col_attrs" if ending_of(path) == ".loom" else "obs"]
        table = group[()] if not _is_group(group) else None
        names = list(table.dtype.names or ()) if table is not None else [each for each in group if not each.startswith("__")]
        if name not in names:
            raise DataError(f"{path}: {unknown_name_message(key, name, names)}")
        values, missing = (
            _column(group, group[name], name) if table is None else (_texts(table[name]), np.zeros(len(table), bool))
        )
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)
    if missing.any() and not may_lack:
        raise DataError(
            f"{path}: {name!r} has no value for cell {int(np.argmax(missing))}; fill it in, or leave the cell out before fitting."
        )
    if missing.any():
        return np.where(missing, "", values) if values.dtype.kind == "U" else np.where(missing, np.nan, values.astype(np.float64))
    return values


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise DataError(
            f"{path} is an HDF5 file, which h5py reads, and that is not installed. Install it with the extra counts: "
            "pip install 'lowerbound[counts]'."
        ) from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except LowerboundError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError) as error:
        raise DataError(
            f"{path} could not be read as {ending_of(path)} ({error}); it may be torn or of another form."
            f"{begins_as(path) or ' Write or copy it again.'}"
        ) from error


def _is_group(item: Any) -> bool:
    return hasattr(item, "keys")


def _h5ad(path: Path, file: Any, key: str, memory: str) -> tuple[Any, tuple[str, ...]]:
    layers = list(file["layers"]) if "layers" in file else []
    has_raw = "raw" in file and _is_group(file["raw"])
    if key and key not in layers and not (key == "raw" and has_raw):
        choices = [*layers, *(["raw"] if has_raw else [])]
        raise DataError(f"{path}: {unknown_name_message('data.key', key, choices) if choices else _no_layers(key)}")
    if key and key not in layers:
        return _backed(path, file, "raw/X", memory), _names(file["raw/var"])
    place = f"layers/{key}" if key else "X"
    if place not in file:
        raise DataError(f"{path} has no {place}; give one of its layers with data.key: {', '.join(layers) or 'there is none'}.")
    return _backed(path, file, place, memory), _names(file["var"])


def _no_layers(key: str) -> str:
    return f"data.key is {key!r}, but the file has no layers; leave the key out."


def _loom(path: Path, file: Any, key: str) -> tuple[Any, tuple[str, ...]]:
    layers = list(file["layers"]) if "layers" in file else []
    if key and key not in layers:
        raise DataError(f"{path}: {unknown_name_message('data.key', key, layers) if layers else _no_layers(key)}")
    # Genes are rows there, and cells columns.
    matrix = _matrix(path, file[f"layers/{key}" if key else "matrix"], key or "matrix").T
    attributes = file["row_attrs"]
    named = next((each for each in _GENE_NAMES if each in attributes), None)
    return matrix, () if named is None else tuple(map(str, _texts(attributes[named][()]).tolist()))


def _backed(path: Path, file: Any, place: str, memory: str) -> Any:
    """The matrix; or rows that are read from the file, where it has them together and memory is short."""
    item = file[place]
    is_sparse = _is_group(item)
    size = sum(item[part].dtype.itemsize * item[part].size for part in ("data", "indices")) if is_sparse else item.nbytes
    form = _text(item.attrs.get("encoding-type", item.attrs.get("h5sparse_format", ""))) if is_sparse else "dense"
    is_asked = memory == "streamed" and not is_sparse
    if form.startswith("csc") or not (is_asked or (memory != "resident" and is_streamed(size, "auto"))):
        return _matrix(path, item, place)
    values = item["data"] if is_sparse else item
    if values.dtype.kind not in "biuf" or (not is_sparse and len(item.shape) != 2):
        return _matrix(path, item, place)
    shape = tuple(
        int(each) for each in (item.attrs["shape" if "shape" in item.attrs else "h5sparse_shape"] if is_sparse else item.shape)
    )
    ends = np.asarray(item["indptr"][()], np.int64) if is_sparse else None
    return MatrixRows(path, lambda: _opened(path), place, shape, np.dtype(values.dtype), ends)


def _matrix(path: Path, item: Any, place: str) -> Any:
    """A matrix of SciPy, of what the file says; or an array."""
    what = f"{place} of {path}"
    if not _is_group(item):
        if len(item.shape) != 2:
            raise DataError(f"{what} has the shape {item.shape}; expected a matrix, a row for each cell.")
        check_fits(
            item.dtype.itemsize * item.size, f"{what}, an array {item.shape} of {item.dtype},", "keep fewer columns or rows"
        )
        return item[()]
    import scipy.sparse

    form = _text(item.attrs.get("encoding-type", item.attrs.get("h5sparse_format", "")))
    shape = tuple(int(size) for size in item.attrs["shape" if "shape" in item.attrs else "h5sparse_shape"])
    size = sum(item[part].dtype.itemsize * item[part].size for part in ("data", "indices", "indptr"))
    check_fits(size, f"{what}, a sparse matrix with {item['data'].size:,} values,", "keep fewer columns or rows")
    parts = tuple(item[part][()] for part in ("data", "indices", "indptr"))
    if form.startswith("csc"):
        return scipy.sparse.csc_array(parts, shape=shape)
    if form.startswith("csr"):
        return scipy.sparse.csr_array(parts, shape=shape)
    raise DataError(f"{what} is stored as {form!r}; expected a dense, a csr or a csc matrix.")


def _names(group: Any) -> tuple[str, ...]:
    """The index of a data frame in an .h5ad file."""
    if not _is_group(group):
        table = group[()]
        names = [each for each in ("index", "_index") if each in (table.dtype.names or ())]
        return tuple(map(str, _texts(table[names[0]]).tolist())) if names else ()
    index = _text(group.attrs.get("_index", "_index"))
    if index not in group:
        return ()
    values, _ = _column(group, group[index], index)
    return tuple(map(str, values.tolist()))


def _column(group: Any, item: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A column of a data frame in an .h5ad file, in any of the ways in which AnnData wrote them, and which cells lack a value."""
    if not _is_group(item):
        values = _texts(item[()])
        older = group.get("__categories")
        if older is not None and name in older:
            return _named(_texts(older[name][()]), values)
        return values, np.zeros(len(values), bool)
    if "codes" in item:
        return _named(_column(item, item["categories"], "categories")[0], item["codes"][()])
    if "values" in item:
        values = _texts(item["values"][()])
        return values, np.asarray(item["mask"][()], bool) if "mask" in item else np.zeros(len(values), bool)
    raise DataError(
        f"{item.file.filename}: the column {name!r} is stored as {_text(item.attrs.get('encoding-type', '?'))!r}, which is not "
        "read; expected numbers, texts or categories."
    )


def _named(categories: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    missing = codes < 0
    if not len(categories):
        return np.full(len(codes), np.nan), np.ones(len(codes), bool)
    return categories[np.where(missing, 0, codes)], missing


def _texts(values: np.ndarray) -> np.ndarray:
    """Bytes and objects as texts, numbers as they are."""
    values = np.asarray(values)
    if values.dtype.kind in "OS":
        return np.asarray([_text(value) for value in values.reshape(-1).tolist()], np.str_).reshape(values.shape)
    return values


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
