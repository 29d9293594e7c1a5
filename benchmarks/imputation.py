"""Holes in tables: how near what fills them is to the truth, and whether intervals hold, beside what is usually done.

    python benchmarks/imputation.py [--sets breast cancer concrete diabetes wine letter adult] [--rates 20 50]
        [--masks 1 2 3] [--methods ...] [--rows 10000] [--mechanism mcar] [--validate] [--set section.key=value]
        --data-dir DIR --json FILE

Wine, Breast and letter (DIR/hivae_uci) with their own masks, `MissingRATE_MASK` of `masks_packed.npz`; concrete
(DIR/uci_regression), scikit-learn's diabetes with its target, its breast cancer without ("cancer"), and Adult (DIR/adult_raw)
with cells missing completely at random by a rule: cell (i, j) is hidden where
`numpy.random.default_rng([MASK, RATE]).random((rows, columns)) < RATE / 100`. Of larger tables the first `--rows` rows after
the shuffle `default_rng(0).permutation`. With `--mechanism mar` cells are missing at random, but not completely: let s be the
first column that is no category and r_i in (0, 1) the rank of s in row i over n + 1, ties broken at random. Of the columns but s
every second one loses cell (i, j) with the probability 1 / (1 + exp(-a - 3 (2 r_i - 1))), a such that the mean is RATE / 100; s
and the other columns lose nothing. Every method sees the same table with holes, and fills that very table.

- real columns: the root mean square error over the column's standard deviation. Ordinal ones: the mean distance in ranks over
  their number. Categorical ones: the share that is wrong. Each is the mean over the columns of its sort.
- intervals of 90 % of real columns, and of those with few levels: the share of hidden cells inside, pooled, and the interval
  score (Gneiting and Raftery 2007) over the column's standard deviation, low is good.
With `--validate` these are of a tenth of the known cells, hidden besides (`default_rng([99, MASK])`), and the hidden cells of the
benchmark stay unseen: what settings are chosen by.

"mean" fills with means, medians and modes, and takes the column's own quantiles for intervals. "knn" is scikit-learn's
KNNImputer, five neighbours in standardised codes. "forests" is IterativeImputer with random forests (100 trees of a third of the
columns, three rounds, categories as codes, and rounded), its intervals those of its residuals on a tenth of the known cells,
hidden in a run of their own. "miceforest" is asked where it is installed. Figures lie in FILE, and the same command goes on where
it was.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

INTERVAL = 0.9
TAILS = ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2)
FOREST_ROUNDS, FOREST_TREES = 3, 100
# Columns of numbers with no more values have levels.
FEW_LEVELS = 20


class Table(NamedTuple):
    """`values` (n, columns): numbers, categories as codes from 0; `sorts`: "real", "ordinal" or "category" of each column."""

    values: np.ndarray
    sorts: tuple[str, ...]

    def frame(self, values: np.ndarray) -> pd.DataFrame:
        """As people have it, categories as texts."""
        columns: dict[str, Any] = {}
        for number, sort in enumerate(self.sorts):
            column = values[:, number]
            if sort == "category":
                columns[f"c{number}"] = pd.Series([None if np.isnan(v) else f"k{v:g}" for v in column], dtype="str")
            else:
                columns[f"c{number}"] = column
        return pd.DataFrame(columns)


class Filled(NamedTuple):
    """Values in place of all holes, and the ends of intervals; NaN where a method has none."""

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray


def _numbers(path: Path) -> np.ndarray:
    return np.genfromtxt(path, delimiter=",")


def load(name: str, directory: Path, most_rows: int) -> tuple[Table, np.ndarray]:
    """A table, and which rows of the files they are."""
    if name in ("diabetes", "cancer"):
        from sklearn.datasets import load_breast_cancer, load_diabetes

        found: Any = load_diabetes(scaled=False) if name == "diabetes" else load_breast_cancer()
        values = np.column_stack([found.data, found.target]) if name == "diabetes" else found.data
        return Table(values, ("real",) * values.shape[1]), np.arange(len(values))
    if name == "concrete":
        values = np.load(directory / "uci_regression" / "concrete.npz")["data"].astype(np.float64)
        return Table(values, ("real",) * values.shape[1]), np.arange(len(values))
    if name == "adult":
        frame = pd.read_csv(directory / "adult_raw" / "adult.csv", skipinitialspace=True, na_values="?")
        sorts = tuple("real" if pd.api.types.is_numeric_dtype(frame[column]) else "category" for column in frame)
        codes = [
            frame[column].astype("category").cat.codes.where(frame[column].notna(), np.nan)
            if sort == "category"
            else frame[column]
            for column, sort in zip(frame, sorts, strict=True)
        ]
        values = np.stack([np.asarray(column, np.float64) for column in codes], axis=1)
    else:
        folder = directory / "hivae_uci" / {"wine": "Wine", "breast": "Breast", "letter": "letter"}[name]
        values = _numbers(folder / "data.csv")
        with (folder / "data_types.csv").open() as file:
            kinds = [row["type"] for row in csv.DictReader(file)]
        sorts = tuple({"ordinal": "ordinal", "cat": "category"}.get(kind, "real") for kind in kinds)
        if (folder / "MissingTrue.csv").exists():
            for row, column in np.atleast_2d(_numbers(folder / "MissingTrue.csv")).astype(int) - 1:
                values[row, column] = np.nan
    rows = np.arange(len(values))
    if len(rows) > most_rows:
        rows = np.sort(np.random.default_rng(0).permutation(len(rows))[:most_rows])
    return Table(values[rows], sorts), rows


def mask_at_random(table: Table, rate: int, mask: int) -> np.ndarray:
    """(n, columns) which cells are hidden, by a rule that a column decides which is always seen."""
    rng = np.random.default_rng([mask, rate, 2])
    seen = next(number for number, sort in enumerate(table.sorts) if sort != "category")
    order = np.lexsort((rng.random(len(table.values)), table.values[:, seen]))
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1) / (len(order) + 1)
    slope = 3 * (2 * ranks - 1)
    start = np.asarray(brentq(lambda a: expit(a + slope).mean() - rate / 100, -20, 20), np.float64)
    hidden = rng.random(table.values.shape) < expit(start + slope)[:, None]
    others = [number for number in range(len(table.sorts)) if number != seen]
    hidden[:, [seen, *others[1::2]]] = False
    return hidden


def mask_of(name: str, directory: Path, rate: int, mask: int, rows: np.ndarray, num_columns: int) -> np.ndarray:
    """(n, columns) which cells are hidden completely at random."""
    folder = {"wine": "Wine", "breast": "Breast", "letter": "letter"}.get(name)
    if folder is None:
        return np.random.default_rng([mask, rate]).random((len(rows), num_columns)) < rate / 100
    packed = np.load(directory / "hivae_uci" / folder / "masks_packed.npz")
    shape = tuple(packed["shape"])
    return np.unpackbits(packed[f"Missing{rate}_{mask}"])[: shape[0] * shape[1]].reshape(shape).astype(bool)[rows]


def _simple(table: Table, holes: np.ndarray) -> np.ndarray:
    """Means of real columns, medians of ordinal ones, the most frequent category."""
    found = []
    for column, sort in zip(holes.T, table.sorts, strict=True):
        known = column[~np.isnan(column)]
        if sort == "real":
            found.append(known.mean())
        elif sort == "ordinal":
            found.append(np.median(known))
        else:
            values, counts = np.unique(known, return_counts=True)
            found.append(values[counts.argmax()])
    return np.asarray(found)


def _tidy(table: Table, values: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Codes and levels rounded, inside the range that was seen."""
    low, high = np.nanmin(holes, axis=0), np.nanmax(holes, axis=0)
    coded = np.asarray([sort != "real" for sort in table.sorts])
    return np.where(coded, np.clip(np.rint(values), low, high), values)


