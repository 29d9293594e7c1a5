"""Three ways to watch a training: a live bar on a terminal, a few plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import typer

from ..runs.training import TrainingRun
from ..training import Record

Show = Callable[[Record, TrainingRun], None]


@contextlib.contextmanager
def display(*, as_json: bool, is_terminal: bool) -> Iterator[Show]:
    """The function that shows a record: JSON lines where asked for, a bar on a terminal, plain lines elsewhere."""
    if as_json:
        yield lambda record, run: print_json({"event": "progress", **dataclasses.asdict(record)})
    elif is_terminal:
        with _bar() as show:
            yield show
    else:
        yield _PlainLines().show


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


@contextlib.contextmanager
def _bar() -> Iterator[Show]:
    """A live progress bar (Rich): epoch, bounds in nats, speed, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("epoch {task.completed:.0f}/{task.total}"),
        BarColumn(bar_width=16),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
    )
    with progress:
        task = progress.add_task("compiling", total=None)

        def show(record: Record, run: TrainingRun) -> None:
            text = "  ".join(f"{name} {value}" for name, value in describe_record(record, run).items())
            total = run.config.training.epochs
            progress.update(task, completed=record.epoch, total=total, description=f"nats: {text}")

        yield show


class _PlainLines:
    """About ten lines of key=value a run: quiet in a log, and easy to search."""

    def __init__(self) -> None:
        self._next_epoch = 0.0

    def show(self, record: Record, run: TrainingRun) -> None:
        """Print the record if a tenth of the run has passed since the last line."""
        epochs = run.config.training.epochs
        if record.epoch < self._next_epoch and record.epoch < epochs:
            return
        self._next_epoch = record.epoch + epochs / 10
        figures = describe_record(record, run)
        names = (name.lower().replace(" ", "_").replace("/", "_per_") for name in figures)
        pairs = [f"{name}={value.replace(',', '')}" for name, value in zip(names, figures.values(), strict=True)]
        typer.echo(f"epoch={record.epoch:g}/{epochs} " + " ".join(pairs))


def print_json(fields: dict[str, Any], *, indent: int | None = None) -> None:
    """One JSON object on stdout; what is not a finite number becomes null."""
    clean = {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()}
    typer.echo(json.dumps(clean, indent=indent))
