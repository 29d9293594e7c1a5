"""Every test runs with shapes checked at run time, strict dtype promotion, and no display."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

# Tests in parallel: one core for each worker. XLA's threads would otherwise wait for cores that other workers hold.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})

import jax
import pytest
from jaxtyping import install_import_hook

jax.config.update("jax_numpy_dtype_promotion", "strict")

# Must come before the first import of the package.
_hook = install_import_hook("lowerbound", "beartype.beartype")
_hook.__enter__()

# Files whose tests share nothing but what was compiled for one parameter: their tests may go to different workers, those of one
# parameter to the same. Every other file stays together, because its tests share fixtures.
_SPREAD = {"test_parts.py", "test_densities.py", "test_combinations.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What goes to one worker (`--dist loadgroup`)."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is None or item.path.name not in _SPREAD:
            group = str(item.path)
        else:
            group = f"{item.path.name} {callspec.params.get('name', callspec.id)}"
        item.add_marker(pytest.mark.xdist_group(group))
