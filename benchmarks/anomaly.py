"""Anomalies by one class: each score of `VAEOutlierDetector` beside scikit-learn's and PyOD's detectors.

    python benchmarks/anomaly.py --data-dir DIR [--seeds 0,1,2,3,4] [--sets wine,WBC] [--json FILE] [--show]
    python benchmarks/anomaly.py --own --json FILE

DIR holds `adbench_classical`, twelve sets of ADBench; with --own the sets are some that scikit-learn has. Of each set half of the
normal rows are trained on; the other half and all anomalies are the test. Columns are standardised by the training rows. Each
finished set and seed is written to FILE at once, and the same command goes on where it was. PyOD's detectors take part where PyOD
is installed.

The detector's settings were looked at with the sets of `LOOKED_AT`, every second by name; the others confirm them, and so do the
sets of --own.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from lowerbound import VAEOutlierDetector
from lowerbound.errors import DataWarning
from lowerbound.evaluation import SCORES, flags_allowed, p_values, rows_needed

LOOKED_AT = ("annthyroid", "cardio", "letter", "Pima", "thyroid", "WBC")
RATES = (0.01, 0.05, 0.1)
CHOSEN = "chosen"
# At their defaults: the VAE has 30 epochs.
PYOD = (("vae", "VAE", {"verbose": 0}), ("iforest", "IForest", {}), ("ecod", "ECOD", {}))


# Of sets that scikit-learn has, the class that is normal; all other classes are anomalies.
OWN = {
    "breast cancer": (load_breast_cancer, 1),
    "wine (1)": (load_wine, 1),
    "digits (3)": (load_digits, 3),
    "digits (8)": (load_digits, 8),
}
Sets = dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]]


def of_adbench(folder: Path) -> Sets:
    """The rows of each set, and 1 for anomalies; "6_cardio.npz" is "cardio". Small ones first."""

    def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
        file = np.load(path)
        return file["X"].astype(np.float64), file["y"]

    paths = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_size)
    return {path.stem.partition("_")[2]: functools.partial(read, path) for path in paths}


def own_sets() -> Sets:
    """The same of scikit-learn's sets."""

    def read(load: Any, normal: int) -> tuple[np.ndarray, np.ndarray]:
        X, y = load(return_X_y=True)
        return X, (y != normal).astype(int)

    return {name: functools.partial(read, *which) for name, which in OWN.items()}


