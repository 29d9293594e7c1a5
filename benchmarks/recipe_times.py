"""How long each recipe takes on this machine: some epochs of each, and what all of them will take.

    python benchmarks/recipe_times.py [RECIPE ...] [--data-dir DIR] [--seconds S] --json FILE

Each recipe trains in a process of its own for S seconds and for four looks at the least, through the loop of `lowerbound
train`, without a compile cache. The first look holds the compiling; the median of what the others took is multiplied by the
recipe's epochs. Early stopping may end it sooner, so the figure is the longest that training takes; the report and the
evaluation at its end are not in it. Recipes whose data are not there are left out, and so are those that have no data of their
own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FEWEST_LOOKS = 4


def run_one(name: str, seconds: float, data_dir: str | None) -> dict[str, Any]:
    """Train one recipe for a while in this process."""
    from lowerbound.data.datasets import load_dataset
    from lowerbound.recipes.registry import load_recipe
    from lowerbound.runs.training import TrainingRun
    from lowerbound.training import Record

    config = load_recipe(name).run_config()
    dataset = load_dataset(config.data.name, config.data.key, data_dir, config.data.condition)
    looks: list[Record] = []
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun.begin(Path(folder) / "run", config, dataset, recipe=name, command="")
        run.run(
            on_record=lambda record, run: looks.append(record),
            should_stop=lambda: "timed" if len(looks) >= FEWEST_LOOKS and looks[-1].seconds >= seconds else None,
        )
    first = looks[0]
    # The median, because one look may hold the compiling of another length of chunk.
    per_epoch = statistics.median((b.seconds - a.seconds) / (b.epoch - a.epoch) for a, b in itertools.pairwise(looks))
    epochs = config.training.epochs
    return {
        "recipe": name,
        "epochs": epochs,
        "first_look_seconds": first.seconds,
        "seconds_per_epoch": per_epoch,
        "minutes": (first.seconds + (epochs - first.epoch) * per_epoch) / 60,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="all with named data by default")
    parser.add_argument("--data-dir", default=os.environ.get("LOWERBOUND_DATA"))
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        print(json.dumps(run_one(options.recipes[0], options.seconds, options.data_dir)))
        return
    from lowerbound.recipes.registry import load_recipe, recipe_names

    # `faces` need no name, being what a run without any trains on.
    has_data = {
        name: load_recipe(name).info.data.startswith("faces") or "data" in load_recipe(name).config for name in recipe_names()
    }
    names = options.recipes or [name for name, has in has_data.items() if has]
    rows = []
    print("| recipe | epochs | first look, s | s an epoch | all epochs, minutes |\n| --- | ---: | ---: | ---: | ---: |")
    for name in names:
        command = [sys.executable, "-W", "ignore", __file__, name, "--in-process", "--seconds", str(options.seconds)]
        command += ["--data-dir", options.data_dir] if options.data_dir else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "JAX_COMPILATION_CACHE_DIR": ""})
        if done.returncode:
            print(f"| {name} | not timed | | | |", flush=True)
            continue
        row = json.loads(done.stdout.strip().splitlines()[-1])
        rows.append(row)
        print(
            f"| {name} | {row['epochs']:,} | {row['first_look_seconds']:.1f} | {row['seconds_per_epoch']:.3g} | "
            f"{row['minutes']:.1f} |",
            flush=True,
        )
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
