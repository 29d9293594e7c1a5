"""What recipes reach as they come: trained to their end, then scored on the test split.

    python benchmarks/recipe_results.py RECIPE [RECIPE ...] [--seeds 0 1 2] [--factors] [--set section.key=value] --json FILE

Each recipe runs through `lowerbound train` and `lowerbound evaluate --samples 1000`, its seed for the split's shuffle as well;
`--factors` adds `lowerbound latents`, for sets whose factors are known. A row is a mean over seeds; in brackets the standard
deviation over seeds. What is in FILE already is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FACTOR_SCORES = (
    "mig",
    "sap",
    "modularity",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "factor_vae",
    "beta_vae",
)
NOT_NUMBERS = "-"


def command_line(*arguments: str) -> dict[str, Any]:
    """The object that a command prints last."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "lowerbound", *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"lowerbound {' '.join(arguments)} ended with {done.returncode}")
    text = done.stdout.strip()
    # `train` prints an event a line, the others one object over many lines.
    return json.loads(text if text.startswith("{\n") else text.splitlines()[-1])


def label(name: str, overrides: list[str]) -> str:
    """A recipe's name in the table, with what is not as it comes."""
    return " ".join([name, *overrides])


def run_one(name: str, seed: int, overrides: list[str], data_dir: list[str], factors: bool) -> dict[str, Any]:
    """One recipe with one seed, from nothing to its scores."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as parent:
        run = str(Path(parent) / "run")
        settings = ["--seed", str(seed)]
        for override in (f"data.split_seed={seed}", *overrides):
            settings += ["--set", override]
        trained = command_line("train", "--recipe", name, *settings, "--out", run, "--json", *data_dir)
        row: dict[str, Any] = {"recipe": label(name, overrides), "seed": seed, "minutes": (time.perf_counter() - start) / 60}
        has_density = trained.get("elbo_nats") is not None
        scores = command_line("evaluate", run, "--samples", "1000", "--json", *data_dir) if has_density else {}
        for key in (
            "elbo_nats",
            "log_evidence_nats",
            "standard_error",
            "bits_per_dim",
            "kl_nats",
            "active_units",
            "unit_scale_elbo_nats",
        ):
            row[key] = scores.get(key)
        if factors:
            found = command_line("latents", run, "--json", *data_dir)
            row.update({key: found["scores"][key] for key in FACTOR_SCORES})
    return row


def table(rows: list[dict[str, Any]], factors: bool) -> str:
    """One line a recipe, over its seeds."""
    columns = ["minutes", "elbo_nats", "log_evidence_nats", "standard_error", "kl_nats", "active_units", "bits_per_dim"]
    columns = [*columns[1:2], *columns[4:6], *FACTOR_SCORES] if factors else columns
    lines = [f"| recipe | seeds | {' | '.join(columns)} |", "| --- | ---: " + "| ---: " * len(columns) + "|"]
    for name in dict.fromkeys(row["recipe"] for row in rows):
        own = [row for row in rows if row["recipe"] == name]
        cells = []
        for column in columns:
            values = [row[column] for row in own if row.get(column) is not None]
            digits = 2 if column.endswith("nats") or column == "standard_error" else 1 if column == "minutes" else 3
            spread = f" ({statistics.stdev(values):.{digits}f})" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.{digits}f}{spread}" if values else NOT_NUMBERS)
        lines.append(f"| {name} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--factors", action="store_true", help="the supervised scores of the latents as well")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="section.key=value", help="for all of them"
    )
    parser.add_argument("--data-dir", default=os.environ.get("LOWERBOUND_DATA"))
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    data_dir = ["--data-dir", options.data_dir] if options.data_dir else []
    rows = json.loads(options.json.read_text()) if options.json.exists() else []
    for name in options.recipes:
        for seed in options.seeds:
            if any(row["recipe"] == label(name, options.overrides) and row["seed"] == seed for row in rows):
                continue
            rows.append(run_one(name, seed, options.overrides, data_dir, options.factors))
            options.json.write_text(json.dumps(rows, indent=1) + "\n")
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    asked = [label(name, options.overrides) for name in options.recipes]
    print(table([row for row in rows if row["recipe"] in asked], options.factors))


if __name__ == "__main__":
    main()
