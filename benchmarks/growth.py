"""How time and memory grow: with rows, columns, pixels, latents, samples and models trained together.

    python benchmarks/growth.py [rows|columns|pixels|latents|samples|members ...] --json FILE [--picture FILE.png]

Each point is a process of its own, so that its memory is its own; made-up data, one factor changed at a time. Time is that of the
processor, which other work on the machine changes little, without what comes before the second call of a program; training
computes in one thread here, so that none waits for another. Beside it the arithmetic that XLA counts in the same program. Slopes
are those of a straight line through the last three points, both axes logarithmic: 1 is proportional. Finished points are in FILE,
and the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import resource
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FACTORS: dict[str, tuple[str, tuple[int, ...]]] = {
    "rows": ("an epoch of training, 20 columns", (1_000, 10_000, 100_000, 1_000_000)),
    "columns": ("a step of training, batches of 100", (10, 100, 1_000, 10_000)),
    "pixels": ("a step of training, convolutions, batches of 50", (64, 256, 1_024, 4_096)),
    "latents": ("a step of training, 100 columns", (2, 16, 128, 1_024)),
    "samples": ("log p(x) of 200 rows of 20 columns", (10, 100, 1_000, 10_000)),
    "members": ("twenty epochs of so many models, 1,000 rows of 20 columns", (1, 4, 16, 64)),
}
# A point is measured for so many seconds of the processor at least, in calls of its program.
SECONDS = 2.0


def config_of(**sections: dict[str, Any]) -> Any:
    """A plain VAE of two hidden layers of 100."""
    from lowerbound.config import RunConfig

    plain: dict[str, dict[str, Any]] = {
        "model": {"latent_dim": 10},
        "likelihood": {"name": "gaussian"},
        "network": {"name": "mlp", "hidden_widths": [100, 100]},
        "training": {"epochs": 20, "batch_size": 100, "early_stopping_patience": 0, "validate_every": 20},
        "data": {"validation": 0},
    }
    for section, keys in sections.items():
        plain[section] = {**plain.get(section, {}), **keys}
    return RunConfig.from_dict(plain)


def trainer_of(data: np.ndarray, config: Any) -> Any:
    from lowerbound.data.dataset import Dataset
    from lowerbound.data.examples import in_form_of
    from lowerbound.runs.planning import plan
    from lowerbound.training import prepare

    dataset = Dataset("made up", data)
    split, spec, resolved, _ = plan(config, dataset, None)
    return prepare(resolved, spec, in_form_of(dataset, spec), split)


def per_call(call: Callable[[], Any]) -> float:
    """Seconds of the processor of one call, its program compiled."""
    call()
    begun, calls = time.process_time(), 0
    while not calls or time.process_time() - begun < SECONDS:
        call()
        calls += 1
    return (time.process_time() - begun) / calls


def training(data: np.ndarray, config: Any, is_epoch: bool) -> tuple[float, float]:
    """(processor seconds, operations) of an epoch, or of a step."""
    import equinox as eqx
    import jax

    from lowerbound.devices.mesh import place
    from lowerbound.training import program

    trainer = trainer_of(data, config)
    state = place(trainer.start().state, trainer.fixed.mesh)
    compiled = program.train_chunk("cpu", shares_cores=True)
    order = program.stream(trainer.fixed.numbers.key, program.PERMUTATION)
    schedule = trainer.schedule
    batches, step = trainer.feed.fetch(order, 0, schedule), 0

    def chunk() -> None:
        nonlocal state, step
        batches, step = trainer.feed.fetch(order, step, schedule), step + schedule.steps_per_chunk
        state, metrics = compiled((trainer.fixed, batches), state)
        jax.block_until_ready(metrics)

    batch = batches.data[: schedule.batch_size]
    one = eqx.filter_jit(lambda fixed, state, batch, key: program.train_step(fixed, state, batch, key)[0])
    counted = one.lower(trainer.fixed, state, batch, jax.random.key(0)).compile().compiled.cost_analysis() or {}
    operations = counted.get("flops", 0.0) + counted.get("transcendentals", 0.0)
    seconds = per_call(chunk) / schedule.steps_per_chunk
    return (seconds * schedule.steps_per_epoch, operations * schedule.steps_per_epoch) if is_epoch else (seconds, operations)


def point(factor: str, size: int) -> dict[str, Any]:
    """What one size costs."""
    import jax

    rng = np.random.default_rng(0)
    operations = float(size)
    if factor == "rows":
        seconds, operations = training(rng.normal(size=(size, 20)).astype(np.float32), config_of(), True)
    elif factor == "columns":
        seconds, operations = training(rng.normal(size=(1_000, size)).astype(np.float32), config_of(), False)
    elif factor == "pixels":
        side = round(size**0.5)
        data = rng.integers(0, 2, (200, side, side)).astype(np.uint8)
        config = config_of(likelihood={"name": "bernoulli"}, training={"batch_size": 50})
        config = type(config).from_dict({**config.to_dict(), "network": {"name": "conv"}})
        seconds, operations = training(data, config, False)
    elif factor == "latents":
        config = config_of(model={"latent_dim": size})
        seconds, operations = training(rng.normal(size=(1_000, 100)).astype(np.float32), config, False)
    elif factor == "samples":
        from lowerbound.evaluation import estimate_evidence

        trainer = trainer_of(rng.normal(size=(1_000, 20)).astype(np.float32), config_of())
        model, data = trainer.current_model(trainer.start()), rng.normal(size=(200, 20)).astype(np.float32)
        seconds = per_call(lambda: jax.block_until_ready(estimate_evidence(model, data, size).log_evidence))
    else:
        from lowerbound import VAE, EnsembleVAE

        data = rng.normal(size=(1_000, 20))
        vae = VAE(10, hidden_widths=(100, 100), epochs=20, automatic=False, early_stopping_patience=0)
        EnsembleVAE(vae, n_members=min(size, 2), random_state=10**6).fit(data)
        begun = time.process_time()
        EnsembleVAE(vae, n_members=size, random_state=0).fit(data)
        seconds = time.process_time() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"factor": factor, "size": size, "seconds": seconds, "operations": operations, "gib": memory}


def slope(sizes: list[float], values: list[float]) -> float:
    """Of a line through the last three points, both axes logarithmic."""
    return float(np.polyfit(np.log(sizes[-3:]), np.log(values[-3:]), 1)[0])


def report(rows: list[dict[str, Any]], picture: Path | None) -> None:
    """Print the slopes; draw them."""
    import jax

    print("\n| factor | what is timed | time | arithmetic | memory |\n| --- | --- | ---: | ---: | ---: |")
    for factor, (what, sizes) in FACTORS.items():
        own = sorted((row for row in rows if row["factor"] == factor), key=lambda row: row["size"])
        if len(own) < len(sizes):
            continue
        of = {name: slope([row["size"] for row in own], [row[name] for row in own]) for name in ("seconds", "operations", "gib")}
        mark = " (faster than its arithmetic)" if of["seconds"] > of["operations"] + 0.15 else ""
        print(f"| {factor} | {what} | {of['seconds']:.2f}{mark} | {of['operations']:.2f} | {of['gib']:.2f} |")
    print(f"\n{datetime.date.today()}, Python {platform.python_version()}, jax {jax.__version__}")
    if picture is not None:
        draw(rows, picture)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """A panel for each factor: time on the left axis, memory on the right."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from lowerbound.report.style import BLUE, MUTED, ORANGE, TITLE_SIZE, save_png, sheet

    with sheet(1120, 700) as figure:
        panels = figure.subplots(2, 3).reshape(-1)
        for panel, (factor, (what, _)) in zip(panels, FACTORS.items(), strict=True):
            own = sorted((row for row in rows if row["factor"] == factor), key=lambda row: row["size"])
            if not own:
                panel.set_visible(False)
                continue
            sizes = np.array([row["size"] for row in own], float)
            seconds = np.array([row["seconds"] for row in own])
            arithmetic = np.array([row["operations"] for row in own])
            panel.loglog(sizes, seconds, color=BLUE, marker="o", markersize=4.5, label="processor time")
            panel.loglog(
                sizes, arithmetic / arithmetic[-1] * seconds[-1], color=MUTED, linestyle="--", linewidth=1.2, label="arithmetic"
            )
            for axis in (panel.xaxis, panel.yaxis):
                axis.set_major_locator(LogLocator(10, numticks=6))
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
                axis.set_minor_formatter(NullFormatter())
            panel.set_title("\n".join(textwrap.wrap(f"{factor}: {what}", 34)))
            panel.set_xlabel(f"{factor} (log scale)")
            panel.set_ylabel("seconds (log scale)")
            right = panel.twinx()
            right.plot(sizes, [row["gib"] for row in own], color=ORANGE, marker="s", markersize=4, label="memory")
            right.set_ylim(0, max(2.0, 1.2 * max(row["gib"] for row in own)))
            right.set_ylabel("peak memory [GiB]")
            right.grid(False)
        lines = [*panels[0].get_lines(), right.get_lines()[0]]
        figure.legend(handles=lines, loc="outside lower center", ncols=3)
        title = "How processor time and memory grow (arithmetic: what XLA counts, drawn through the last point)"
        figure.suptitle(title, x=0.01, ha="left", fontsize=TITLE_SIZE, fontweight="bold")
        save_png(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("factors", nargs="*", default=list(FACTORS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--point", nargs=2, metavar=("FACTOR", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        print(json.dumps(point(options.point[0], int(options.point[1]))))
        return
    rows: list[dict[str, Any]] = []
    if options.json is not None and options.json.exists():
        rows = json.loads(options.json.read_text())
    for factor in options.factors:
        for size in FACTORS[factor][1]:
            if any(row["factor"] == factor and row["size"] == size for row in rows):
                continue
            command = [sys.executable, __file__, "--point", factor, str(size)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows.append(json.loads(answer.splitlines()[-1]))
            print(f"{factor} {size:,}: {rows[-1]['seconds']:.4g} s, {rows[-1]['gib']:.2f} GiB", flush=True)
            if options.json is not None:
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    report(rows, options.picture)


if __name__ == "__main__":
    main()
