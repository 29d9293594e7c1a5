"""Several trainings at the same time in one process: they share compiled programs, and each has a core of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax

_Result = TypeVar("_Result")


def trainings_at_once() -> int:
    """How many: one on each core of a CPU; on an accelerator, which a single one fills with less waiting, one."""
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    tasks: Sequence[Callable[[Callable[[], str | None]], _Result]],
    jobs: int,
    should_stop: Callable[[], str | None] = lambda: None,
) -> list[_Result]:
    """What the tasks return, `jobs` of them done at a time. Each is given a `should_stop`, which has a reason, too, once another
    has raised an error; the first error is then raised, when all have ended.
    """
    broken = threading.Event()

    def reason() -> str | None:
        return "another training ended with an error" if broken.is_set() else should_stop()

    def do(task: Callable[[Callable[[], str | None]], _Result]) -> _Result:
        try:
            return task(reason)
        except BaseException:
            broken.set()
            raise

    if jobs == 1:
        return [task(reason) for task in tasks]
    with ThreadPoolExecutor(jobs, thread_name_prefix="training") as pool:
        return [done.result() for done in [pool.submit(do, task) for task in tasks]]
