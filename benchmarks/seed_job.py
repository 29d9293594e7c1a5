"""The seed's job against its peers, side by side: how fast one training step is, and how near to what the machine can do.

    pip install -e '.[bench]'
    python benchmarks/seed_job.py [--data-dir DIR] [--rounds N] [--json FILE] [--only NAME]...

The job: the Gaussian VAE 560-200-200-20 on 1965 8-bit images of 28 x 20, batches of 100, one draw, Adam at 0.001. Every
contender has a process of its own; they take turns in rounds of 50 epochs, so that what else the machine does falls on all.
Whatever is not installed is named as left out. The arithmetic of a step is counted in `_job.multiplications_per_example`.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _job import (
    BATCH,
    EPOCHS_PER_ROUND,
    EVALUATED_EXAMPLES,
    IMPORTANCE_SAMPLES,
    flops_per_step,
    load_images,
    multiplications_per_example,
    product_flops_per_second,
    random_matrices,
)
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
OURS = "lowerbound"


class Entry(NamedTuple):
    """A contender: its name in the table, its file, its variant, and the distributions that it needs."""

    name: str
    module: str
    variant: str
    needs: tuple[str, ...]


ENTRIES = (
    Entry(OURS, "_contender_lowerbound", "", ("lowerbound", "jax")),
    Entry("Keras fit", "_contender_keras", "plain", ("keras", "tensorflow")),
    Entry("Keras fit, XLA, 19 steps an execution", "_contender_keras", "xla", ("keras", "tensorflow")),
    Entry("PyTorch", "_contender_torch", "plain", ("torch",)),
    Entry("PyTorch, fused Adam", "_contender_torch", "fused", ("torch",)),
    Entry("PyTorch, compiled, fused Adam", "_contender_torch", "compile", ("torch",)),
    Entry("pythae pipeline", "_contender_pythae", "", ("pythae", "torch")),
)


class Process:
    """A contender's process: a command in, an answer out, one line each."""

    def __init__(self, entry: Entry, images: Path, environment: dict[str, str], *flags: str) -> None:
        command = [sys.executable, str(HERE / "_contender.py"), entry.module, entry.variant, str(images), *flags]
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=os.environ | environment
        )
        self._answer()

    def ask(self, command: str) -> dict[str, Any]:
        """The answer to one command."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise RuntimeError(self.log.read()[-2000:])
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def start_up_seconds(entry: Entry, images: Path) -> tuple[float, float]:
    """From the start of a process to the end of its first epoch: with empty compile caches, and again with what that left."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
            "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",
            "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torch",
        }
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            Process(entry, images, environment, "--first-epoch").close()
            seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1]


def measure(entries: list[Entry], images: Path, rounds: int, console: Console) -> dict[str, dict[str, Any]]:
    """Everything that is measured, by contender."""
    found: dict[str, dict[str, Any]] = {}
    running: dict[str, Process] = {}
    for entry in entries:
        console.print(f"starting {entry.name}", style="dim")
        cold, warm = start_up_seconds(entry, images)
        found[entry.name] = {"start_up_cold_s": cold, "start_up_warm_s": warm, "step_ms": [], "product_gflops": []}
        running[entry.name] = Process(entry, images, {})
        running[entry.name].ask("prepare")
    for number in range(rounds):
        console.print(f"round {number + 1} of {rounds}", style="dim")
        for name, process in running.items():
            result = process.ask("round")
            found[name]["step_ms"].append(1000 * result["seconds"] / (result["examples"] / BATCH))
        for name, process in running.items():
            rate = process.ask("product")["rate"]
            if rate is not None:
                found[name]["product_gflops"].append(rate / 1e9)
    found[OURS]["products_alone_ms"] = 1000 * running[OURS].ask("products")["seconds"]
    for name, process in running.items():
        found[name]["loss"] = process.ask("loss")["loss"]
        result = process.ask(f"evaluate {EVALUATED_EXAMPLES}")
        found[name]["importance_samples_per_s"] = result["samples"] and result["samples"] / result["seconds"]
        found[name]["peak_mib"] = process.ask("memory")["peak_mib"]
        process.close()
    return found


