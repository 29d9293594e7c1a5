"""`reproduction.json`: what has been found so far, and the folder that it lies in."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

from ..errors import ConfigurationError
from ..storage.documents import has_record, read_document, write_record
from ..storage.upgrades import CURRENT, REPRODUCTION
from .plan import Curve

RECORD_FILE = "reproduction.json"


@dataclasses.dataclass(frozen=True)
class Trial:
    """A short training of a curve's models with one step; `validation` is None where its numbers did not stay finite."""

    curve: str
    step: float
    samples: int
    validation: float | None


@dataclasses.dataclass(frozen=True)
class Point:
    """What a curve's model is worth after some training samples, in nats per example.

    - `level`: the number of samples that was aimed at; `samples`: those of the whole epochs nearest to it.
    - `train_error`, `test_error`: standard errors over the examples.
    - `training_seconds`: of the run up to here; `around_seconds`: of compiling, loading and looking, for this point.
    """

    curve: str
    level: int
    samples: int
    step: float
    train: float
    train_error: float
    test: float
    test_error: float
    training_seconds: float
    around_seconds: float


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """All that was found: `figures` are those that were asked for so far, `failures` what ended a curve, by its name.

    - `seconds`: spent in all calls together.
    """

    paper: str
    seed: int
    figures: tuple[int, ...]
    trials: tuple[Trial, ...] = ()
    points: tuple[Point, ...] = ()
    failures: dict[str, str] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    version: int = CURRENT[REPRODUCTION]

    def command(self, out: Path) -> str:
        """What goes on with it, as it is typed, as far as an option can say which figures were asked for."""
        figure = f" --figure {self.figures[0]}" if len(self.figures) == 1 else ""
        return f"lowerbound reproduce {self.paper}{figure} --out {shlex.quote(str(out))}"

    def points_of(self, curve: str) -> list[Point]:
        """Those of a curve, fewest samples first."""
        return sorted((point for point in self.points if point.curve == curve), key=lambda point: point.level)

    def trials_of(self, curve: str) -> dict[float, Trial]:
        """Those of a curve by their step."""
        return {trial.step: trial for trial in self.trials if trial.curve == curve}

    def best_step(self, curve: str) -> float | None:
        """The step of the best trial; None where there is none whose numbers stayed finite."""
        scores = {step: each.validation for step, each in self.trials_of(curve).items() if each.validation is not None}
        return max(scores, key=lambda step: scores[step], default=None)


@dataclasses.dataclass(frozen=True)
class Home:
    """The folder of a reproduction: `reproduction.json`, `runs/`, the page and its pictures."""

    path: Path

    @property
    def record_file(self) -> Path:
        """What has been found."""
        return self.path / RECORD_FILE

    def run(self, curve: Curve, step: float) -> Path:
        """The folder of the run that trains a curve's models with a step."""
        return self.path / "runs" / f"{curve.name}-step-{step:g}"

    def open(self, paper: str, seed: int | None, figures: tuple[int, ...]) -> Reproduction:
        """What has been found here, the `figures` now among those asked for; nothing is written.

        Raises `ConfigurationError` when the folder is somebody else's, or was begun otherwise, and `ModelFolderError` when the
        record is damaged or of a newer release.
        """
        if not has_record(self.path, RECORD_FILE, REPRODUCTION, "lowerbound reproduce"):
            return Reproduction(paper, seed or 0, figures)
        found = read_document(self.record_file, REPRODUCTION, Reproduction)
        if found.paper != paper:
            raise ConfigurationError(
                f"--out is {self.path}, which holds the reproduction of {found.paper}, not of {paper}. Give another folder."
            )
        if seed is not None and seed != found.seed:
            raise ConfigurationError(
                f"--seed is {seed}, but the reproduction in {self.path} was begun with seed {found.seed}. Leave --seed out to go "
                "on with it, or give another folder."
            )
        return dataclasses.replace(found, figures=tuple(sorted({*found.figures, *figures})))

    def write(self, found: Reproduction) -> None:
        """Replace the record, whole; raises `SavingError`."""
        write_record(self.record_file, REPRODUCTION, found)
