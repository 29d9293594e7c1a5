"""The recipes on the real Frey faces: what each reaches, in the terms of the published figures.

    python benchmarks/frey_faces.py splits --recipe frey-faces              # three splits, test scores
    python benchmarks/frey_faces.py splits --recipe frey-faces-discretized
    python benchmarks/frey_faces.py post-2018                               # 10,000 epochs, then how much alive it is

Needs the file frey_rawface.mat: see `lowerbound datasets`. Everything else goes through the public command and its run folder.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def train(out: Path, *arguments: str) -> float:
    """Run `lowerbound train` in a process of its own; the whole process's wall time in seconds."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "lowerbound", "train", "frey-faces", "--out", str(out), *arguments], check=True)
    return time.perf_counter() - start


def evaluate(run: Path, split: str, num_samples: int, *arguments: str) -> dict[str, float]:
    """What `lowerbound evaluate --json` prints."""
    command = [
        sys.executable,
        "-m",
        "lowerbound",
        "evaluate",
        str(run),
        "--split",
        split,
        "--samples",
        str(num_samples),
        "--json",
        *arguments,
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def splits(recipe: str, count: int, folder: Path) -> None:
    """Train on `count` splits; print the test scores of each, their mean, and their standard deviation over splits.

    Where there are bits per dimension, also those from samples of the refined proposal: the same model, a tighter bound. A run
    that `folder` has already is not trained again.
    """
    names = [
        "unit_scale_elbo_nats",
        "unit_scale_log_evidence_nats",
        "bits_per_dim",
        "refined_bits_per_dim",
        "elbo_bits_per_dim",
        "kl_nats",
        "active_units",
        "training_seconds",
    ]
    rows: list[dict[str, float]] = []
    for seed in range(count):
        run = folder / f"{recipe}-{seed}"
        if not (run / "model").is_dir():
            train(run, "--recipe", recipe, "--seed", str(seed), "--set", f"data.split_seed={seed}")
        scores = evaluate(run, "test", 1000)
        if scores["bits_per_dim"] is not None:
            scores["elbo_bits_per_dim"] = -scores["elbo_nats"] / (560 * np.log(2))
            scores["refined_bits_per_dim"] = evaluate(run, "test", 1000, "--proposal", "refined")["bits_per_dim"]
        scores["training_seconds"] = json.loads((run / "run.json").read_text())["seconds"]
        rows.append({name: scores[name] for name in names if scores.get(name) is not None})
        print(f"split {seed}: " + "  ".join(f"{name} {value:.3f}" for name, value in rows[-1].items()), flush=True)
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        spread = f"standard deviation over splits {values.std(ddof=1):.3f}" if count > 1 else "one split"
        print(f"{recipe}, mean of {count}: {name} {values.mean():.3f} ({spread})")


def post_2018(folder: Path, run: Path | None) -> None:
    """Train the post's model to the letter, or look at a run that did; print KL, active units and the samples' diversity."""
    if run is None:
        run = folder / "post-2018"
        print(f"seconds of the whole command: {train(run, '--recipe', 'post-2018'):.1f}")
    print(f"seconds of training alone: {json.loads((run / 'run.json').read_text())['seconds']:.1f}")
    scores = evaluate(run, "train", 100)
    print(f"train ELBO on [0, 1] {scores['unit_scale_elbo_nats']:.1f} nats, KL {scores['kl_nats']:.2f} nats (wanted: 20 to 90)")
    print(f"active units {scores['active_units']} of {scores['latent_dim']} (wanted: at least 15)")
    from lowerbound.data import load_dataset

    # Real pairs: all of 400 faces, seeded.
    real = np.random.default_rng(0).permutation(load_dataset("frey-faces").examples)[:400]
    for kind in ("--mean", "--draw"):
        out = folder / "samples.npy"
        subprocess.run([sys.executable, "-m", "lowerbound", "sample", str(run), "-n", "100", kind, "--out", str(out)], check=True)
        ratio = pair_distance(np.load(out)) / pair_distance(real)
        print(f"mean distance between pairs of 100 samples ({kind}) / between real faces: {ratio:.2f} (wanted: at least 0.60)")


def pair_distance(examples: np.ndarray) -> float:
    """The mean over pairs of different examples of the mean absolute difference of their pixels."""
    rows = examples.reshape(len(examples), -1).astype(np.float64)
    total = sum(np.abs(rows - row).mean(axis=1).sum() for row in rows)
    return float(total / (len(rows) * (len(rows) - 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_splits = commands.add_parser("splits")
    of_splits.add_argument("--recipe", default="frey-faces")
    of_splits.add_argument("--count", type=int, default=3)
    of_post = commands.add_parser("post-2018")
    of_post.add_argument("--run", type=Path, help="a finished run of the recipe, instead of training one")
    for command in (of_splits, of_post):
        command.add_argument("--folder", type=Path, help="where the runs go; a temporary folder by default")
    options = parser.parse_args()
    print(f"{datetime.date.today()}  python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.command == "splits":
            splits(options.recipe, options.count, folder)
        else:
            post_2018(folder, options.run)


if __name__ == "__main__":
    main()
