"""Every test runs with shapes checked at run time, strict dtype promotion, and no display."""

import contextlib
import ctypes
import gc
import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

# Tests in parallel: one core for each worker. XLA's threads would otherwise wait for cores that other workers hold.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})

# Most programs of a test run once, so compiling them is most of the suite: XLA's optimiser takes a third of it.
os.environ["XLA_FLAGS"] = " ".join(
    (
        os.environ.get("XLA_FLAGS", ""),
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    )
).strip()

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


# A worker keeps every program that it compiled, each in a few mappings of memory, of which Linux allows a process 65,530: beyond
# them XLA ends the process. So beyond this memory it forgets all programs, and again whenever it has grown by half a gigabyte.
_resident_limit = 3 * 2**30


def pytest_runtest_teardown() -> None:
    """Keep the memory of a worker bounded, where the system says how much it is."""
    global _resident_limit
    if _resident_bytes() > _resident_limit:
        jax.clear_caches()
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            # What is free stays with the process otherwise.
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        _resident_limit = max(_resident_limit, _resident_bytes() + 2**29)


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What goes to one worker (`--dist loadgroup`)."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is None or item.path.name not in _SPREAD:
            group = str(item.path)
        else:
            group = f"{item.path.name} {callspec.params.get('name', callspec.id)}"
        item.add_marker(pytest.mark.xdist_group(group))
