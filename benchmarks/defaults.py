"""What `lowerbound train DATA` reaches with no option, on sets and tables: evidence, minutes, what the doctor finds, odd pixels.

    python benchmarks/defaults.py [SET ...] [--seeds 0 1 2] [--set section.key=value] --json FILE

Each set runs through `lowerbound train`, `evaluate` and `doctor`. Of pictures 400 samples are drawn: the share of
their pixels that lie above all neighbours, or below all, by a quarter of the range stands beside the same share of the data
and of draws from p(x|z) at the codes of real pictures, which tells the likelihood's grains from those of codes that are wrong.
"Minutes" are the training command's by the clock, "busy" those that its threads had a processor: beside other work the clock's
are too many, and half of the busy ones is the least that two cores can take. What is in FILE already is not run again, so the
work can be done in parts. `--set` is for comparisons. `--split validation` scores the validation examples, by which settings may
be chosen.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn.datasets

ISOLATED = 0.25
NUM_DRAWS = 400


def _adbench(name: str) -> Callable[[Path], np.ndarray]:
    def load(data: Path) -> np.ndarray:
        file = next((data / "adbench_classical").glob(f"*_{name}.npz"))
        with np.load(file) as arrays:
            return arrays["X"]

    return load


def _olivetti(data: Path) -> np.ndarray:
    import scipy.io

    return scipy.io.loadmat(data / "olivetti_faces" / "olivettifaces.mat")["faces"].T.reshape(-1, 64, 64).transpose(0, 2, 1)


def _silhouettes(data: Path) -> np.ndarray:
    import scipy.io

    file = scipy.io.loadmat(data / "caltech101_silhouettes" / "caltech101_silhouettes_28_split1.mat")
    rows = np.concatenate([file[f"{part}_data"] for part in ("train", "val", "test")])
    return (1 - rows.reshape(-1, 28, 28).transpose(0, 2, 1)).astype(np.uint8)


def _colours(data: Path) -> np.ndarray:
    with np.load(data / "cifar10" / "cifar10_lossless_first4000.npz") as arrays:
        return next(value for value in (arrays[name] for name in arrays.files) if value.ndim == 4)


def _cells(data: Path) -> np.ndarray:
    import h5py

    with h5py.File(data / "single_cell" / "smfish.h5ad") as file:
        return np.asarray(file["X"])


def _concrete(data: Path) -> np.ndarray:
    with np.load(data / "uci_regression" / "concrete.npz") as arrays:
        return arrays["data"]


def _wine(data: Path) -> np.ndarray:
    return np.loadtxt(data / "hivae_uci" / "Wine" / "data.csv", delimiter=",")


# A named set as it is known to the command line, or a function of the data directory that gives an array.
SETS: dict[str, str | Callable[[Path], np.ndarray]] = {
    "faces": "faces",
    "digits": "digits",
    "frey-faces": "frey-faces",
    "mnist": "mnist",
    "binarized-mnist": "binarized-mnist",
    "silhouettes": _silhouettes,
    "olivetti": _olivetti,
    "colours": _colours,
    "colour-folder": _colours,
    "20newsgroups": "20newsgroups",
    "cells": _cells,
    "concrete": _concrete,
    "wine": _wine,
    "letter": _adbench("letter"),
    "pendigits": _adbench("pendigits"),
    "cardio": _adbench("cardio"),
    "satimage": _adbench("satimage-2"),
}


def _named(load: Callable[[Path], np.ndarray]) -> Callable[[Path], pd.DataFrame]:
    """The numbers of an array with names of columns, as a person would have them in a file."""
    return lambda data: pd.DataFrame(load(data)).add_prefix("column ")


def _of_scikit_learn(name: str) -> Callable[[Path], pd.DataFrame]:
    """One of scikit-learn's tables, with its labels as a column of texts where it has classes."""

    def load(data: Path) -> pd.DataFrame:
        found = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
        labels = {"target": found.target_names[found.target]} if "target_names" in found else {}
        return found.frame.assign(**labels)

    return load


