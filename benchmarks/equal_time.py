"""Networks that are trained for the same processor time: what the best validation bound of each is.

    python benchmarks/equal_time.py DATA [--seconds 240] [--set "section.key=value section.key=value"]...

Each `--set` is one contender, and stands beside the choices of the default recipe. A few steps say what a step costs; then a
fresh model is trained to the end of its schedule, for as many epochs as the seconds of a processor allow. Compiling is not
counted. The contenders come one after the other; processor time changes little with what else runs, the clock's much.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
from pathlib import Path

from lowerbound.config import parse_overrides
from lowerbound.config.run import with_changes
from lowerbound.data.datasets import load_dataset
from lowerbound.recipes import DEFAULT_RECIPE, resolve_config
from lowerbound.runs.planning import plan
from lowerbound.training import Progress, Record, Trainer, prepare

LOOKS = 4


class _EnoughSeen(Exception):
    """The trial of a step's cost has seen what it needs."""


def processor_seconds() -> float:
    """Of this process, all threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def trainer_for(name: str, overrides: list[str], epochs: int, data: Path | None) -> Trainer:
    """A fresh trainer of the default recipe with these settings, that trains for so many epochs."""
    dataset = load_dataset(name, data_dir=data)
    ours = {"data": {"name": name}, "training": {"epochs": epochs, "early_stopping_patience": 0}}
    config, recipe = resolve_config(recipe=DEFAULT_RECIPE, flags=with_changes(parse_overrides(overrides), ours))
    planned = plan(config, dataset, recipe.given)
    return prepare(planned.config, planned.spec, dataset, planned.split)


def seconds_a_step(trainer: Trainer) -> float:
    """Processor seconds of a step, from the looks after the first, which compiles."""
    seen: list[tuple[float, int]] = []

    def note(record: Record, progress: Progress) -> None:
        seen.append((processor_seconds(), record.step))
        if len(seen) == LOOKS:
            raise _EnoughSeen

    with contextlib.suppress(_EnoughSeen):
        trainer.run(trainer.start(), on_record=note)
    (first, first_step), (last, last_step) = seen[0], seen[-1]
    return (last - first) / (last_step - first_step)


def best_bound(trainer: Trainer) -> float:
    """The best validation bound of a whole training, in nats per example."""
    bounds: list[float] = []

    def note(record: Record, progress: Progress) -> None:
        bounds.append(record.validation_bound_nats)

    trainer.run(trainer.start(), on_record=note)
    return max(bounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a named set or a file")
    parser.add_argument("--seconds", type=float, default=240.0, help="of a processor, for each")
    parser.add_argument("--set", action="append", default=[], dest="contenders", metavar='"KEY=VALUE ..."')
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("LOWERBOUND_DATA"))
    options = parser.parse_args()
    for contender in options.contenders or [""]:
        overrides = contender.split()
        cost = seconds_a_step(trainer_for(options.data, overrides, 1000, options.data_dir))
        probe = trainer_for(options.data, overrides, 1, options.data_dir)
        epochs = max(2, int(options.seconds / cost / probe.schedule.steps_per_epoch))
        trainer = trainer_for(options.data, overrides, epochs, options.data_dir)
        print(
            f"{contender or 'as chosen'}: {epochs * trainer.schedule.steps_per_epoch} steps of {cost:.3f} s", end=", ", flush=True
        )
        print(f"best validation bound {best_bound(trainer):.1f} nats", flush=True)


if __name__ == "__main__":
    main()
