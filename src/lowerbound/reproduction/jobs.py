"""A job done: models trained to a number of samples in an ordinary run's folder, and looked at."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from ..config.catalogue import class_of
from ..data.dataset import Dataset
from ..data.datasets import load_configured
from ..data.splits import Split, shuffled_split
from ..errors import DataWarning, NonFiniteLossError
from ..evaluation import PosteriorDensity, evaluate, harmonic_evidence, harmonic_record
from ..recipes import resolve_config
from ..runs.folder import RUN_FILE
from ..runs.training import TrainingRun
from ..training.schedule import MAX_STEPS_PER_CHUNK, Schedule
from .plan import Curve, Job, Plan
from .record import Home, Point, Reproduction, Trial

# Calls of the compiled program between two looks at the validation data.
_CHUNKS_PER_LOOK = 10
# Examples whose log p(x) is estimated: as many as in the paper, and fewer where they only rank the steps.
_WEIGHED, _TRIED = 1000, 100


@dataclasses.dataclass
class Worker:
    """Does one job after another, and writes down at once what each found.

    - `found`: what was found so far. `command`: what the runs say that they were made by.
    - `should_stop`: gives a reason to leave a training, which is saved and gone on with later.
    - `say`: told in a sentence what was found.
    """

    home: Home
    plan: Plan
    found: Reproduction
    data_dir: Path | None
    command: str
    should_stop: Callable[[], str | None] = lambda: None
    say: Callable[[str], None] = lambda text: None
    _loaded: dict[tuple[str, ...], Dataset] = dataclasses.field(default_factory=dict)
    _training_seconds: float = 0.0

    def do(self, job: Job) -> bool:
        """Do a job to its end; False where it had to stop on the way. A curve whose numbers are not finite ends there."""
        begun, self._training_seconds = time.monotonic(), 0.0
        try:
            run = self._run_of(job)
        except NonFiniteLossError as error:
            self._write(failures={**self.found.failures, job.curve.name: str(error)})
            self.say(f"{job.curve.title}: {error}")
            return True
        if run is None:
            return False
        (train, train_error), (test, test_error) = (_value(run, job.curve, part) for part in ("train", "test"))
        point = Point(
            curve=job.curve.name,
            level=job.level,
            samples=_seen(run),
            step=run.config.training.learning_rate,
            train=train,
            train_error=train_error,
            test=test,
            test_error=test_error,
            training_seconds=run.progress.seconds,
            around_seconds=time.monotonic() - begun - self._training_seconds,
        )
        self._write(points=(*self.found.points, point))
        # The next job is of another curve; over some hundred jobs the programs of all would fill the memory.
        jax.clear_caches()
        self.say(
            f"{job.curve.title}: {point.samples:,} samples, step {point.step:g}: train {train:.1f}, test {test:.1f} nats "
            f"({time.monotonic() - begun:.0f} s)"
        )
        return True

    def _run_of(self, job: Job) -> TrainingRun | None:
        """The curve's run, trained to the job's level with the step that did best in short trials; None where it stopped."""
        curve = job.curve
        for step in self.plan.steps:
            if step in self.found.trials_of(curve.name):
                continue
            try:
                run = self._trained(curve, step, self.plan.trial)
                if run is None:
                    return None
                trial = Trial(curve.name, step, _seen(run), _value(run, curve, "validation")[0])
            except NonFiniteLossError:
                trial = Trial(curve.name, step, self.plan.trial, None)
            self._write(trials=(*self.found.trials, trial))
        best = self.found.best_step(curve.name)
        if best is None:
            raise NonFiniteLossError(
                f"with none of the steps {', '.join(f'{step:g}' for step in self.plan.steps)} it stayed finite."
            )
        return self._trained(curve, best, job.level)

    def _trained(self, curve: Curve, step: float, level: int) -> TrainingRun | None:
        """The run of a curve with a step after `level` samples, or the whole epochs nearest to it; None where it had to stop."""
        dataset = self._dataset(curve)
        assert dataset.split is not None
        config, recipe = resolve_config(None, curve.source.recipe, curve.settings)
        steps_per_batch = class_of("objective", config.objective.name).steps_per_batch
        schedule = Schedule.plan(config.training, len(dataset.split.train), steps_per_batch)
        # Whole calls of one compiled program, whatever the level.
        chunk = max(1, MAX_STEPS_PER_CHUNK // schedule.steps_per_epoch)
        epochs = max(1, round(level / _samples(schedule, schedule.steps_per_epoch)))
        epochs = epochs if epochs < chunk else chunk * max(1, round(epochs / chunk))
        training: dict[str, Any] = {
            "epochs": epochs,
            "learning_rate": step,
            "seed": self.found.seed + curve.split,
            "validate_every": chunk * _CHUNKS_PER_LOOK,
            "early_stopping_patience": 0,
        }
        path = self.home.run(curve, step)
        if (path / RUN_FILE).exists():
            run = TrainingRun.resume(path, dataset, epochs=epochs)
        else:
            config = config.updated({"training": training})
            with warnings.catch_warnings():
                # What is odd about these data is well known, and would be said once for each run.
                warnings.simplefilter("ignore", DataWarning)
                run = TrainingRun.begin(path, config, dataset, recipe=recipe.name, command=self.command)
        before = run.progress.seconds
        # A run that has ended already may have been killed before its model was written.
        run.run(should_stop=self.should_stop)
        self._training_seconds += run.progress.seconds - before
        return run if run.is_finished else None

    def _dataset(self, curve: Curve) -> Dataset:
        """The curve's data with its split, which the runs take as given."""
        config, _ = resolve_config(None, curve.source.recipe, curve.settings)
        key = (config.data.name, config.data.binarize)
        if key not in self._loaded:
            self._loaded[key] = load_configured(config.data, self.data_dir)
        dataset = self._loaded[key]
        split = dataset.split
        if split is None:
            assert not isinstance(config.data.validation, str)
            held_out, test = config.data.validation, config.data.test
            split = shuffled_split(len(dataset.examples), validation=held_out, test=test, seed=curve.split)
        train = split.train[: curve.num_train]
        return dataclasses.replace(dataset, split=Split(train, split.validation, split.test, split.method, split.seed))

    def _write(self, **changes: Any) -> None:
        self.found = dataclasses.replace(self.found, **changes)
        self.home.write(self.found)


def _samples(schedule: Schedule, steps: int) -> int:
    """Training samples that so many steps have seen; a batch that stays for several steps is seen once."""
    return steps // schedule.steps_per_batch * schedule.batch_size


def _seen(run: TrainingRun) -> int:
    return _samples(run.trainer.schedule, int(run.progress.state.step))


def _value(run: TrainingRun, curve: Curve, part: str) -> tuple[float, float]:
    """What the curve's points are, of a part of the data: mean over examples and standard error, in nats.

    A density is that of data scaled to [0, 1], as the paper's. log p(x) is that of the first examples, as there.
    """
    model, data = run.trainer.model_of(run.progress), run.part(part)
    if curve.quantity == "evidence":
        settings = PosteriorDensity()
        found = harmonic_evidence(model, data[: _TRIED if part == "validation" else _WEIGHED], settings)
        record = harmonic_record(found, settings, model)
        return record.value, record.standard_error
    scores = evaluate(model, run.spec, data, num_samples=1, split=part)
    bound = scores.elbo_nats if scores.unit_scale_elbo_nats is None else scores.unit_scale_elbo_nats
    return bound, scores.elbo_standard_error
