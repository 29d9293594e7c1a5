"""A pytree's arrays as safetensors, bit for bit. Only numbers are stored: nothing is pickled, nothing from a file is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from ..errors import ModelFolderError
from .upgrades import OldLeaves

# By the names of safetensors: "U8" to "U64", "I8" to "I64", "F16" to "F64", and two more.
_SIZES = {"U": (1, 2, 4, 8), "I": (1, 2, 4, 8), "F": (2, 4, 8)}
_DTYPES: dict[str, Any] = {"BOOL": np.bool_} | {
    f"{kind}{8 * size}": np.dtype(f"{kind.lower()}{size}") for kind, sizes in _SIZES.items() for size in sizes
}
_DTYPES["BF16"] = ml_dtypes.bfloat16
_STORED = frozenset(np.dtype(dtype) for dtype in _DTYPES.values())


def is_array(leaf: Any) -> bool:
    """True for what is stored: NumPy's and JAX's arrays and scalars, and the shapes that stand for them."""
    return isinstance(leaf, np.ndarray | np.generic | jax.Array | jax.ShapeDtypeStruct)


def leaf_names(tree: Any) -> list[str]:
    """One name for each leaf, from its path: `encoder.layers.0.weight`."""
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]
    names = [jax.tree_util.keystr(path, simple=True, separator=".") or "array" for path in paths]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two leaves of the tree are both named {twice!r}; expected names that differ once joined by dots.")
    return names


def arrays_to_bytes(tree: Any) -> bytes:
    """The arrays of `tree` in the safetensors form; its other leaves are left out."""
    kept = {
        name: _on_host(name, leaf) for name, leaf in zip(leaf_names(tree), jax.tree.leaves(tree), strict=True) if is_array(leaf)
    }
    return safetensors.numpy.save(kept)


def arrays_from_bytes(content: bytes, like: Any, source: Path, old: OldLeaves | None = None) -> Any:
    """`like` with its arrays replaced by the stored ones of the same name; its other leaves are kept as they are.

    - `old`: what the file's leaves are today, where an earlier version wrote it.

    A leaf comes back as what it is in `like`, NumPy's or JAX's (a `jax.ShapeDtypeStruct` becomes JAX's). Raises
    `ModelFolderError`, naming the leaf, when one is missing, superfluous, or of another shape or dtype.
    """
    stored = {name if old is None else old.renamed(name): array for name, array in _parse(content, source).items()}
    names = leaf_names(like)
    leaves, structure = jax.tree.flatten(like)
    wanted = {name: leaf for name, leaf in zip(names, leaves, strict=True) if is_array(leaf)}
    for name in wanted.keys() - stored.keys():
        if old is not None and (value := old.constant(name)) is not None:
            stored[name] = np.full(np.shape(wanted[name]), value, np.dtype(wanted[name].dtype))
    if stored.keys() != wanted.keys():
        missing, superfluous = sorted(wanted.keys() - stored.keys()), sorted(stored.keys() - wanted.keys())
        raise ModelFolderError(
            f"{source} does not fit the model built from its configuration: it lacks {_some(missing)} "
            f"and has {_some(superfluous)} which the model lacks."
        )
    filled = [_fill(name, leaf, stored, source) if is_array(leaf) else leaf for name, leaf in zip(names, leaves, strict=True)]
    return jax.tree.unflatten(structure, filled)


def _on_host(name: str, leaf: Any) -> np.ndarray:
    """The leaf as a contiguous little-endian NumPy array of a dtype that can be stored."""
    if isinstance(leaf, jax.ShapeDtypeStruct) or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        raise TypeError(
            f"leaf {name!r} is a {type(leaf).__name__} of dtype {leaf.dtype}, which cannot be stored; expected an array."
        )
    array = np.asarray(leaf)
    if array.dtype.newbyteorder("<") not in _STORED:
        names = ", ".join(sorted(dtype.name for dtype in _STORED))
        raise TypeError(f"leaf {name!r} has the dtype {array.dtype}, which cannot be stored; expected one of {names}.")
    return np.require(array.astype(array.dtype.newbyteorder("<"), copy=False), requirements=["C"])


def entries(content: bytes, source: Path) -> Any:
    """The names of the arrays in a file's bytes, each with its shape, dtype and data; raises `ModelFolderError`."""
    try:
        return safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        raise ModelFolderError(
            f"{source} is not a readable safetensors file ({error}): it is torn, damaged, or not one of ours."
        ) from error


def _parse(content: bytes, source: Path) -> dict[str, np.ndarray]:
    arrays = {}
    for name, entry in entries(content, source):
        if entry["dtype"] not in _DTYPES:
            raise ModelFolderError(f"{source}: {name!r} has the dtype {entry['dtype']}; expected one of {', '.join(_DTYPES)}.")
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        arrays[name] = np.frombuffer(entry["data"], dtype=dtype).reshape(entry["shape"])
    return arrays


def _fill(name: str, leaf: Any, stored: dict[str, np.ndarray], source: Path) -> Any:
    array = stored[name]
    if array.shape != np.shape(leaf) or array.dtype != np.dtype(leaf.dtype).newbyteorder("<"):
        raise ModelFolderError(
            f"{source}: {name!r} has shape {array.shape} and dtype {array.dtype}; "
            f"the model built from its configuration has shape {np.shape(leaf)} and dtype {leaf.dtype}."
        )
    if isinstance(leaf, np.generic):
        return array[()]
    # A copy: the bytes that were read are not writable, and a JAX array must not share them when it is donated.
    return array.copy() if isinstance(leaf, np.ndarray) else jnp.array(array, copy=True)


def _some(names: list[str]) -> str:
    if not names:
        return "nothing"
    return ", ".join(repr(name) for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
