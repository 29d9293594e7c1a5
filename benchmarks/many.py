"""Many models of one shape: side by side, and one after the other in the same process.

    python benchmarks/many.py [--members 64] [--epochs 20] [--rounds 3] [--data-dir DIR] [--json FILE]

The seed's job, 560-200-200-20 on 1965 8-bit images of 28 x 20, batches of 100, once for each seed. Both ways use the same
trainers, compiled before the clock starts, and take turns. The curves of both are compared.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import time
from pathlib import Path

import jax
import numpy as np
from _job import load_images

from lowerbound.config import RunConfig
from lowerbound.data.dataset import Dataset
from lowerbound.data.examples import in_form_of
from lowerbound.recipes import load_recipe
from lowerbound.runs.planning import plan
from lowerbound.training import Trainer, prepare
from lowerbound.training.together import side_by_side, trainings_at_once


def trainers(images: np.ndarray, members: int, epochs: int) -> list[Trainer]:
    """One for each seed; they share one compiled program."""
    dataset = Dataset("images", images)
    made = []
    for seed in range(members):
        config = RunConfig.from_dict(load_recipe("post-2018").config)
        config = config.updated(
            {"training": {"seed": seed, "epochs": epochs, "validate_every": epochs}, "data": {"validation": 0.1}}
        )
        split, spec, resolved, _ = plan(config, dataset, None)
        made.append(prepare(resolved, spec, in_form_of(dataset, spec), split))
    return made


def train(made: list[Trainer], jobs: int) -> tuple[float, np.ndarray]:
    """Seconds for all of them, `jobs` at a time, and the last validation bound of each."""
    bounds = np.zeros(len(made))

    def one(number: int) -> None:
        def note(record: object, _: object) -> None:
            bounds[number] = record.validation_bound_nats  # pyright: ignore[reportAttributeAccessIssue]

        made[number].run(made[number].start(), on_record=note, shares_cores=jobs > 1)

    begun = time.perf_counter()
    side_by_side([lambda _, number=number: one(number) for number in range(len(made))], jobs)
    return time.perf_counter() - begun, bounds


def main() -> None:
    """Time both ways in turns and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data-dir")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    (images, name), jobs = load_images(args.data_dir), trainings_at_once()
    made = trainers(images, args.members, args.epochs)
    for number in (1, jobs):
        train(made[:number], number)
    rows = []
    for turn in range(args.rounds):
        (alone, one), (together, other) = train(made, 1), train(made, jobs)
        difference = float(np.max(np.abs(one - other) / np.abs(one)))
        rows.append({"alone_seconds": alone, "together_seconds": together, "ratio": together / alone, "difference": difference})
        print(
            f"round {turn + 1}: one after the other {alone:.1f} s, {jobs} at a time {together:.1f} s, ratio "
            f"{together / alone:.2f}; largest relative difference of the last bounds {difference:.1e}"
        )
    ratios = [row["ratio"] for row in rows]
    print(
        f"{args.members} seeds, {args.epochs} epochs of {name}: side by side takes {min(ratios):.2f} to {max(ratios):.2f} of the "
        f"time; {datetime.date.today()}, Python {platform.python_version()}, jax {jax.__version__}, {jobs} cores"
    )
    if args.json:
        args.json.write_text(json.dumps({"members": args.members, "epochs": args.epochs, "rounds": rows}, indent=1))


if __name__ == "__main__":
    main()
