"""Every test runs with shapes checked at run time, strict dtype promotion, and no display."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

# Tests in parallel: one core for each worker. XLA's threads would otherwise wait for cores that other workers hold.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})

import jax
from jaxtyping import install_import_hook

jax.config.update("jax_numpy_dtype_promotion", "strict")

# Must come before the first import of the package.
_hook = install_import_hook("lowerbound", "beartype.beartype")
_hook.__enter__()