def summarise(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Medians, minima, ratios, and shares of the limit."""
    first, second = random_matrices()
    numpy_rate = product_flops_per_second(lambda: first @ second) / 1e9
    by_library = {name: max(row["product_gflops"]) for name, row in found.items() if row["product_gflops"]}
    machine = max(numpy_rate, *by_library.values())
    for row in found.values():
        row["median_ms"], row["minimum_ms"] = statistics.median(row["step_ms"]), min(row["step_ms"])
    for name, row in found.items():
        for kind in ("median", "minimum"):
            row[f"{kind}_over_ours"] = row[f"{kind}_ms"] / found[OURS][f"{kind}_ms"]
            gflops = flops_per_step() / row[f"{kind}_ms"] / 1e6
            row[f"{kind}_share_of_machine"] = gflops / machine
            row[f"{kind}_share_of_library"] = gflops / by_library[name] if name in by_library else None
    peers = {name: row for name, row in found.items() if name != OURS}
    result: dict[str, Any] = {
        "multiply_adds_per_example": multiplications_per_example(),
        "mflop_per_step": flops_per_step() / 1e6,
        "product_gflops": {"numpy": numpy_rate, **by_library},
        "limit_ms": flops_per_step() / machine / 1e6,
        "contenders": found,
    }
    for kind in ("median", "minimum"):
        if peers:
            fastest = min(peers, key=lambda name: peers[name][f"{kind}_ms"])
            result[f"fastest_peer_by_{kind}"] = fastest
            result[f"{kind}_ratio_to_fastest_peer"] = found[OURS][f"{kind}_ms"] / peers[fastest][f"{kind}_ms"]
    return result


def show(result: dict[str, Any], skipped: dict[str, str], console: Console) -> None:
    """The table and the sentences under it."""
    table = Table(title=f"One step of {BATCH} examples, rounds of {EPOCHS_PER_ROUND} epochs")
    headings = ("", "ms, median", "ms, min", "x ours", "% of limit", "start-up s, cold / warm", "peak MiB", "-ELBO", "samples/s")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in result["contenders"].items():
        speed = row["importance_samples_per_s"]
        table.add_row(
            name,
            f"{row['median_ms']:.2f}",
            f"{row['minimum_ms']:.2f}",
            f"{row['median_over_ours']:.2f}",
            f"{100 * row['median_share_of_machine']:.0f}",
            f"{row['start_up_cold_s']:.1f} / {row['start_up_warm_s']:.1f}",
            f"{row['peak_mib']:.0f}",
            f"{row['loss']:.0f}",
            f"{speed:,.0f}" if speed else "-",
        )
    console.print(table)
    console.print(
        f"A step's matrix products are {result['mflop_per_step']:.1f} MFLOP = 2 x {BATCH} x "
        f"{result['multiply_adds_per_example']:,} (3 x the sum of fan_in x fan_out over the layers, less 560 x 200)."
    )
    rates = ", ".join(f"{name} {rate:.0f}" for name, rate in result["product_gflops"].items())
    console.print(
        f"A float32 product of side 2048, GFLOP/s: {rates}. At the fastest of these a step takes {result['limit_ms']:.2f} ms."
    )
    ours = result["contenders"][OURS]
    console.print(
        f"{OURS}: {100 * ours['median_share_of_library']:.0f} % of the rate of JAX's own product (median), "
        f"{100 * ours['minimum_share_of_library']:.0f} % (fastest round)."
    )
    alone = ours["products_alone_ms"]
    console.print(
        f"The step's matrix products by themselves, each in a loop of its own in JAX, add up to {alone:.2f} ms: "
        f"{100 * result['limit_ms'] / alone:.0f} % of the machine's limit is all that this JAX could reach."
    )
    for kind in ("median", "minimum"):
        if f"fastest_peer_by_{kind}" in result:
            ratio, peer = result[f"{kind}_ratio_to_fastest_peer"], result[f"fastest_peer_by_{kind}"]
            console.print(f"By the {kind}: {ratio:.2f} of the time of the fastest peer ({peer}).")
    console.print(
        "-ELBO: nats on [0, 1]-scaled pixels after the rounds, to show that all have trained. samples/s: importance samples of "
        f"the evidence, {IMPORTANCE_SAMPLES} for each of {EVALUATED_EXAMPLES} images; pythae's get_nll knows only unit variance."
    )
    for name, reason in skipped.items():
        console.print(f"left out: {name} ({reason})")


def main() -> None:
    """Measure, show, and write what is asked for."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="where the Frey faces are; without them the package's own faces serve")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender (default 7)")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="only contenders whose name contains NAME, beside ours"
    )
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)

    wanted = [
        e for e in ENTRIES if e.name == OURS or not arguments.only or any(o.lower() in e.name.lower() for o in arguments.only)
    ]
    skipped = {entry.name: "not asked for" for entry in ENTRIES if entry not in wanted}
    entries = []
    for entry in wanted:
        missing = [need for need in entry.needs if importlib.util.find_spec(need) is None]
        if missing:
            skipped[entry.name] = f"{', '.join(missing)} not installed; pip install -e '.[bench]'"
        else:
            entries.append(entry)
    images, data_name = load_images(arguments.data_dir)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, images)
        found = measure(entries, path, arguments.rounds, console)
    result = summarise(found)
    names = ("lowerbound", "jax", "jaxlib", "numpy", "torch", "tensorflow", "keras", "pythae")
    versions = {name: importlib.metadata.version(name) for name in names if importlib.util.find_spec(name)}
    result |= {
        "date": datetime.date.today().isoformat(),
        "data": data_name,
        "machine": f"{cpu_name()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "left_out": skipped,
    }
    console.print(f"{result['date']}, {result['machine']}, data: {data_name}")
    console.print(", ".join(f"{name} {version}" for name, version in {"Python": result["python"], **versions}.items()))
    show(result, skipped, console)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def cpu_name() -> str:
    """The processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor() or "unknown"
    )


if __name__ == "__main__":
    main()
