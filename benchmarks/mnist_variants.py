"""Every part on static binarised MNIST: one network, one budget, the test ELBO and evidence of each.

    python benchmarks/mnist_variants.py --data-dir DIR --json FILE              # all variants, seed 0
    python benchmarks/mnist_variants.py vae vamp --seeds 0 1 2 --json FILE      # some, several seeds
    python benchmarks/mnist_variants.py --seeds 0 1 2 --jobs 12 --json FILE     # so many at a time, where the machine has room

Each variant runs in a process of its own, and its result is added to FILE as soon as it is there; a result that FILE has
already is not computed again. At the end the table of FILE is printed. The scores are of 2,000 random test images, the same for
all (the test file is ordered by class). Needs binarized-mnist: see `lowerbound datasets`.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

# A 784-300-300-40 network and its mirror, batches of 200, Adam at 0.001 falling to 0 as a cosine, the average of the weights;
# the KL's weight rises over 5 epochs where the objective has one. The weights of the last epoch are kept.
BASE: dict[str, dict[str, Any]] = {
    "data": {"name": "binarized-mnist"},
    "model": {"latent_dim": 40},
    "likelihood": {"name": "bernoulli"},
    "network": {"name": "mlp", "hidden_widths": [300, 300], "activations": "elu"},
    "training": {"batch_size": 200, "learning_rate_schedule": "cosine", "ema_decay": 0.999, "validate_every": 5},
}
WARM = {"name": "elbo", "warmup_epochs": 5}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "vae": {"objective": WARM},
    "vamp": {"objective": WARM, "prior": {"name": "vamp", "num_components": 200}},
    "flow-prior": {"objective": WARM, "prior": {"name": "spline-flow", "num_layers": 4}},
    "planar": {"objective": WARM, "posterior": {"name": "planar", "num_flows": 8}},
    "iaf": {"objective": WARM, "posterior": {"name": "inverse-autoregressive", "num_flows": 2, "hidden_width": 320}},
    "sylvester-orthogonal": {
        "objective": WARM,
        "posterior": {"name": "sylvester-orthogonal", "num_flows": 4, "num_directions": 16},
    },
    "sylvester-householder": {"objective": WARM, "posterior": {"name": "sylvester-householder", "num_flows": 4}},
    "sylvester-triangular": {"objective": WARM, "posterior": {"name": "sylvester-triangular", "num_flows": 4}},
    "coupling-spline": {"objective": WARM, "posterior": {"name": "coupling-spline", "num_flows": 2}},
    "iwae-5": {"objective": {"name": "iwae", "num_samples": 5}},
    "iwae-50": {"objective": {"name": "iwae", "num_samples": 50}},
    "semi-amortised": {"objective": WARM, "posterior": {"refinement_steps": 4, "refinement_rate": 0.1}},
}


def run_one(variant: str, seed: int, epochs: int, num_samples: int, num_images: int, data_dir: str | None) -> dict[str, Any]:
    """Train and evaluate one variant in this process."""
    import jax
    import numpy as np

    from lowerbound.assembly.build import build_model, build_objective, resolve
    from lowerbound.config import RunConfig
    from lowerbound.data.datasets import load_dataset
    from lowerbound.data.describe_dataset import describe_dataset
    from lowerbound.data.examples import examples_of
    from lowerbound.evaluation import evaluate
    from lowerbound.recipes.registry import with_changes
    from lowerbound.training import Schedule, Trainer

    sections = with_changes(with_changes(BASE, VARIANTS[variant]), {"training": {"epochs": epochs, "seed": seed}})
    dataset = load_dataset("binarized-mnist", data_dir=data_dir)
    split = dataset.split
    assert split is not None
    spec = describe_dataset(dataset, split.train)
    config = resolve(RunConfig.from_dict(sections), spec)
    tested = np.random.default_rng(0).permutation(split.test)[:num_images]
    train, validation, test = (examples_of(dataset, rows, spec) for rows in (split.train, split.validation, tested))
    objective = build_objective(config, Schedule.plan(config.training, len(train)).steps_per_epoch, len(train))
    model = build_model(config, spec, jax.random.key(seed), examples=dataset.examples[split.train[:1000]])
    trainer = Trainer(model, train, validation, objective, config.training)
    start = time.perf_counter()
    progress = trainer.run(
        trainer.start(), on_record=lambda record, _: print(f"{variant}: {record}", file=sys.stderr, flush=True)
    )
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    scores = evaluate(trainer.model_of(progress), spec, test, num_samples=num_samples)
    return {
        **scores.to_json(),
        "variant": variant,
        "seed": seed,
        "epochs": epochs,
        "train_seconds": seconds,
        "evaluation_seconds": time.perf_counter() - start,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Means over the seeds as a Markdown table, in the order of `VARIANTS`; in brackets the standard deviation over seeds."""
    lines = [
        "| variant | epochs | seeds | ELBO, nats | evidence, nats | standard error over images | KL, nats | active units |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    groups: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in results:
        groups.setdefault((list(VARIANTS).index(row["variant"]), row["epochs"]), []).append(row)
    for (number, epochs), rows in sorted(groups.items()):

        def mean(name: str, rows: list[dict[str, Any]] = rows) -> float:
            return statistics.fmean(row[name] for row in rows)

        def with_spread(name: str, rows: list[dict[str, Any]] = rows) -> str:
            values = [row[name] for row in rows]
            spread = f" ({statistics.stdev(values):.2f})" if len(values) > 1 else ""
            return f"{statistics.fmean(values):.2f}{spread}"

        lines.append(
            f"| {list(VARIANTS)[number]} | {epochs} | {len(rows)} "
            f"| {with_spread('elbo_nats')} | {with_spread('log_evidence_nats')} "
            f"| {mean('standard_error'):.2f} | {mean('kl_nats'):.1f} | {mean('active_units'):.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), help="all of them by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--images", type=int, default=2000, help="test images that are scored")
    parser.add_argument("--data-dir")
    parser.add_argument("--json", type=Path, default=Path("mnist_variants.json"))
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        (variant,), (seed,) = options.variants, options.seeds
        print(json.dumps(run_one(variant, seed, options.epochs, options.samples, options.images, options.data_dir)))
        return
    results: list[dict[str, Any]] = json.loads(options.json.read_text()) if options.json.exists() else []
    done = {(row["variant"], row["seed"], row["epochs"], row["num_samples"], row["num_examples"]) for row in results}
    lock = threading.Lock()

    def run(variant: str, seed: int) -> None:
        command = [sys.executable, __file__, variant, "--seeds", str(seed), "--in-process"]
        command += ["--epochs", str(options.epochs), "--samples", str(options.samples)]
        command += ["--images", str(options.images)]
        command += ["--data-dir", options.data_dir] if options.data_dir else []
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        with lock:
            results.append(json.loads(output.strip().splitlines()[-1]))
            options.json.write_text(json.dumps(results, indent=1) + "\n")

    wanted = [(variant, seed) for seed in options.seeds for variant in options.variants]
    wanted = [(v, s) for v, s in wanted if (v, s, options.epochs, options.samples, options.images) not in done]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in [pool.submit(run, *pair) for pair in wanted]:
            future.result()
    print(table(results))


if __name__ == "__main__":
    main()