def divided(X: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows, test rows, and which of these are anomalies, standardised by the training rows."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    train, test = normal[: len(normal) // 2], np.concatenate([normal[len(normal) // 2 :], np.flatnonzero(y == 1)])
    scaler = StandardScaler().fit(X[train])
    return np.asarray(scaler.transform(X[train])), np.asarray(scaler.transform(X[test])), y[test] == 1


def others(train: np.ndarray, test: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """The scores of other detectors, high for odd."""
    neighbours = NearestNeighbors(n_neighbors=5).fit(train).kneighbors(test)[0]
    yield "k-NN (5, mean distance)", neighbours.mean(axis=1)
    yield "k-NN (5, distance to the fifth)", neighbours[:, -1]
    # As many components as hold nine tenths of the variance; the score is what they leave.
    pca = PCA(0.9, svd_solver="full").fit(train)
    yield "PCA", np.square(test - pca.inverse_transform(pca.transform(test))).sum(axis=1)
    yield "IsolationForest", -IsolationForest(random_state=seed).fit(train).score_samples(test)
    yield "LOF (20)", -LocalOutlierFactor(n_neighbors=min(20, len(train) - 1), novelty=True).fit(train).score_samples(test)
    if importlib.util.find_spec("pyod") is not None:
        for module, name, options in PYOD:
            detector = getattr(importlib.import_module(f"pyod.models.{module}"), name)(**options)
            if "random_state" in detector.get_params():
                detector.set_params(random_state=seed)
            yield f"PyOD {name}", detector.fit(train).decision_function(test)


def measured(name: str, rows: tuple[np.ndarray, np.ndarray], seed: int) -> dict[str, Any]:
    """All figures of one set and seed."""
    train, test, is_odd = divided(*rows, seed)
    start = time.perf_counter()
    detector = VAEOutlierDetector(random_state=seed).fit(train)
    fit_seconds = time.perf_counter() - start
    scorer = detector.scorer_
    ours = scorer.all([vae.examples_of(test, may_be_odd=True) for vae in detector.vaes_])
    seconds = time.perf_counter() - start
    assert set(ours) == set(SCORES)
    scores = {**ours, CHOSEN: ours[scorer.score], **dict(others(train, test, seed))}
    p = p_values(detector.calibration_scores_, scores[CHOSEN])
    count = len(detector.calibration_scores_)
    return {
        "set": name,
        "seed": seed,
        "train": len(train),
        "calibration": count,
        "normal": int((~is_odd).sum()),
        "anomalies": int(is_odd.sum()),
        "score": scorer.score,
        "areas": scorer.areas,
        "fit_seconds": fit_seconds,
        "seconds": seconds,
        "roc": {name: float(roc_auc_score(is_odd, values)) for name, values in scores.items()},
        "precision": {name: float(average_precision_score(is_odd, values)) for name, values in scores.items()},
        # Of each rate that the calibration rows allow: how many normal rows of the test are flagged, and how many anomalies.
        "flagged": {
            f"{rate:g}": [int((p[~is_odd] <= rate).sum()), int((p[is_odd] <= rate).sum())]
            for rate in RATES
            if count >= rows_needed(rate)
        },
    }


def run(args: argparse.Namespace) -> None:
    """Fill the file, a set and a seed at a time."""
    rows: list[dict[str, Any]] = json.loads(args.json.read_text()) if args.json.exists() else []
    done = {(row["set"], row["seed"]) for row in rows}
    sets = own_sets() if args.own else of_adbench(args.data_dir / "adbench_classical")
    wanted = args.sets.split(",") if args.sets else list(sets)
    for seed in map(int, args.seeds.split(",")):
        for name, read in sets.items():
            if name not in wanted or (name, seed) in done:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DataWarning)
                row = measured(name, read(), seed)
            rows.append(row)
            args.json.write_text(json.dumps(rows, indent=1))
            shown = ", ".join(f"{name} {row['roc'][name]:.3f}" for name in (*SCORES, CHOSEN, "k-NN (5, mean distance)"))
            print(f"{row['set']}, seed {seed}: {shown} ({row['score']}), {row['seconds']:.0f} s", flush=True)


def show(path: Path) -> None:
    """Tables of all finished sets: means over seeds, then over sets."""
    rows = json.loads(path.read_text())
    sets = sorted({row["set"] for row in rows}, key=str.lower)
    names = list(rows[0]["roc"])
    seeds = len({row["seed"] for row in rows})

    def mean(values: Callable[[dict[str, Any]], float], among: list[str]) -> float:
        return float(np.mean([np.mean([values(row) for row in rows if row["set"] == each]) for each in among]))

    looked, rest = [each for each in sets if each in LOOKED_AT], [each for each in sets if each not in LOOKED_AT]
    print(f"{len(sets)} sets, {seeds} seeds, {len(rows)} fits, {np.mean([row['seconds'] for row in rows]):.0f} s each\n")
    print("| score | AUC-ROC | looked at | others | AUC-PR |\n| --- | ---: | ---: | ---: | ---: |")
    for name in names:
        figures = [mean(lambda row, name=name: row["roc"][name], among) if among else np.nan for among in (sets, looked, rest)]
        print(
            f"| {name} | {' | '.join(f'{f:.4f}' for f in figures)} | {mean(lambda row, n=name: row['precision'][n], sets):.4f} |"
        )
    print(f"\n| set | rows | {' | '.join(names)} | chosen, of {seeds} seeds |\n| --- | ---: |{' ---: |' * len(names)} --- |")
    for each in sets:
        own = [row for row in rows if row["set"] == each]
        chosen = [row["score"] for row in own]
        picks = ", ".join(f"{chosen.count(name)} {name}" for name in dict.fromkeys(chosen))
        cells = " | ".join(f"{np.mean([row['roc'][name] for row in own]):.3f}" for name in names)
        print(f"| {each} | {own[0]['train']} | {cells} | {picks} |")
    print("\n| rate | fits | normal rows | flagged | share | expected, at most | outside its 99 % band | anomalies flagged |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for rate in RATES:
        own = [row for row in rows if f"{rate:g}" in row["flagged"]]
        flagged, found = (np.array([row["flagged"][f"{rate:g}"][place] for row in own]) for place in (0, 1))
        normal, odd = (np.array([row[kind] for row in own]) for kind in ("normal", "anomalies"))
        allowed = np.array([flags_allowed(row["calibration"], rate) for row in own])
        size = np.array([row["calibration"] for row in own])
        law = scipy.stats.betabinom(normal, allowed, size + 1 - allowed)
        outside = (law.cdf(flagged) < 0.005) | (law.sf(flagged - 1) < 0.005)
        print(
            f"| {rate:g} | {len(own)} | {normal.sum():,} | {flagged.sum():,} | {np.mean(flagged / normal):.4f} | "
            f"{np.mean(allowed / (size + 1)):.4f} | {outside.sum()} | {np.mean(found / odd):.2f} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data-dir", type=Path)
    where.add_argument("--own", action="store_true", help="sets that scikit-learn has")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--sets", default="")
    parser.add_argument("--json", type=Path, default=Path("anomaly.json"))
    parser.add_argument("--show", action="store_true", help="only show what FILE holds")
    options = parser.parse_args()
    if not options.show:
        run(options)
    show(options.json)
