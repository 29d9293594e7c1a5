"""Three ways to watch a training: a live bar on a terminal, a few plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

import typer

from ..config.scoring import beside_in_short
from ..runs.training import TrainingRun
from ..training import Record
from .console import print_json

Show = Callable[[Record, TrainingRun], None]


@contextlib.contextmanager
def display(*, as_json: bool, is_terminal: bool) -> Iterator[Show]:
    """The function that shows a record: JSON lines where asked for, a bar on a terminal, plain lines elsewhere."""
    if as_json:
        yield lambda record, run: print_json({"event": "progress", **record.figures}, indent=None)
    elif is_terminal:
        with _bar() as show:
            yield show
    else:
        yield _plain_lines()


def describe_record(record: Record, run: TrainingRun) -> dict[str, str]:
    """The figures of one record as short texts; bounds and terms in nats per example."""
    watched = run.trainer.has_validation
    bound = record.validation_bound_nats if watched else record.train_bound_nats
    model = run.trainer.current_model(run.progress)
    name = run.trainer.fixed.objective.bound_name + beside_in_short(model.given)
    figures = {}
    if math.isfinite(bound):
        figures[f"train {name}"] = f"{record.train_bound_nats:.2f}"
        if watched:
            figures[f"validation {name}"] = f"{record.validation_bound_nats:.2f}"
    figures["reconstruction"] = f"{record.validation_reconstruction_nats if watched else record.train_reconstruction_nats:.2f}"
    if not math.isfinite(bound):
        return {**figures, "loss": f"{record.loss:.2f}", "examples/s": f"{record.examples_per_second:,.0f}"}
    figures["KL"] = f"{record.validation_kl_nats if watched else record.train_kl_nats:.2f}"
    if model.measure == "counting" and model.given is None:
        figures["bits/dim"] = f"{-bound / (run.spec.num_elements * math.log(2)):.3f}"
    figures["examples/s"] = f"{record.examples_per_second:,.0f}"
    return figures


@contextlib.contextmanager
def _bar() -> Iterator[Show]:
    """A live bar (Rich) of epochs, time and speed, and below it the figures, which a narrow terminal wraps."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    task = progress.add_task("compiling", total=None, left="", speed="")
    figures = Text()
    with Live(Group(progress, figures), console=Console(stderr=True)):

        def show(record: Record, run: TrainingRun) -> None:
            texts = describe_record(record, run)
            epochs = run.config.training.epochs
            speed = f"{texts.pop('examples/s')} examples/s"
            where = f"epoch {record.epoch:g}/{epochs}"
            progress.update(task, completed=record.epoch, total=epochs, description=where, left="left", speed=speed)
            figures.plain = "nats: " + "  ".join(f"{name} {value}" for name, value in texts.items())

        yield show


def _plain_lines() -> Show:
    """About ten lines of key=value a run, at each tenth of it: quiet in a log, and easy to search."""
    next_epoch = 0.0

    def show(record: Record, run: TrainingRun) -> None:
        nonlocal next_epoch
        epochs = run.config.training.epochs
        if record.epoch < next_epoch and record.epoch < epochs:
            return
        next_epoch = record.epoch + epochs / 10
        figures = describe_record(record, run)
        names = (name.lower().replace(",", "").replace(" ", "_").replace("/", "_per_") for name in figures)
        pairs = [f"{name}={value.replace(',', '')}" for name, value in zip(names, figures.values(), strict=True)]
        typer.echo(f"epoch={record.epoch:g}/{epochs} " + " ".join(pairs))

    return show
