"""Every test runs with shapes checked at run time, strict dtype promotion, and no display."""

import contextlib
import ctypes
import functools
import gc
import os
import re
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("MPLBACKEND", "Agg")

# Tests in parallel: one core for each worker. XLA's threads would otherwise wait for cores that other workers hold.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})

# Most programs of a test run once, so compiling them is most of the suite. XLA's optimiser takes a third of it, and its newer
# generators of code take twice as long as the older ones. To compile a program in parts costs a fifth more than at once, and
# there is one core for all of them. LOWERBOUND_TEST_FLAGS=users leaves everything as users have it.
if os.environ.get("LOWERBOUND_TEST_FLAGS") != "users":
    os.environ["XLA_FLAGS"] = " ".join(
        (
            os.environ.get("XLA_FLAGS", ""),
            "--xla_backend_optimization_level=0",
            "--xla_llvm_disable_expensive_passes=true",
            "--xla_cpu_use_fusion_emitters=false",
            "--xla_cpu_enable_concurrency_optimized_scheduler=false",
            "--xla_cpu_parallel_codegen_split_count=1",
        )
    ).strip()

# What was compiled is kept from run to run in pytest's cache (`pytest_configure`), also by the processes that tests start.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
os.environ.setdefault("JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES", "none")

# Of each operation JAX would note the hundred calls that led to it.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import jax
import jaxtyping
import pytest
from support.collected import COLLECTED

jax.config.update("jax_numpy_dtype_promotion", "strict")

# Names of an array's type in an annotation, those that modules of the package give to one among them.
_ARRAY = re.compile(r"Array|PyTree|\b(Point|Context|Step|Condition)\b")
_jaxtyped = jaxtyping.jaxtyped


def _checked(decorated: Any, *, typechecker: Any) -> Any:
    """Check the shapes of what takes or gives arrays. The hook would wrap every function, and functions within functions anew at
    each call, for types that pyright checks: importing the package would take 9 seconds instead of 6."""
    function = getattr(decorated, "fget", None) or getattr(decorated, "__func__", decorated)
    local = "<locals>" in function.__qualname__
    arrays = any(_ARRAY.search(str(annotation)) for annotation in function.__annotations__.values())
    return _jaxtyped(decorated, typechecker=typechecker) if arrays and not local else decorated


# Must come before the first import of the package.
jaxtyping.jaxtyped = lambda *, typechecker: functools.partial(_checked, typechecker=typechecker)
jaxtyping.install_import_hook("lowerbound", "beartype.beartype")

# Files whose tests share nothing but what was compiled for one parameter: their tests may go to different workers, those of one
# parameter to the same. Every other file stays together, because its tests share fixtures.
_SPREAD = {"test_parts.py", "test_densities.py", "test_combinations.py"}


# Files that take a minute or more by themselves.
_LONGEST = ("test_runs_killed.py", "test_readme.py")

# A worker keeps every program that it compiled, each in a few mappings of memory, of which Linux allows a process 65,530: beyond
# them XLA ends the process. So where it holds this many, or this much of the machine's memory, it forgets all programs, and again
# whenever it has grown by half a gigabyte. Seldom: forgetting takes seconds, and what comes after is compiled anew.
_MOST_MAPPINGS = 40_000
_resident_limit = 3 * 2**30
_resident_when_counted = 0

with contextlib.suppress(OSError, ValueError, AttributeError):
    # Half the memory, divided among the workers; 6 GiB are more than any needs.
    _share = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    _resident_limit = max(_resident_limit, min(_share // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), 6 * 2**30))

# Tracing makes many small objects that soon go: looking for cycles among each 700 of them is a part of the suite's time, and each
# time XLA looks for what it may free.
gc.set_threshold(400_000, 20, 50)

# Days after which a compiled program is forgotten: sources have changed, and most are made anew.
_KEPT_DAYS = 30


def pytest_configure(config: pytest.Config) -> None:
    """Each worker has a folder of its own: JAX writes an entry in steps, and another process could read half of it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    # The process that only hands out tests would tell all workers its own folder.
    hands_out = worker is None and config.getoption("numprocesses", None)
    if hands_out or "JAX_COMPILATION_CACHE_DIR" in os.environ or (cache := getattr(config, "cache", None)) is None:
        return
    oldest = time.time() - 24 * 3600 * _KEPT_DAYS
    try:
        folder = cache.mkdir(f"compiled-{worker or 'alone'}")
        for file in folder.iterdir():
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)
    except OSError:
        # A full disk, or a folder that others use: the tests do without.
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))


def pytest_collection_finish() -> None:
    """What is there before the first test stays: no search for cycles need pass through it."""
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown() -> None:
    """Keep the memory of a worker bounded, where the system says how much it is."""
    global _resident_limit
    if (resident := _resident_bytes()) > _resident_limit or _has_many_mappings(resident):
        jax.clear_caches()
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            # What is free stays with the process otherwise.
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        _resident_limit = max(_resident_limit, _resident_bytes() + 2**29)


def _has_many_mappings(resident: int) -> bool:
    """Counted whenever the process has grown by a tenth of a gigabyte, because counting takes as long as a small test."""
    global _resident_when_counted
    if abs(resident - _resident_when_counted) < 10**8:
        return False
    _resident_when_counted = resident
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n") > _MOST_MAPPINGS
    except OSError:
        return False


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _group(node: str) -> str:
    """What goes to one worker together with this test: its file, or in some files the tests of the same parameter."""
    file = node.split("::")[0]
    parameter = node[node.index("[") :] if "[" in node else ""
    return file + parameter if Path(file).name in _SPREAD else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Work by groups. (`--dist loadgroup` with marks does not group: pytest-xdist 3.8 cannot rename the tests of pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return Groups(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is left alone with one at the end."""
    config.stash[COLLECTED] = frozenset(item.nodeid for item in items)
    items.sort(key=lambda item: _LONGEST.index(item.path.name) if item.path.name in _LONGEST else len(_LONGEST))
