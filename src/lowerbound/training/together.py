"""Several trainings at the same time in one process: on CPU a core for each, on an accelerator one program for all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import jax

from .lockstep import Lockstep
from .programs import ALONE, Programs

_Result = TypeVar("_Result")
# Members of one program: more hold memory and save little.
MOST_MEMBERS = 64


class Place(NamedTuple):
    """What a task is given: a reason to stop, once there is one, and what its training runs its programs by."""

    should_stop: Callable[[], str | None]
    programs: Programs


def trainings_at_once() -> int:
    """How many that begin and end as they like: one on each core of a CPU; on an accelerator, which a single one fills, one."""
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_as_one() -> bool:
    """Whether many models that are known from the start train as one program here: a CPU is faster with one on each core."""
    return jax.default_backend() != "cpu"


def side_by_side(
    tasks: Sequence[Callable[[Place], _Result]],
    jobs: int | None,
    should_stop: Callable[[], str | None] = lambda: None,
    *,
    as_one: bool = False,
) -> list[_Result]:
    """What the tasks return, `jobs` of them done at a time, each of which trains once at most.

    - `jobs`: None is as many as the device does best.
    - `as_one`: those done at a time are one program, mapped over them, and begin together.

    A task is given a reason to stop, too, once another has raised an error; the first error is raised when all have ended.
    """
    broken = threading.Event()

    def reason() -> str | None:
        return "another training ended with an error" if broken.is_set() else should_stop()

    def do(task: Callable[[Place], _Result], programs: Programs) -> _Result:
        try:
            return task(Place(reason, programs))
        except BaseException:
            broken.set()
            raise
        finally:
            programs.leave()

    jobs = min(jobs or (MOST_MEMBERS if as_one else trainings_at_once()), len(tasks))
    if jobs <= 1:
        return [do(task, ALONE) for task in tasks]
    found = []
    for group in [tasks[start : start + jobs] for start in range(0, len(tasks), jobs)] if as_one else [tasks]:
        lockstep = Lockstep(len(group)) if as_one else None
        with ThreadPoolExecutor(jobs, thread_name_prefix="training") as pool:
            seats = [Programs(shares_cores=True) if lockstep is None else lockstep.seat() for _ in group]
            waiting = [pool.submit(do, task, seat) for task, seat in zip(group, seats, strict=True)]
            found += [done.result() for done in waiting]
    return found
