"""Three ways to watch a training: a live bar on a terminal, a few plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import dataclasses
import json
import math
from types import TracebackType
from typing import Any, Protocol

import typer

from ..runs.training import TrainingRun
from ..training import Record


class Display(Protocol):
    """A context manager that is told of every record."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def update(self, record: Record, run: TrainingRun) -> None:
        """Show one record."""
        ...


def choose_display(*, as_json: bool, is_terminal: bool) -> Display:
    """JSON lines where asked for, a bar on a terminal, plain lines elsewhere."""
    if as_json:
        return JsonLines()
    return Bar() if is_terminal else PlainLines()


def describe_record(record: Record, run: TrainingRun) -> dict[str, str]:
    """The figures of one record as short texts; bounds and terms in nats per example."""
    watched = not math.isnan(record.validation_elbo_nats)
    bound = record.validation_elbo_nats if watched else record.train_elbo_nats
    figures = {"train ELBO": f"{record.train_elbo_nats:.2f}"}
    if watched:
        figures["validation ELBO"] = f"{record.validation_elbo_nats:.2f}"
    figures["reconstruction"] = f"{record.validation_reconstruction_nats if watched else record.train_reconstruction_nats:.2f}"
    figures["KL"] = f"{record.validation_kl_nats if watched else record.train_kl_nats:.2f}"
    if run.trainer.current_model(run.progress).measure == "counting":
        figures["bits/dim"] = f"{-bound / (run.spec.num_elements * math.log(2)):.3f}"
    figures["examples/s"] = f"{record.examples_per_second:,.0f}"
    return figures


class Bar:
    """A live progress bar (Rich): epoch, bounds in nats, speed, time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=20),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("compiling", total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, record: Record, run: TrainingRun) -> None:
        """Move the bar and show the record's figures in nats."""
        figures = describe_record(record, run)
        text = "  ".join(f"{name} {value}" for name, value in figures.items())
        total = run.config.training.epochs
        self._progress.update(self._task, completed=record.epoch, total=total, description=text.replace("KL", "nats · KL", 1))


class PlainLines:
    """About ten lines of key=value a run: quiet in a log, and easy to search."""

    def __init__(self) -> None:
        self._next_epoch = 0.0

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, record: Record, run: TrainingRun) -> None:
        """Print the record if a tenth of the run has passed since the last line."""
        epochs = run.config.training.epochs
        if record.epoch < self._next_epoch and record.epoch < epochs:
            return
        self._next_epoch = record.epoch + epochs / 10
        figures = describe_record(record, run)
        pairs = [
            f"{name.lower().replace(' ', '_').replace('/', '_per_')}={value.replace(',', '')}" for name, value in figures.items()
        ]
        typer.echo(f"epoch={record.epoch:g}/{epochs} " + " ".join(pairs))


class JsonLines:
    """One JSON object a record on stdout."""

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, record: Record, run: TrainingRun) -> None:
        """Print the record."""
        print_json({"event": "progress", **dataclasses.asdict(record)})


def print_json(fields: dict[str, Any], *, indent: int | None = None) -> None:
    """One JSON object on stdout; what is not a finite number becomes null."""
    clean = {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()}
    typer.echo(json.dumps(clean, indent=indent))
