"""Few labels: the error of Kingma's M1, M2 and both, over several draws of the labels, beside what needs no model.

    python benchmarks/semi_supervised.py [--labels 100] [--draws 5] [--methods m1,m1+m2,m2] [--epochs 25]
        [--labelled-weight 1] [--labelled-epochs 10] [--json FILE]

MNIST, its pixels drawn once as zeros and ones. Of the 50,000 training examples as many as `--labels` have their label, as many of
each class; errors are of the 10,000 test examples. One M1 serves all draws: it sees no label. Each finished figure is written to
FILE at once, and the same command goes on where it was. docs/results.md says how the settings were chosen.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from lowerbound import VAE, VAEClassifier
from lowerbound.data import load_dataset

PUBLISHED = {"m1": 11.82, "m2": 11.97, "m1+m2": 3.33}
STRONG = {"logistic regression": LogisticRegression(max_iter=5000), "1-nearest": KNeighborsClassifier(1), "svm": SVC(C=10.0)}


def first_model() -> VAE:
    """M1: it sees all examples, and no label."""
    return VAE(
        50, likelihood="bernoulli", prior="standard-normal", hidden_widths=(500, 500), epochs=25, dropout=0.0, random_state=0
    )


def second_model(method: str, epochs: int, labelled_weight: float, labelled_epochs: int) -> VAE:
    """M2, of pixels or of codes."""
    likelihood, latents = ("bernoulli", 50) if method == "m2" else ("gaussian", 10)
    return VAE(
        latents,
        model="semi-supervised",
        objective="semi-supervised",
        likelihood=likelihood,
        hidden_widths=(200,),
        epochs=epochs,
        batch_size=100,
        # A rate that stays high goes on moving examples from class to class; the averaged weights are kept.
        learning_rate=0.003,
        dropout=0.0,
        # Held-out codes would be means, and training sees draws: the last weights are kept, not those that are best on means.
        validation=0,
        config={
            "objective": {"labelled_weight": labelled_weight, "labelled_epochs": labelled_epochs},
            "training": {"learning_rate_schedule": "constant"},
        },
    )


def labelled(y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The rows that keep their label: as many of each class."""
    rng, classes = np.random.default_rng(seed), np.unique(y)
    return np.concatenate([rng.permutation(np.flatnonzero(y == each))[: count // len(classes)] for each in classes])


def errors_of(args: argparse.Namespace) -> None:
    """Fill the table, a figure at a time."""
    rows: list[dict[str, Any]] = json.loads(args.json.read_text()) if args.json.exists() else []
    dataset = load_dataset("mnist", data_dir=args.data_dir)
    split, y = dataset.split, dataset.labels
    assert split is not None
    assert y is not None
    drawn = np.random.default_rng(0).random(dataset.examples.shape, np.float32) < dataset.examples / 255
    X, X_test, y_test = drawn[split.train].astype(np.uint8), drawn[split.test].astype(np.uint8), y[split.test]
    saved = args.json.with_suffix(".m1")
    # M1 is the same for all draws of labels.
    m1 = VAE.load(saved) if saved.exists() else first_model().fit(X)
    if not saved.exists():
        m1.save(saved)
    codes, codes_test = m1.transform(X), m1.transform(X_test)

    def note(seed: int, method: str, found: np.ndarray, start: float) -> None:
        error = 100 * float(np.mean(found != y_test))
        rows.append({"labels": args.labels, "seed": seed, "method": method, "error": error, "seconds": time.time() - start})
        args.json.write_text(json.dumps(rows, indent=1))
        print(f"draw {seed}: {method}: {error:.2f} % wrong, {time.time() - start:.0f} s", flush=True)

    def is_done(seed: int, method: str) -> bool:
        return any((row["labels"], row["seed"], row["method"]) == (args.labels, seed, method) for row in rows)

    for seed in range(args.draws):
        own = labelled(y[split.train], args.labels, seed)
        given = np.full(len(X), -1)
        given[own] = y[split.train][own]
        for name, model in STRONG.items():
            for what, (train, test) in {"": (X, X_test), "m1, ": (codes, codes_test)}.items():
                if not is_done(seed, what + name):
                    flat, start = (each.reshape(len(each), -1) for each in (train[own], test)), time.time()
                    classifier: Any = clone(model)
                    fitted = classifier.fit(next(flat), given[own])
                    note(seed, what + name, fitted.predict(next(flat)), start)
        for method in args.methods.split(","):
            if method == "m1" or is_done(seed, method):
                continue
            start = time.time()
            m2 = second_model(method, args.epochs, args.labelled_weight, args.labelled_epochs).set_params(random_state=seed)
            if method == "m2":
                found = VAEClassifier("m2", m2=m2, random_state=seed).fit(X, given).predict(X_test)
            else:
                means, stds = m1.transform(X, return_std=True)
                found = m2.fit(means, condition=given, spread=stds).predict(codes_test)
            note(seed, method, found, start)


def show(path: Path, labels: int) -> None:
    """The table: means over the draws, and their standard error."""
    rows = [row for row in json.loads(path.read_text()) if row["labels"] == labels]
    print(f"\n| {labels} labels of MNIST | draws | error, % | published |\n| --- | ---: | ---: | ---: |")
    for method in dict.fromkeys(row["method"] for row in rows):
        errors = np.asarray([row["error"] for row in rows if row["method"] == method])
        spread = f" ± {errors.std(ddof=1) / len(errors) ** 0.5:.2f}" if len(errors) > 1 else ""
        print(f"| {method} | {len(errors)} | {errors.mean():.2f}{spread} | {PUBLISHED.get(method, '')} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=25, help="of M2")
    parser.add_argument("--labelled-weight", type=float, default=1.0, help="objective.labelled_weight; 0 is the paper's loss")
    parser.add_argument(
        "--labelled-epochs", type=int, default=10, help="in which that falls to a twentieth; 0 for a constant one"
    )
    parser.add_argument("--methods", default="m1,m1+m2,m2")
    parser.add_argument("--json", type=Path, default=Path("semi_supervised.json"))
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    errors_of(options)
    show(options.json, options.labels)
