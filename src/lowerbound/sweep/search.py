"""A search for good settings, by Optuna: it asks for settings, models are trained, and it is told what they are worth."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..evaluation import check_comparable
from ..training.together import Place, side_by_side, trainings_at_once
from .grid import Member, Setting
from .record import Result
from .space import Range, as_text
from .table import subject_of
from .work import Worker

STUDY = "lowerbound"
# Trials before the search goes by what it was told; before unpromising ones are ended early.
_FIRST = 10
# How long steps that have begun, and saving what they did, may take after the end.
GRACE_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Trial(Member):
    """A member by its number in the search."""

    number: int = 0

    @property
    def name(self) -> str:
        """The name of its run's folder."""
        return f"trial-{self.number:04d}"


def open_study(storage: str, seed: int) -> Any:
    """The study in a database, begun where it is not there; raises `ConfigurationError` when it cannot be opened."""
    import optuna

    optuna.logging.set_verbosity(logging.ERROR)
    try:
        known = optuna.storages.RDBStorage(storage)
        before = optuna.create_study(study_name=STUDY, storage=known, direction="maximize", load_if_exists=True)
        # Each call, and each of several processes, asks for other settings.
        sampler = optuna.samplers.TPESampler(seed=seed + len(before.trials), n_startup_trials=_FIRST, constant_liar=True)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_FIRST)
        return optuna.load_study(study_name=STUDY, storage=known, sampler=sampler, pruner=pruner)
    except Exception as error:
        # Whatever the database's driver raises.
        raise ConfigurationError(f"--storage is {storage!r}, which cannot be used: {str(error).splitlines()[0]}.") from error


@dataclasses.dataclass
class Search:
    """The search in a folder. `num_trials`: how many trials this call may begin; None for as many as fit into the time."""

    worker: Worker
    study: Any
    space: Mapping[str, Range | tuple[str, ...]]
    seed: int
    num_trials: int | None
    seconds_left: Callable[[], float]
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    # The trials that this process is at, and when it came to each.
    _at: dict[Trial, float] = dataclasses.field(default_factory=dict)

    def go_on(self, jobs: int | None) -> None:
        """Finish what was begun, then ask for more, so many at a time, until the time or the trials are over."""
        jobs = trainings_at_once() if jobs is None else jobs
        begun = [trial for trial in self.trials() if self.study_trial(trial).state.name == "RUNNING"]
        waiting = iter(begun)

        def work(place: Place) -> None:
            while place.should_stop() is None and self.seconds_left() > 0:
                with self._lock:
                    trial = next(waiting, None) or self._asked()
                if trial is None:
                    return
                self._at[trial] = time.monotonic()
                self._do(trial, place)
                del self._at[trial]

        side_by_side([work] * jobs, jobs, self.worker.should_stop)

    def give_up(self, most_seconds: float) -> None:
        """Leave the running trials: those that took longer without a checkpoint have failed, others are gone on with later."""
        import optuna

        for trial, begun in list(self._at.items()):
            if time.monotonic() - begun > most_seconds and not any(self.worker.home.run(trial).glob("checkpoints/step-*")):
                failure = f"its first steps were not done after {time.monotonic() - begun:.0f} s, when the time was over."
                try:
                    self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                except (ValueError, RuntimeError):
                    # It has ended at this very moment.
                    continue
                self.worker.home.write(trial, Result(dict(trial.setting.values), trial.seed, failure=failure), None)
                self.worker.say(f"{trial.name}: no model: {failure} ({trial.setting.words})")

    def trials(self) -> list[Trial]:
        """All that were ever begun, by their number."""
        return [self._member(trial) for trial in self.study.get_trials(deepcopy=False) if len(trial.params) == len(self.space)]

    def study_trial(self, trial: Trial) -> Any:
        """What the study knows of a trial."""
        return self.study.get_trials(deepcopy=False)[trial.number]

    def _member(self, trial: Any) -> Trial:
        return Trial(Setting(tuple((key, as_text(trial.params[key])) for key in self.space)), self.seed, trial.number)

    def _asked(self) -> Trial | None:
        if self.num_trials is not None:
            if self.num_trials == 0:
                return None
            self.num_trials -= 1
        trial = self.study.ask()
        for key, kind in self.space.items():
            if not isinstance(kind, Range):
                trial.suggest_categorical(key, kind)
            elif kind.is_whole:
                trial.suggest_int(key, int(kind.low), int(kind.high), log=kind.is_log)
            else:
                trial.suggest_float(key, kind.low, kind.high, log=kind.is_log)
        return self._member(trial)

    def _do(self, trial: Trial, place: Place) -> None:
        import optuna

        known = optuna.trial.Trial(self.study, self.study_trial(trial)._trial_id)
        pruned = threading.Event()
        # Bounds of different objectives are not held against each other while training.
        may_prune = not any(key.startswith(("objective.", "likelihood.")) for key in self.space)

        def look(record: Any, _: Any) -> None:
            if may_prune and record.validation_bound_nats == record.validation_bound_nats:
                known.report(record.validation_bound_nats, int(record.epoch))
                if known.should_prune():
                    pruned.set()

        def reason() -> str | None:
            if pruned.is_set():
                return "far behind the others"
            return place.should_stop() or ("the time is over" if self.seconds_left() <= 0 else None)

        self.worker.do(trial, place._replace(should_stop=reason), look)
        result = self.worker.home.result(trial)
        if pruned.is_set() and result is None:
            self.study.tell(trial.number, state=optuna.trial.TrialState.PRUNED)
            self.worker.say(f"{trial.name}: ended early, far behind the others ({trial.setting.words})")
        elif result is not None and result.log_evidence_nats is not None:
            self._check_subject(trial)
            self.study.tell(trial.number, result.log_evidence_nats)
        elif result is not None:
            self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def _check_subject(self, trial: Trial) -> None:
        """Raise `ConfigurationError` when the trial's number is about something else than the first one's."""
        numbers = {}
        for other in self.trials():
            result = self.worker.home.result(other)
            if result is not None and result.log_evidence_nats is not None and (not numbers or other.number == trial.number):
                numbers[other.setting.words] = subject_of(result)
        if len(numbers) > 1:
            check_comparable(numbers)


def sqlite_in(folder: Path) -> str:
    """The URL of the database in a search's folder."""
    return f"sqlite:///{folder.resolve() / 'study.db'}"


@contextlib.contextmanager
def at_the_end(seconds_left: Callable[[], float], act: Callable[[], None]) -> Iterator[None]:
    """Call `act` from another thread where the block has not ended some seconds after the time is over."""
    timer = threading.Timer(min(max(0.0, seconds_left()) + GRACE_SECONDS, threading.TIMEOUT_MAX), act)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def clock(minutes: float) -> Callable[[], float]:
    """The seconds that are left of so many minutes from now on."""
    end = time.monotonic() + 60 * minutes
    return lambda: end - time.monotonic()
