"""Synthetic rows of a table: how near they are to real rows, and what can be learnt from them, beside floors and a ceiling.

    python benchmarks/synthetic.py adult.csv --target income --folder FOLDER [--seeds 0 1 2] [--set section.key=value]
        [--tvae PYTHON]

For each seed `lowerbound train` on 80 % of the rows, then `lowerbound fidelity` with as many new rows as there are of training,
and once more the two-sample test against all rows of training, as most publications have it. With --tvae SDV's TVAE (300 epochs,
its default) learns the same rows and is asked the same; PYTHON is the interpreter of an environment that has the package `sdv`.
Runs and figures lie in FOLDER, and the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from _peers import ask
from defaults import lowerbound

FIGURES = {
    "two_sample": "two-sample test",
    "shapes": "column shapes",
    "trends": "pair trends",
    "information": "information",
    "downstream": "downstream",
    "distance": "nearest row",
}
NUMBER = 26_049


def rows_of(run: Path, data_dir: str | None) -> tuple[np.ndarray, np.ndarray, Any]:
    """The run's training and test rows, encoded, and what it opened."""
    from lowerbound.cli.opening import open_run

    opened = open_run(run)
    examples = np.asarray(opened.dataset(None if data_dir is None else Path(data_dir)).examples)
    return examples[opened.part("train")], examples[opened.part("test")], opened


def against_training(run: Path, data_dir: str | None, count: int, seed: int) -> dict[str, float]:
    """The two-sample score of as many new rows as there are of training, beside the latter."""
    from lowerbound.evaluation.fidelity import boosted_two_sample
    from lowerbound.evaluation.table_rows import sample_rows

    training, _, opened = rows_of(run, data_dir)
    drawn = sample_rows(opened.model, opened.spec, min(count, len(training)), holes=True, seed=seed)
    found = boosted_two_sample(training, drawn, opened.spec.columns, seed=seed)
    return {"value": found.score, "standard_error": found.score_error, "num_rows": found.num_rows}


def by_tvae(run: Path, data_dir: str | None, target: str, python: Path, seed: int) -> dict[str, Any]:
    """What `fidelity` says of the rows of SDV's TVAE, fitted to the run's rows of training."""
    import pandas as pd

    from lowerbound.data.columns import RawTable
    from lowerbound.evaluation.fidelity import boosted_two_sample, fidelity

    training, held_out, opened = rows_of(run, data_dir)
    columns, folder = opened.spec.columns, run.parent / f"tvae-{seed}"
    folder.mkdir(exist_ok=True)
    decoded = {column.name: column.decode(training[:, place]) for place, column in enumerate(columns)}
    pd.DataFrame(decoded).to_csv(folder / "rows.csv", index=False)
    said = ask(python, "tvae", folder, seed)
    drawn = pd.read_csv(folder / "new.csv")
    cells = [
        np.asarray([None if pd.isna(cell) else str(cell) for cell in drawn[column.name]], object)
        if column.has_texts
        else np.asarray(drawn[column.name], np.float64)
        for column in columns
    ]
    table = RawTable("TVAE", tuple(column.name for column in columns), tuple(cells))
    encoded = np.stack([column.encode(table) for column in columns], axis=1)
    beside = boosted_two_sample(training, encoded, columns, seed=seed)
    score = {"value": beside.score, "standard_error": beside.score_error, "num_rows": beside.num_rows}
    return {
        **said,
        "against_training": score,
        **fidelity(training, held_out, encoded, columns, target=target, seed=seed).to_json(),
    }


def work(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each seed and method, each written down once it is known."""
    file = options.folder / "synthetic.json"
    options.folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    settings = [part for each in options.overrides for part in ("--set", each)]
    where = [] if options.data_dir is None else ["--data-dir", options.data_dir]

    def keep(row: dict[str, Any]) -> None:
        rows.append(row)
        file.write_text(json.dumps(rows, indent=1) + "\n")

    def is_done(method: str, seed: int) -> bool:
        return any((row["method"], row["seed"]) == (method, seed) for row in rows)

    name = " ".join(["lowerbound", *options.overrides])
    for seed in options.seeds:
        run = options.folder / f"seed-{seed}{''.join('-' + each.replace('=', '_') for each in options.overrides)}"
        if not is_done(name, seed):
            if not (run / "model").exists():
                begun = ["--resume", str(run)] if run.exists() else [str(options.data), "--out", str(run), *settings]
                own = [] if run.exists() else ["--seed", str(seed)]
                lowerbound("train", *begun, *own, "--no-report", "--json", *where)
            asked = ["-n", str(options.count), "--seed", str(seed), "--json", *where]
            found = lowerbound("fidelity", str(run), "--target", options.target, *asked)
            seconds = lowerbound("info", str(run), "--json")["seconds"]
            beside = against_training(run, options.data_dir, options.count, seed)
            keep({"method": name, "seed": seed, "seconds": seconds, "against_training": beside, **found})
        if options.tvae and not is_done("TVAE", seed):
            keep({"method": "TVAE", "seed": seed, **by_tvae(run, options.data_dir, options.target, options.tvae, seed)})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Means over seeds; in brackets the standard deviation over seeds, or the error of one."""
    by_method: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for row in rows:
        for candidate in row["candidates"]:
            name = row["method"] if candidate["name"] == "model" else candidate["name"]
            found = by_method.setdefault(name, [])
            # Floors and ceiling are the same for all methods of a seed.
            if all(other["seed"] != row["seed"] for _, other in found):
                found.append((candidate, row))
    print(f"\n| rows | seeds | {' | '.join(FIGURES.values())} | against rows of training | minutes |")
    print(f"| --- | ---: |{' ---: |' * (len(FIGURES) + 2)}")
    for name, found in by_method.items():
        own = found[0][0]["name"] == "model"
        cells = [_cell([candidate[figure] for candidate, _ in found]) for figure in FIGURES]
        beside = [row["against_training"] for _, row in found if own and "against_training" in row]
        minutes = f"{np.mean([row['seconds'] for _, row in found]) / 60:.0f}" if own else ""
        print(f"| {name} | {len(found)} | {' | '.join(cells)} | {_cell(beside) if beside else ''} | {minutes} |")


def _cell(figures: list[dict[str, float] | None]) -> str:
    known = [figure for figure in figures if figure is not None]
    values = [figure["value"] for figure in known]
    spread = np.std(values, ddof=1) if len(values) > 1 else known[0]["standard_error"]
    return f"{np.mean(values):.3f} ({spread:.3f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a table, for `lowerbound train`")
    parser.add_argument("--target", required=True, help="the column that is learnt from new rows")
    parser.add_argument("--folder", type=Path, default=Path("synthetic"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--count", type=int, default=NUMBER, help="new rows")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="section.key=value")
    parser.add_argument("--tvae", type=Path, metavar="PYTHON", help="an interpreter with the package sdv")
    parser.add_argument("--data-dir")
    chosen = parser.parse_args()
    show(work(chosen))