def _adult(data: Path) -> pd.DataFrame:
    whole = pd.read_csv(data / "adult_raw" / "adult.csv", skipinitialspace=True, keep_default_na=False)
    return whole.sample(2000, random_state=0)


# Small tables of columns, given as a CSV file with a header: each column has a kind and a law of its own.
TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {
    "concrete.csv": _named(_concrete),
    "cardio.csv": _named(_adbench("cardio")),
    "pima.csv": _named(_adbench("Pima")),
    "cancer.csv": _of_scikit_learn("breast_cancer"),
    "diabetes.csv": _of_scikit_learn("diabetes"),
    "cultivars.csv": _of_scikit_learn("wine"),
    "iris.csv": _of_scikit_learn("iris"),
    "adult-2000.csv": _adult,
}


def prepared(name: str, data: Path, folder: Path) -> str:
    """What `lowerbound train` is given for a set: its name, or a file or a folder that is made here."""
    if name in TABLES:
        TABLES[name](data).to_csv(folder / name, index=False)
        return str(folder / name)
    known = SETS[name]
    if isinstance(known, str):
        return known
    array = known(data)
    if name == "colour-folder":
        import PIL.Image

        (folder / name).mkdir()
        for index, picture in enumerate(array[:200]):
            PIL.Image.fromarray(picture).resize((64, 48)).save(folder / name / f"{index:03d}.png")
        return str(folder / name)
    np.save(folder / f"{name}.npy", array)
    return str(folder / f"{name}.npy")


def lowerbound(*arguments: str, may_fail: bool = False) -> Any:
    """What a command prints as JSON; the last event of `train`. None where it failed and `may_fail`."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "lowerbound", *arguments], capture_output=True, text=True)
    if done.returncode and may_fail:
        return None
    if done.returncode:
        raise SystemExit(f"lowerbound {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    text = done.stdout.strip()
    return json.loads(text if text.startswith("{\n") else text.splitlines()[-1]) if text else None


def isolated_share(pictures: np.ndarray) -> float:
    """The share of inner pixels that are above all eight neighbours, or below all, by a quarter of the range."""
    pictures = pictures.astype(np.float64)
    span = float(np.ptp(pictures)) or 1.0
    rows, columns = pictures.shape[1:3]
    centre = pictures[:, 1:-1, 1:-1]
    offsets = [(i, j) for i in (0, 1, 2) for j in (0, 1, 2) if (i, j) != (1, 1)]
    around = np.stack([pictures[:, i : rows - 2 + i, j : columns - 2 + j] for i, j in offsets])
    apart = (centre > around.max(axis=0) + ISOLATED * span) | (centre < around.min(axis=0) - ISOLATED * span)
    return float(apart.mean())


def _busy_seconds() -> float:
    """Processor seconds of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_one(name: str, seed: int, overrides: list[str], data: Path, split: str, samples: int) -> dict[str, Any]:
    """One set with one seed, from nothing to its figures."""
    with tempfile.TemporaryDirectory() as parent:
        folder, run = Path(parent), str(Path(parent) / "run")
        settings = [part for override in overrides for part in ("--set", override)]
        directory, start = ["--data-dir", str(data)], time.perf_counter()
        given = prepared(name, data, folder)
        busy = _busy_seconds()
        lowerbound("train", given, "--out", run, "--seed", str(seed), "--json", *settings, *directory)
        minutes, busy = (time.perf_counter() - start) / 60, (_busy_seconds() - busy) / 60
        scores = lowerbound("evaluate", run, "--samples", str(samples), "--split", split, "--json", *directory)
        doctor = lowerbound("doctor", run, "--json", *directory)
        info = lowerbound("info", run, "--json")
        elements = int(np.prod(info["data"]["event_shape"]))
        row: dict[str, Any] = {"set": name, "seed": seed, "overrides": overrides, "split": split, "samples": samples}
        row |= {"minutes": minutes, "busy_minutes": busy}
        row["likelihood"], row["epochs"] = info["config"]["likelihood"]["name"], info["epochs_done"]
        for key in ("elbo_nats", "log_evidence_nats", "standard_error", "bits_per_dim", "kl_nats", "active_units"):
            row[key] = scores[key]
        # Not finite where a test example is so far out that the model has no number for it.
        for key in ("log_evidence_nats", "kl_nats"):
            row[key] = float("nan") if row[key] is None else row[key]
        row["evidence_a_number"] = row["log_evidence_nats"] / elements
        row["findings"] = [
            f"{finding['severity']}: {finding['check']}" for finding in doctor["findings"] if finding["severity"] != "note"
        ]
        if len(info["data"]["event_shape"]) > 1:
            lowerbound("sample", run, "-n", str(NUM_DRAWS), "--out", str(folder / "drawn.npy"))
            from lowerbound.data.datasets import load_dataset

            row["isolated"] = isolated_share(np.load(folder / "drawn.npy"))
            pictures = load_dataset(given, data_dir=data).examples[:NUM_DRAWS]
            row["isolated_of_data"] = isolated_share(pictures)
            row["isolated_at_codes"] = isolated_share(_drawn_at_codes(run, pictures))
    return row


