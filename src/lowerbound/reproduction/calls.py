"""One call of `lowerbound reproduce`: its checks, which need no JAX, and its work within the minutes."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path

from ..config.rules import POSITIVE, Integer, OneOf
from ..config.sections import LARGEST_SEED
from ..data.datasets import dataset_status, load_dataset
from ..errors import ConfigurationError, MissingDataError
from .budget import cost_of, next_jobs, open_jobs
from .plan import FIGURES, PAPERS, Job, Plan, kingma_2014
from .record import Home, Reproduction


@dataclasses.dataclass
class Call:
    """What a call may do, and when it must end; `whole` is the plan of all figures, `plan` of those that this call is about."""

    home: Home
    whole: Plan
    plan: Plan
    found: Reproduction
    seconds: float
    data_dir: Path | None
    begun: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        """Until the minutes are over."""
        return self.begun + self.seconds - time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether a point is missing."""
        return bool(open_jobs(self.plan, self.found))

    def next_job(self) -> Job | None:
        """The first that fits into what is left."""
        jobs = next_jobs(self.plan, self.found)
        return next((job for job in jobs if cost_of(job, self.plan, self.found).seconds <= self.seconds_left), None)


def check_call(
    paper: str,
    out: Path,
    figure: int | None,
    minutes: float,
    seed: int | None,
    data_dir: Path | None,
    whole: Plan | None = None,
) -> Call:
    """What the options ask for; nothing is written.

    Raises `ConfigurationError` for a paper, a figure, minutes, a seed or a folder that cannot be, and where the minutes are too
    short for one point; `MissingDataError` when data are missing that cannot be fetched.
    """
    OneOf(PAPERS).convert("PAPER", paper)
    if figure is not None and figure not in FIGURES:
        raise ConfigurationError(
            f"--figure is {figure}; expected one of {', '.join(map(str, FIGURES))}, or leave it out for all of them."
        )
    POSITIVE.convert("--minutes", minutes)
    if seed is not None:
        Integer(0, LARGEST_SEED).convert("--seed", seed)
    figures = FIGURES if figure is None else (figure,)
    home, whole = Home(out), kingma_2014() if whole is None else whole
    found = home.open(paper, seed, figures)
    call = Call(home, whole.of_figures(found.figures), whole.of_figures(figures), found, 60 * minutes, data_dir)
    _check_minutes(call, minutes)
    _check_data(call.plan, whole, data_dir)
    return call


def go_on(call: Call, command: str, should_stop: Callable[[], str | None], say: Callable[[str], None]) -> Path:
    """Do the jobs that fit into the minutes and write the page; its path. What is done is saved at once."""
    from ..runs.folder import RunFolder
    from .jobs import Worker
    from .page import write_page

    if not call.home.record_file.exists():
        call.home.write(call.found)
    with RunFolder(call.home.path).locked():
        # Another process may have added to it since it was checked.
        call.found = call.home.open(call.found.paper, call.found.seed, call.found.figures)
        call.home.write(call.found)
        before = call.found.seconds

        def reason() -> str | None:
            return should_stop() or ("the minutes are over" if call.seconds_left <= 0 else None)

        worker = Worker(call.home, call.plan, call.found, call.data_dir, command, reason, say)
        while reason() is None and (job := call.next_job()) is not None and worker.do(job):
            call.found = worker.found
        call.found = dataclasses.replace(worker.found, seconds=before + time.monotonic() - call.begun)
        call.home.write(call.found)
        return write_page(call.whole, call.found, call.home)


def _check_minutes(call: Call, minutes: float) -> None:
    jobs = next_jobs(call.plan, call.found)
    costs = [cost_of(job, call.plan, call.found).seconds for job in jobs]
    if costs and min(costs) > call.seconds:
        shortest = jobs[costs.index(min(costs))]
        needed = math.ceil(min(costs) / 60)
        raise ConfigurationError(
            f"--minutes is {minutes:g}, but one point takes about {_minutes(needed)} here (the next: {shortest.curve.title}, "
            f"{shortest.level:,} training samples); nothing was trained. Give --minutes {needed} or more."
        )


def _minutes(number: int) -> str:
    return "1 minute" if number == 1 else f"{number} minutes"


def _check_data(plan: Plan, whole: Plan, data_dir: Path | None) -> None:
    """Raise `MissingDataError`, saying which file goes where, when a set is neither there nor can be fetched."""
    present = {status.name for status in dataset_status(data_dir) if status.present}
    for name in plan.datasets:
        if name in present:
            continue
        try:
            load_dataset(name, data_dir=data_dir)
        except MissingDataError as error:
            others = [str(figure) for figure in FIGURES if name not in whole.of_figures([figure]).datasets]
            without = f" The figures that do without {name}: --figure {' or '.join(others)}." if others else ""
            raise MissingDataError(f"{error}{without}") from error
