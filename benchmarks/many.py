"""Many models of one shape: side by side, as one program, and one after the other in the same process.

    python benchmarks/many.py [--members 64] [--epochs 20] [--rounds 3] [--data-dir DIR] [--json FILE]

The seed's job, 560-200-200-20 on 1965 8-bit images of 28 x 20, batches of 100, once for each seed. All ways use the same
trainers, compiled before the clock starts, and take turns. What they end with is compared.
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
from lowerbound.training.together import Place, side_by_side, trainings_at_once


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


def train(made: list[Trainer], jobs: int, as_one: bool = False) -> tuple[float, np.ndarray]:
    """Seconds for all of them, `jobs` at a time or as one program, and the last validation bound of each."""
    bounds = np.zeros(len(made))

    def one(number: int, place: Place) -> None:
        def note(record: object, _: object) -> None:
            bounds[number] = record.validation_bound_nats  # pyright: ignore[reportAttributeAccessIssue]

        made[number].run(made[number].start(), on_record=note, programs=place.programs)

    begun = time.perf_counter()
    side_by_side([lambda place, number=number: one(number, place) for number in range(len(made))], jobs, as_one=as_one)
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
    ways = {"one after the other": (1, False), f"{jobs} at a time": (jobs, False), "as one program": (args.members, True)}
    for number, as_one in ways.values():
        train(made if as_one else made[:number], number, as_one)
    rows = []
    for turn in range(args.rounds):
        found = {way: train(made, *how) for way, how in ways.items()}
        (alone, one), *others = found.values()
        difference = max(float(np.max(np.abs(one - other) / np.abs(one))) for _, other in others)
        rows.append({way: seconds for way, (seconds, _) in found.items()} | {"difference": difference})
        shares = ", ".join(f"{way} {seconds:.1f} s ({seconds / alone:.2f})" for way, (seconds, _) in found.items())
        print(f"round {turn + 1}: {shares}; largest relative difference of the last bounds {difference:.1e}")
    print(
        f"{args.members} seeds, {args.epochs} epochs of {name}; {datetime.date.today()}, Python {platform.python_version()}, "
        f"jax {jax.__version__}, {jobs} cores"
    )
    if args.json:
        args.json.write_text(json.dumps({"members": args.members, "epochs": args.epochs, "rounds": rows}, indent=1))


if __name__ == "__main__":
    main()