def _drawn_at_codes(run: str, pictures: np.ndarray) -> np.ndarray:
    """A draw x ~ p(x|z) for each picture, at its own code E[z|x]: what the likelihood adds where z is right."""
    from lowerbound import VAE
    from lowerbound.evaluation import decode, posterior_means

    vae = VAE.load(run)
    model, spec = vae.model_, vae.spec_
    return spec.to_user(decode(model, posterior_means(model, spec.to_model(pictures)), draw=True))


def _minutes(row: dict[str, Any]) -> str:
    return f"{row['minutes']:.1f} ({row['busy_minutes']:.1f})" if "busy_minutes" in row else f"{row['minutes']:.1f}"


def table(rows: list[dict[str, Any]]) -> str:
    """One line a run."""
    columns = (
        *("set", "settings", "seed", "likelihood", "minutes (busy)", "evidence, nats", "a number", "bits/dim", "KL", "active"),
        "isolated: samples, at codes, data",
    )
    lines = [f"| {' | '.join(columns)} | findings |", "| --- | --- | ---: | --- |" + " ---: |" * 7 + " --- |"]
    for row in rows:
        bits = "" if row["bits_per_dim"] is None else f"{row['bits_per_dim']:.3f}"
        shares = [row[key] for key in ("isolated", "isolated_at_codes", "isolated_of_data") if key in row]
        isolated = ", ".join(f"{share:.2%}" for share in shares)
        cells = [
            *(row["set"], " ".join(row["overrides"]), row["seed"], row["likelihood"], _minutes(row)),
            *(f"{row['log_evidence_nats']:.2f}", f"{row['evidence_a_number']:.4f}", bits, f"{row['kl_nats']:.1f}"),
            *(row["active_units"], isolated, ", ".join(row["findings"]) or "none"),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def options_of(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options, with those that every benchmark of runs has: where the data are, and the file of rows that are done."""
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("LOWERBOUND_DATA"))
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    if options.data_dir is None:
        raise SystemExit("give --data-dir, or set LOWERBOUND_DATA")
    return options


def done_in(file: Path) -> list[dict[str, Any]]:
    """The rows of earlier runs of the benchmark."""
    return json.loads(file.read_text()) if file.exists() else []


def keep(rows: list[dict[str, Any]], file: Path) -> None:
    """Write all rows down, and show the last."""
    file.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join((*SETS, *TABLES))}; all by default")
    parser.add_argument("--samples", type=int, default=1000, help="importance samples of each example")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="section.key=value")
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    options = options_of(parser)
    rows = done_in(options.json)
    for name in options.sets or (*SETS, *TABLES):
        for seed in options.seeds:
            key = (name, seed, options.overrides, options.split)
            if any((row["set"], row["seed"], row["overrides"], row["split"]) == key for row in rows):
                continue
            rows.append(run_one(name, seed, options.overrides, options.data_dir, options.split, options.samples))
            keep(rows, options.json)
    print(table(rows))


if __name__ == "__main__":
    main()
