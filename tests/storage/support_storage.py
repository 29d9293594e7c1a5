"""What the storage tests share: a description of data, trees of arrays, and a way to damage files."""

from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from lowerbound.config import RunConfig
from lowerbound.data.spec import DataSpec

SPEC = DataSpec((2,), "continuous", 0.0, 1.0, (1e-3,), (0.1, 0.1 + 0.2), (1 / 3, 2.0), ("a", "ü"))
CONFIG = RunConfig.from_dict({"model": {"latent_dim": 3}, "network": {"hidden_widths": [4, 5], "dropout": 0.1}}).to_dict()

FLOATS = np.array([0.0, -0.0, 1 / 3, np.inf, -np.inf, np.nan, 1e-45, -3.4e38], np.float32)


def every_dtype() -> dict:
    """NumPy and JAX leaves of every kind that training may hold, with the values that a careless copy changes."""
    jax_arrays = {
        "float32": jnp.array(FLOATS),
        "nan_with_payload": jax.lax.bitcast_convert_type(jnp.array([0x7FC00001, 0xFFC12345], jnp.uint32), jnp.float32),
        "bfloat16": jnp.array(FLOATS, jnp.bfloat16),
        "float16": jnp.array([1 / 3, 65504.0], jnp.float16),
        "int32": jnp.array([-(2**31), 2**31 - 1], jnp.int32),
        "uint32": jnp.array(2**32 - 1, jnp.uint32),
        "bool": jnp.array([True, False]),
        "scalar_bool": jnp.array(True),
        "scalar_float": jnp.array(0.1, jnp.float32),
        "scalar_bfloat16": jnp.array(0.1, jnp.bfloat16),
        "empty": jnp.zeros((0, 3), jnp.float32),
    }
    numpy_arrays = {
        "float64": np.array([1 / 3, 5e-324]),
        "int64": np.array([-(2**63)]),
        "uint8": np.arange(6, dtype=np.uint8).reshape(1, 2, 3),
        "bfloat16": np.array([1 / 3], ml_dtypes.bfloat16),
        "scalar": np.float32(0.1),
        "scalar_bool": np.bool_(True),
        "fortran_order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(10, dtype=np.int32)[::3],
    }
    return {"jax": jax_arrays, "numpy": numpy_arrays, "none": None, "static": ("name", 3, 0.5)}


def assert_same_bits(got, expected) -> None:
    """Same structure, same classes, same dtypes, same bits."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        if not hasattr(b, "dtype"):
            assert a == b
            continue
        assert isinstance(a, jax.Array) == isinstance(b, jax.Array)
        assert isinstance(a, np.generic) == isinstance(b, np.generic)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def blank(tree):
    """The same tree with zeros for its numbers."""
    return jax.tree.map(lambda leaf: leaf.dtype.type(0) if isinstance(leaf, np.generic) else _zeros(leaf), tree)


def _zeros(leaf):
    if isinstance(leaf, jax.Array):
        return jnp.zeros_like(leaf)
    return np.zeros_like(leaf) if isinstance(leaf, np.ndarray) else leaf


def truncate(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(bytes(content))
