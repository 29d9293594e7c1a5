"""The folder of a sweep: `sweep.json`, a run and a result for each member, and the page."""

from __future__ import annotations

import dataclasses
import io
import math
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import ConfigurationError, ModelFolderError
from ..likelihoods import Given, Measure
from ..storage.atomic import write_bytes
from ..storage.documents import has_record, read_document, write_record
from ..storage.npz import read_npy
from ..storage.upgrades import CURRENT, SWEEP, SWEEP_RESULT
from .grid import Axis, Member

RECORD_FILE, PAGE = "sweep.json", "index.html"
_COMMANDS = {"sweep": "lowerbound sweep", "search": "lowerbound tune"}


@dataclasses.dataclass(frozen=True)
class Base:
    """What all members share: the data, the recipe, and the keys that were set to one value."""

    data: str | None
    recipe: str | None
    overrides: tuple[str, ...]
    epochs: int | None

    @property
    def words(self) -> str:
        """As it was typed."""
        named = {"--recipe": self.recipe, "--epochs": self.epochs}
        options = [f"{name} {value}" for name, value in named.items() if value is not None]
        return (
            " ".join([self.data or "", *[f"--set {each}" for each in self.overrides], *options]).strip() or "the built-in faces"
        )


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a member; nats per validation example.

    - `values`: of the keys that are swept. `failure`: why it has no model; "" where it has one.
    - `elbo_nats`, `log_evidence_nats` (of `num_samples` importance samples), their standard errors over examples, `kl_nats`.
    - `is_enough`: whether so many samples are, by their verdict. `active_units`: of `latent_dim`.
    - `measure`, `masses`, `given`, `data`, `split`, `condition`: what the numbers are about (`evaluation.Subject`).
    - `seconds`: of training.
    """

    values: dict[str, str]
    seed: int
    failure: str = ""
    has_density: bool = True
    elbo_nats: float | None = None
    elbo_standard_error: float | None = None
    log_evidence_nats: float | None = None
    standard_error: float | None = None
    num_samples: int = 0
    is_enough: bool = False
    kl_nats: float | None = None
    active_units: int = 0
    latent_dim: int = 0
    measure: Measure = "counting"
    given: Given | None = None
    data: str = ""
    split: str = "0"
    condition: str | None = None
    masses: str = ""
    epochs: float = 0.0
    seconds: float = 0.0
    version: int = CURRENT[SWEEP_RESULT]


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What was asked for, in all calls together.

    - `kind`: "sweep", all values of the axes with each other; or "search", of which each axis says what may be chosen.
    """

    base: Base
    axes: tuple[Axis, ...]
    seeds: int
    first_seed: int
    kind: Literal["sweep", "search"] = "sweep"
    version: int = CURRENT[SWEEP]


@dataclasses.dataclass(frozen=True)
class Home:
    """The folder."""

    path: Path

    @property
    def record_file(self) -> Path:
        """What was asked for."""
        return self.path / RECORD_FILE

    def run(self, member: Member) -> Path:
        """The folder of a member's run."""
        return self.path / "runs" / member.name

    def joined(self, asked: Sweep) -> Sweep:
        """What is asked for and what was asked for before, together; nothing is written.

        Raises `ConfigurationError` when the folder is somebody else's, or holds a sweep of other keys, other data or other
        settings, and `ModelFolderError` when its record is damaged.
        """
        if not has_record(self.path, RECORD_FILE, SWEEP, _COMMANDS[asked.kind]):
            return asked
        before = read_document(self.record_file, SWEEP, Sweep)
        old, new = ([axis.key for axis in sweep.axes] for sweep in (before, asked))
        for what, was, now in (
            ("is of", before.base.words, asked.base.words),
            ("is over", ", ".join(old) or "seeds alone", ", ".join(new) or "seeds alone"),
            ("has --seed", before.first_seed, asked.first_seed),
            ("is the work of", _COMMANDS[before.kind], _COMMANDS[asked.kind]),
        ):
            if was != now:
                raise ConfigurationError(
                    f"--out is {self.path}, whose sweep {what} {was}, and not {now}. Give the same to go on with it (more values "
                    "and more seeds may be added), or another folder."
                )
        if asked.kind == "search" and before.axes != asked.axes:
            was = "; ".join(f"{axis.key}={','.join(axis.values)}" for axis in before.axes)
            raise ConfigurationError(f"--out is {self.path}, whose search is over {was}. Give the same, or another folder.")
        axes = tuple(
            Axis(one.key, tuple(dict.fromkeys((*one.values, *other.values))))
            for one, other in zip(before.axes, asked.axes, strict=True)
        )
        return dataclasses.replace(asked, axes=axes, seeds=max(before.seeds, asked.seeds))

    def write_record(self, sweep: Sweep) -> None:
        """Keep what was asked for; raises `SavingError`."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_record(self.record_file, SWEEP, sweep)

    def result(self, member: Member) -> Result | None:
        """What became of a member; None where that is not known yet. Raises `ModelFolderError` when it is damaged."""
        path = self._result(member)
        return read_document(path, SWEEP_RESULT, Result) if path.exists() else None

    def evidence(self, member: Member) -> np.ndarray:
        """(2, examples): log p(x) of each validation example under a member that has a result, and their weights.

        Raises `ModelFolderError` where they are not those whose mean the result states.
        """
        file, record = self._result(member), self.result(member)
        mean = math.nan if record is None or record.log_evidence_nats is None else record.log_evidence_nats
        try:
            found = read_npy(file.with_suffix(".npy"))
            if found.ndim != 2 or len(found) != 2 or found.dtype.kind != "f" or not found[1].sum() > 0:
                raise ValueError(f"it holds {found.dtype} of the shape {found.shape}")
            if not math.isclose(float(np.average(found[0], weights=found[1])), mean, rel_tol=1e-6, abs_tol=1e-6):
                raise ValueError(f"{file.name} states another mean of them")
        except ValueError as error:
            raise ModelFolderError(
                f"{file.with_suffix('.npy')} does not hold log p(x) of the validation examples ({error}); it was changed. "
                f"Remove it and {file.name}; the same command finds both again."
            ) from error
        return found

    def write(self, member: Member, result: Result, evidence: np.ndarray | None) -> None:
        """Keep what became of a member, the examples first, so that a result that is there is whole; raises `SavingError`."""
        path = self._result(member)
        path.parent.mkdir(exist_ok=True)
        if evidence is not None:
            content = io.BytesIO()
            np.save(content, evidence, allow_pickle=False)
            write_bytes(path.with_suffix(".npy"), content.getvalue())
        write_record(path, SWEEP_RESULT, result)

    def _result(self, member: Member) -> Path:
        return self.path / "results" / f"{member.name}.json"
