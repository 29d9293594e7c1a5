"""Values that are missing because of what they are: how near what fills them is to the truth, with and without a law of the mask.

    nice -n 5 python benchmarks/missing_not_at_random.py [--sets concrete wine] [--methods ...] [--seeds 3] [--rows 1000]
        [--epochs 200] [--at-random] --data-dir DIR --json FILE

Concrete (DIR/uci_regression) and the numbers of Wine (DIR/hivae_uci), `--rows` rows drawn without replacement. In every second
column, the first among them, a cell is missing with the probability 1 / (1 + exp(-4 u)), u its own value in standard deviations
from the column's mean: about half of these cells, mostly the large ones (in Ipsen, Mattei and Frellsen 2021, section 4.1, all
those above the mean). The generator of rows and cells is `numpy.random.default_rng([seed, 4])`; every method sees the same table.

The figure is the root mean square error of the filled cells over the standard deviation of their column, the mean over the
columns with holes. "not-MIWAE" is `VAE(mask="self-masking", objective="iwae")`, "direction stated" the same, told that large
values tend to be missing; "MIWAE" has no law of the mask. All three have the same networks and seeds, and Gaussians with one
scale for all cells, which `VAE` chooses with such a law by itself; "scale from z" is not-MIWAE without that, a control that is
expected to fail. "not-MIWAE, defaults" is `VAE(mask="self-masking")` and nothing else. "iterative" is scikit-learn's
IterativeImputer, "mean" the mean of what is there. Figures lie in FILE, and the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

SLOPE = 4.0
ONE_SCALE = {"likelihood": {"scale": "shared"}}
# The mask of each model, and its other settings.
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "not-MIWAE": ("self-masking", ONE_SCALE),
    "not-MIWAE, direction stated": ("self-masking", {**ONE_SCALE, "mask": {"direction": "large"}}),
    "not-MIWAE, scale from z": ("self-masking", {"likelihood": {"scale": "from-z"}}),
    "MIWAE": ("at-random", ONE_SCALE),
}
DEFAULTS = "not-MIWAE, defaults"
METHODS = (*SETTINGS, DEFAULTS, "iterative", "mean")


def table(name: str, directory: Path) -> np.ndarray:
    """The numbers of a set, (n, columns)."""
    if name == "concrete":
        return np.load(directory / "uci_regression" / "concrete.npz")["data"].astype(np.float64)
    return np.genfromtxt(directory / "hivae_uci" / "Wine" / "data.csv", delimiter=",")[:, :11]


def with_holes(whole: np.ndarray, rows: int, seed: int, *, at_random: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Some rows, and which of their cells are missing."""
    rng = np.random.default_rng([seed, 4])
    x = whole[np.sort(rng.permutation(len(whole))[:rows])]
    missing = rng.random(x.shape) < expit(SLOPE * (x - x.mean(axis=0)) / x.std(axis=0))
    missing[:, 1::2] = False
    if at_random:
        missing = np.random.default_rng([seed, 5]).random(x.shape) < missing.mean(axis=0)
    return x, missing


def filled(method: str, holes: np.ndarray, seed: int, epochs: int) -> np.ndarray:
    """The table with its holes filled."""
    if method == "mean":
        return np.where(np.isnan(holes), np.nanmean(holes, axis=0), holes)
    if method == "iterative":
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # pyright: ignore
        from sklearn.impute import IterativeImputer

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return np.asarray(IterativeImputer(random_state=seed).fit_transform(holes))
    from lowerbound import VAE

    if method == DEFAULTS:
        return VAE(mask="self-masking", random_state=seed).fit(holes).impute(holes)
    mask, config = SETTINGS[method]
    return (
        VAE(
            latent_dim=5,
            likelihood="gaussian",
            objective="iwae",
            prior="standard-normal",
            mask=mask,
            hidden_widths=(64, 64),
            batch_size=100,
            epochs=epochs,
            config=config,
            random_state=seed,
        )
        .fit(holes)
        .impute(holes)
    )


def error_of(method: str, x: np.ndarray, missing: np.ndarray, seed: int, epochs: int) -> float:
    """In standard deviations of a column, the mean over the columns with holes."""
    values = filled(method, np.where(missing, np.nan, x), seed, epochs)
    squares = np.where(missing, np.square((values - x) / x.std(axis=0)), 0.0).sum(axis=0)[missing.any(axis=0)]
    return float(np.sqrt(squares / missing.sum(axis=0)[missing.any(axis=0)]).mean())


def measure(options: argparse.Namespace) -> None:
    """Fill the file, a fit at a time."""
    done: list[dict[str, Any]] = json.loads(options.json.read_text()) if options.json.exists() else []
    for seed in range(1, options.seeds + 1):
        for name in options.sets:
            x, missing = with_holes(table(name, options.data_dir), options.rows, seed, at_random=options.at_random)
            for method in options.methods:
                place = {"set": name, "method": method, "seed": seed, "rows": options.rows, "epochs": options.epochs}
                place["at random"] = options.at_random
                if any(all(each.get(key, False) == value for key, value in place.items()) for each in done):
                    continue
                start = time.perf_counter()
                error = error_of(method, x, missing, seed, options.epochs)
                done.append({**place, "error": error, "missing": float(missing.mean()), "seconds": time.perf_counter() - start})
                options.json.write_text(json.dumps(done, indent=1))
                print(f"{name}, seed {seed}, {method}: {error:.3f}", flush=True)


def show(path: Path) -> None:
    """Means over the seeds with their standard errors."""
    done = [
        each | {"set": each["set"] + (", at random" if each.get("at random") else "")} for each in json.loads(path.read_text())
    ]
    sets = list(dict.fromkeys(each["set"] for each in done))
    print("| method | " + " | ".join(sets) + " |\n|" + " --- |" * (len(sets) + 1))
    for method in METHODS:
        cells = []
        for name in sets:
            errors = np.asarray([each["error"] for each in done if each["set"] == name and each["method"] == method])
            spread = errors.std(ddof=1) / np.sqrt(len(errors)) if len(errors) > 1 else np.nan
            cells.append(f"{errors.mean():.3f} ± {spread:.3f} ({len(errors)})" if len(errors) else "")
        print(f"| {method} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["concrete", "wine"], choices=["concrete", "wine"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--at-random", action="store_true", help="cells are missing completely at random")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, default=Path("missing_not_at_random.json"))
    chosen = parser.parse_args()
    measure(chosen)
    show(chosen.json)
