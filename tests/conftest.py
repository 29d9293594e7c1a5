"""Every test runs with shapes checked at run time, strict dtype promotion, and no display."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import jax
from jaxtyping import install_import_hook

jax.config.update("jax_numpy_dtype_promotion", "strict")

# Must come before the first import of the package.
_hook = install_import_hook("lowerbound", "beartype.beartype")
_hook.__enter__()