def by_mean(table: Table, holes: np.ndarray, seed: int, options: argparse.Namespace) -> Filled:
    """Each column by itself."""
    low, high = np.nanquantile(holes, TAILS, axis=0)
    shape = holes.shape
    return Filled(np.broadcast_to(_simple(table, holes), shape), np.broadcast_to(low, shape), np.broadcast_to(high, shape))


def by_neighbours(table: Table, holes: np.ndarray, seed: int, options: argparse.Namespace) -> Filled:
    """KNNImputer on standardised codes."""
    from sklearn.impute import KNNImputer

    centre, scale = np.nanmean(holes, axis=0), np.nanstd(holes, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    values = KNNImputer(n_neighbors=5).fit_transform((holes - centre) / scale) * scale + centre
    nothing = np.full(holes.shape, np.nan)
    return Filled(_tidy(table, values, holes), nothing, nothing)


def _forests(holes: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    forest = RandomForestRegressor(FOREST_TREES, max_features=1 / 3, n_jobs=1, random_state=seed)
    with warnings.catch_warnings():
        # That so few rounds have not converged is known.
        warnings.simplefilter("ignore")
        return np.asarray(IterativeImputer(forest, max_iter=FOREST_ROUNDS, random_state=seed).fit_transform(holes))


def by_forests(table: Table, holes: np.ndarray, seed: int, options: argparse.Namespace) -> Filled:
    """IterativeImputer with forests, and the quantiles of its residuals on known cells."""
    values = _forests(holes, seed)
    hidden = (np.random.default_rng([seed, 7]).random(holes.shape) < 0.1) & ~np.isnan(holes)
    again = _forests(np.where(hidden, np.nan, holes), seed)
    low, high = np.empty(holes.shape), np.empty(holes.shape)
    for number in range(holes.shape[1]):
        residuals = (holes - again)[hidden[:, number], number]
        ends = np.quantile(residuals, TAILS) if len(residuals) else (np.nan, np.nan)
        low[:, number], high[:, number] = values[:, number] + ends[0], values[:, number] + ends[1]
    return Filled(_tidy(table, values, holes), low, high)


def by_miceforest(table: Table, holes: np.ndarray, seed: int, options: argparse.Namespace) -> Filled | None:
    """miceforest's mean over five data sets, and most frequent category; None where it is not installed."""
    try:
        import miceforest  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    frame = pd.DataFrame(holes, columns=[f"c{number}" for number in range(holes.shape[1])])
    for number, sort in enumerate(table.sorts):
        if sort == "category":
            frame[f"c{number}"] = frame[f"c{number}"].astype("category")
    kernel = miceforest.ImputationKernel(frame, num_datasets=5, random_state=seed)
    kernel.mice(5)
    drawn = np.stack([kernel.complete_data(number).astype(np.float64).to_numpy() for number in range(5)])
    values = drawn.mean(axis=0)
    for number, sort in enumerate(table.sorts):
        if sort == "category":
            values[:, number] = [np.bincount(column.astype(int)).argmax() for column in drawn[:, :, number].T]
    nothing = np.full(holes.shape, np.nan)
    return Filled(_tidy(table, values, holes), nothing, nothing)


def by_lowerbound(table: Table, holes: np.ndarray, seed: int, options: argparse.Namespace) -> Filled:
    """The estimator as it is, fitted to the table with holes, of which a tenth of the rows measures intervals."""
    from lowerbound import VAE
    from lowerbound.estimator.parameters import PARAMETERS

    names = {place: name for name, place in PARAMETERS.items()}
    settings: dict[str, dict[str, Any]] = {}
    parameters: dict[str, Any] = {}
    for text in options.set:
        place, value = text.split("=", 1)
        section, key = place.split(".", 1)
        if (section, key) in names:
            parameters[names[section, key]] = json.loads(value)
        else:
            settings.setdefault(section, {})[key] = json.loads(value)
    frame = table.frame(holes)
    kinds = {f"c{number}": "categorical" for number, sort in enumerate(table.sorts) if sort == "category"}
    kinds |= {f"c{number}": "ordinal" for number, sort in enumerate(table.sorts) if sort == "ordinal"}
    vae = VAE(schema=kinds or None, config=settings or None, random_state=seed, **parameters).fit(frame)
    found = vae.impute(frame, interval=INTERVAL)
    values, low, high = np.empty(holes.shape), np.full(holes.shape, np.nan), np.full(holes.shape, np.nan)
    for number, sort in enumerate(table.sorts):
        column = found.values[f"c{number}"]
        values[:, number] = [float(text[1:]) for text in column] if sort == "category" else np.asarray(column, np.float64)
        if f"c{number}" in found.low.columns:
            low[:, number], high[:, number] = (np.asarray(ends[f"c{number}"], np.float64) for ends in (found.low, found.high))
    return Filled(values, low, high)


METHODS: dict[str, Callable[[Table, np.ndarray, int, argparse.Namespace], Filled | None]] = {
    "mean": by_mean,
    "knn": by_neighbours,
    "forests": by_forests,
    "miceforest": by_miceforest,
    "lowerbound": by_lowerbound,
}


def figures(table: Table, hidden: np.ndarray, found: Filled) -> dict[str, float]:
    """What `figures` are is said at the top."""
    errors: dict[str, list[float]] = {"real": [], "ordinal": [], "category": []}
    inside: dict[str, list[np.ndarray]] = {"real": [], "few levels": []}
    scores: dict[str, list[np.ndarray]] = {"real": [], "few levels": []}
    for number, sort in enumerate(table.sorts):
        rows = hidden[:, number]
        whole, truth, filled = table.values[:, number], table.values[rows, number], found.values[rows, number]
        known = whole[~np.isnan(whole)]
        if not rows.any():
            continue
        if sort == "category":
            errors[sort].append(float(np.mean(filled != truth)))
            continue
        if sort == "ordinal":
            errors[sort].append(float(np.mean(np.abs(filled - truth)) / len(np.unique(known))))
        else:
            errors[sort].append(float(np.sqrt(np.mean((filled - truth) ** 2)) / known.std()))
        low, high = found.low[rows, number], found.high[rows, number]
        if np.isnan(low).any():
            continue
        group = "few levels" if len(np.unique(known)) <= FEW_LEVELS or np.mean(known == np.median(known)) > 0.2 else "real"
        inside[group].append((low <= truth) & (truth <= high))
        beyond = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
        scores[group].append((high - low + 2 / (1 - INTERVAL) * beyond) / known.std())
    answers = {f"{sort} error": float(np.mean(each)) for sort, each in errors.items() if each}
    for group, each in inside.items():
        if each:
            answers[f"{group}: inside"] = float(np.concatenate(each).mean())
            answers[f"{group}: cells"] = float(len(np.concatenate(each)))
            answers[f"{group}: interval score"] = float(np.concatenate(scores[group]).mean())
    return answers


def measure(options: argparse.Namespace) -> None:
    """Fill the file, a figure at a time."""
    done: list[dict[str, Any]] = json.loads(options.json.read_text()) if options.json.exists() else []
    mechanism = f"{options.mechanism}, validation" if options.validate else options.mechanism
    for name in options.sets:
        table, rows = load(name, options.data_dir, options.rows)
        for rate in options.rates:
            for mask in options.masks:
                if options.mechanism == "mar":
                    hidden = mask_at_random(table, rate, mask)
                else:
                    hidden = mask_of(name, options.data_dir, rate, mask, rows, len(table.sorts))
                hidden &= ~np.isnan(table.values)
                known, holes = table, np.where(hidden, np.nan, table.values)
                if options.validate:
                    known = Table(holes, table.sorts)
                    hidden = (np.random.default_rng([99, mask]).random(holes.shape) < 0.1) & ~np.isnan(holes)
                    holes = np.where(hidden, np.nan, holes)
                for method in options.methods:
                    place = {"set": name, "rate": rate, "mask": mask, "method": method, "mechanism": mechanism}
                    place["settings"] = options.set if method == "lowerbound" else []
                    if any(all(each.get(key, "mcar") == value for key, value in place.items()) for each in done):
                        continue
                    start = time.perf_counter()
                    found = METHODS[method](known, holes, mask, options)
                    if found is None:
                        print(f"{method} is not installed", flush=True)
                        continue
                    seconds = time.perf_counter() - start
                    done.append({**place, "rows": len(rows), "seconds": seconds, **figures(known, hidden, found)})
                    options.json.write_text(json.dumps(done, indent=1))
                    print(f"{name} {rate} % mask {mask}: {method}: {seconds:.0f} s", flush=True)


def show(path: Path) -> None:
    """The table of means over the masks."""
    done = pd.DataFrame(json.loads(path.read_text()))
    done["settings"] = done["settings"].map(" ".join)
    done["mechanism"] = done["mechanism"].fillna("mcar") if "mechanism" in done else "mcar"
    keys = ["set", "rate", "mechanism", "method", "settings"]
    numbers = [column for column in done if column.endswith(("error", "inside", "score")) or column == "seconds"]
    means: Any = done.groupby(keys, sort=False)[numbers].mean()
    means.insert(0, "masks", done.groupby(keys, sort=False).size())
    print("| " + " | ".join([*keys, *means.columns]) + " |\n|" + " --- |" * (len(keys) + len(means.columns)))
    for key, row in means.iterrows():
        cells = ["" if np.isnan(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.0f}" for value in row[1:]]
        print("| " + " | ".join([*map(str, key), f"{row.iloc[0]:.0f}", *cells]) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["breast", "cancer", "concrete", "diabetes", "wine", "letter", "adult"])
    parser.add_argument("--rates", nargs="+", type=int, default=[20, 50])
    parser.add_argument("--masks", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--rows", type=int, default=10_000, help="of larger tables")
    parser.add_argument("--mechanism", default="mcar", choices=["mcar", "mar"])
    parser.add_argument("--validate", action="store_true", help="judge by known cells that are hidden besides")
    parser.add_argument("--set", action="append", default=[], help="of the estimator's configuration; the value is JSON")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, default=Path("imputation.json"))
    chosen = parser.parse_args()
    measure(chosen)
    show(chosen.json)
