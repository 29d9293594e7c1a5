"""A member trained and scored, and many of them side by side."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..assembly.build import infers_labels
from ..config import RunConfig
from ..data.dataset import Dataset
from ..data.datasets import load_configured
from ..data.examples import Example
from ..errors import ConfigurationError, LowerboundError, RunInUseError, SavingError
from ..evaluation import BoundCurve, active_units, estimate_evidence, masses_of, posterior_means
from ..evaluation.estimates import importance_estimate, mean_and_error, name_of_density
from ..evaluation.proposals import Amortised
from ..recipes import resolve_config
from ..runs.folder import RUN_FILE, RunFolder
from ..runs.training import TrainingRun
from ..training import Record
from ..training.together import Place, side_by_side, train_as_one
from .grid import Member
from .record import Base, Home, Result


@dataclasses.dataclass
class Worker:
    """Trains members, each in an ordinary run's folder.

    - `num_samples`: importance samples for each validation example. `command`: what the runs say that they were made by.
    - `should_stop`: gives a reason to leave a training, which is saved and gone on with later. `say`: told what was found.
    """

    home: Home
    base: Base
    data_dir: Path | None
    num_samples: int
    command: str
    should_stop: Callable[[], str | None]
    say: Callable[[str], None]
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    _loaded: dict[str, Dataset] = dataclasses.field(default_factory=dict)

    def load(self) -> None:
        """Read the data that all members share, but for what their own settings say of them."""
        config, _ = resolve_config(self.base.data, self.base.recipe, self.base.overrides)
        self._dataset(config)

    def _dataset(self, config: RunConfig) -> Dataset:
        """What was read is read once for all."""
        with self._lock:
            key = repr((config.data, infers_labels(config)))
            if key not in self._loaded:
                self._loaded[key] = load_configured(config.data, self.data_dir, are_labels=infers_labels(config))
            return self._loaded[key]

    def do_all(self, members: Sequence[Member], jobs: int | None) -> None:
        """Train and score all of them, so many at a time; by default as many as the device does best."""
        tasks = [lambda place, member=member: self.do(member, place) for member in members]
        side_by_side(tasks, jobs, self.should_stop, as_one=train_as_one())

    def do(
        self,
        member: Member,
        place: Place,
        on_record: Callable[[Record, TrainingRun], None] = lambda record, run: None,
    ) -> None:
        """Train and score a member to its end, unless it has a result, is asked to stop, or another process is at it.

        What makes a member fail is its result; only what would make all of them fail is raised.
        """
        if place.should_stop() is not None or self.home.result(member) is not None:
            return
        begun = time.monotonic()
        values = dict(member.setting.values)
        try:
            run = self._trained(member, place, on_record)
            if run is None:
                return
            result, evidence = _scored(run, self.num_samples)
            result = dataclasses.replace(result, values=values, seed=member.seed)
        except SavingError:
            raise
        except RunInUseError:
            return
        except LowerboundError as error:
            result, evidence = Result(values, member.seed, failure=str(error)), None
        self.home.write(member, result, evidence)
        self.say(f"{member.name}: {in_words(result)} ({time.monotonic() - begun:.0f} s)")

    def _trained(self, member: Member, place: Place, on_record: Callable[[Record, TrainingRun], None]) -> TrainingRun | None:
        flags = {"training": {"seed": member.seed} | ({} if self.base.epochs is None else {"epochs": self.base.epochs})}
        overrides = [*self.base.overrides, *member.overrides]
        config, recipe = resolve_config(self.base.data, self.base.recipe, overrides, flags)
        path = self.home.run(member)
        if (path / RUN_FILE).exists():
            config = RunFolder.open(path).config()
        dataset = self._dataset(config)
        if (path / RUN_FILE).exists():
            run = TrainingRun.resume(path, dataset)
        else:
            try:
                run = TrainingRun.begin(path, config, dataset, recipe=recipe.name, command=self.command, given=recipe.given)
            except ConfigurationError as error:
                if (path / RUN_FILE).exists():
                    raise RunInUseError(f"another process has begun {path} at the same time.") from error
                raise
        run.run(on_record=on_record, should_stop=place.should_stop, programs=place.programs)
        return run if run.is_finished else None


def _scored(run: TrainingRun, num_samples: int) -> tuple[Result, np.ndarray | None]:
    """The result of a trained member, and what `Home.evidence` gives."""
    model, record = run.trainer.model_of(run.progress), run.folder.info()["data"]
    epochs = int(run.progress.state.step) / run.trainer.schedule.steps_per_epoch
    result = Result({}, 0, has_density=model.has_density, epochs=epochs, seconds=run.progress.seconds)
    data, weight = Example.of(run.part("validation")).counted
    if len(data) == 0:
        raise ConfigurationError(
            "a sweep lays models side by side by their validation examples, and there are none; set data.validation above 0."
        )
    if not model.has_density:
        return dataclasses.replace(result, latent_dim=model.latent_dim), None
    found = estimate_evidence(model, data, num_samples)
    evidence = np.asarray(found.log_evidence, np.float64)
    curve = BoundCurve.of(found, num_samples, weight)
    elbo, elbo_error = mean_and_error(found.elbo, weight)
    mean, error = mean_and_error(evidence, weight)
    if not (math.isfinite(elbo) and math.isfinite(mean)):
        return dataclasses.replace(result, failure="log p(x) of the validation examples is not finite."), None
    result = dataclasses.replace(
        result,
        elbo_nats=elbo,
        elbo_standard_error=elbo_error,
        log_evidence_nats=mean,
        standard_error=error,
        num_samples=num_samples,
        is_enough=importance_estimate(found, curve, model, Amortised().description, weight).is_enough,
        kl_nats=mean_and_error(found.kl, weight)[0],
        active_units=int(active_units(posterior_means(model, data), weight).sum()),
        latent_dim=model.latent_dim,
        measure=model.measure,
        masses=masses_of(model, run.spec),
        given=model.given,
        data=record["data_sha256"],
        split=record["split_sha256"],
        condition=record["condition_sha256"],
    )
    return result, np.stack([evidence, np.ones(len(evidence)) if weight is None else np.asarray(weight, np.float64)])


def in_words(result: Result) -> str:
    """What became of a member, in a line."""
    if result.failure:
        return f"no model: {result.failure}"
    if result.log_evidence_nats is None:
        return "a deterministic code, which has no bound"
    return f"{name_of_density(result.given)} of validation {result.log_evidence_nats:,.3f}, ELBO {result.elbo_nats:,.3f} nats"
