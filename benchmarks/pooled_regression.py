"""Do intervals of regression coefficients hold after multiple imputation?

    nice -n 5 python benchmarks/pooled_regression.py [--sets wine concrete adult] [--repetitions 20] [--rows 500] [--copies 20]
        [--rate 20] [--epochs 150] [--samples 100] [--minutes 25] --data-dir DIR --json FILE

The rows of a table are taken for the population, whose coefficients are known. Each repetition draws `--rows` of them with
replacement, hides `--rate` percent of the cells completely at random (`numpy.random.default_rng([rate, repetition])`), and asks
for 95 % intervals of the coefficients of an ordinary least-squares regression, with HC3 variances (MacKinnon and White 1985):

- wine (DIR/hivae_uci/Wine): quality on volatile acidity, chlorides, sulphates and alcohol; all 13 columns are imputed from.
  Quality is 4 to 8, its two ends taken together with their neighbours, so that each sample has all levels.
- concrete (DIR/uci_regression): strength on cement, slag, water and age; all nine columns are imputed from.
- adult (DIR/adult_raw): hours-per-week on age, education-num, sex and income; imputed from these, workclass, marital-status and
  occupation.

"whole" sees the sample without holes, and must hold in 95 % of cases. "complete rows" drops rows with a hole in a column of the
regression; "mean" fills with means, of categories with the commonest. "iterative" pools as many draws of scikit-learn's
IterativeImputer(sample_posterior=True), of numbers alone (not for Adult). "pooled" is `multiple_imputations` of
`VAE(epochs=...)` and `pool_estimates`; "one model" pools as many draws of one model, and "single" takes the first copy for the
data. Shown are the share of coefficients that lie inside (over repetitions, the intercept left out), its standard error over the
repetitions, the exact 95 % interval of the share were all coefficients independent (Clopper and Pearson), and the mean width
beside that of "whole". Figures lie in FILE, and the same command goes on where it was; no repetition begins after `--minutes`
minutes of the processor's time. The samples of a set have one schema, so that one process compiles its programs once for all.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

_WINE = [
    *("fixed acidity", "volatile acidity", "citric acid", "residual sugar", "chlorides", "free sulfur dioxide"),
    *("total sulfur dioxide", "density", "pH", "sulphates", "alcohol", "quality", "colour"),
]
_ADULT = ["age", "workclass", "education-num", "marital-status", "occupation", "sex", "hours-per-week", "income"]
_CONCRETE = ["cement", "slag", "fly ash", "water", "superplasticizer", "coarse", "fine", "age", "strength"]
_ZEROS = ("slag", "fly ash", "superplasticizer")
# Stated, so that samples do not differ in it.
SCHEMAS: dict[str, dict[str, str] | None] = {
    "wine": {**dict.fromkeys(_WINE, "positive"), "citric acid": "real", "quality": "ordinal", "colour": "binary"},
    "concrete": {**dict.fromkeys(_CONCRETE, "positive"), **dict.fromkeys(_ZEROS, "zero-inflated")},
    "adult": None,
}
# What is explained, and by what; of a text, which value is 1.
REGRESSIONS: dict[str, tuple[str, dict[str, str | None]]] = {
    "wine": ("quality", dict.fromkeys(("volatile acidity", "chlorides", "sulphates", "alcohol"))),
    "concrete": ("strength", dict.fromkeys(("cement", "slag", "water", "age"))),
    "adult": ("hours-per-week", {"age": None, "education-num": None, "sex": "Male", "income": ">50K"}),
}
LEVEL = 0.95


def population(name: str, directory: Path) -> pd.DataFrame:
    """The complete rows of a table."""
    if name == "adult":
        file = directory / "adult_raw" / "adult.csv"
        return pd.read_csv(file, skipinitialspace=True, na_values="?", usecols=_ADULT).dropna()
    if name == "concrete":
        return pd.DataFrame(np.load(directory / "uci_regression" / "concrete.npz")["data"].astype(float), columns=_CONCRETE)
    wine = pd.DataFrame(np.genfromtxt(directory / "hivae_uci" / "Wine" / "data.csv", delimiter=","), columns=_WINE)
    return wine.assign(quality=wine["quality"].clip(4, 8))


def regression(name: str, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, int]:
    """Coefficients without the intercept, their HC3 variances, and the degrees of freedom."""
    target, terms = REGRESSIONS[name]
    columns = [table[term] if value is None else table[term] == value for term, value in terms.items()]
    x = np.stack([np.ones(len(table)), *(np.asarray(column, np.float64) for column in columns)], axis=1)
    y = np.asarray(table[target], np.float64)
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ (x.T @ y)
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
    scaled = x * ((y - x @ coefficients) / (1 - leverage))[:, None]
    covariance = inverse @ (scaled.T @ scaled) @ inverse
    return coefficients[1:], np.diag(covariance)[1:], len(y) - x.shape[1]


def intervals_of_one(name: str, table: pd.DataFrame) -> np.ndarray:
    """(2, k): the ends."""
    coefficients, variances, freedom = regression(name, table)
    half = scipy.stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(variances)
    return np.stack([coefficients - half, coefficients + half])


def pooled_intervals(name: str, copies: list[pd.DataFrame]) -> np.ndarray:
    from lowerbound.evaluation import pool_estimates

    fits = [regression(name, copy) for copy in copies]
    found = pool_estimates(
        [fit[0] for fit in fits], [fit[1] for fit in fits], complete_degrees_of_freedom=fits[0][2], interval=LEVEL
    )
    return np.stack([found.low, found.high])


def filled_by_others(name: str, holes: pd.DataFrame, copies: int, seed: int) -> dict[str, list[pd.DataFrame]]:
    """Copies filled by what is usually done."""
    found = {"mean": [holes.fillna({column: _usual(pd.Series(holes[column])) for column in holes})]}
    if name != "adult":
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # pyright: ignore
        from sklearn.impute import IterativeImputer

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            imputers = [IterativeImputer(sample_posterior=True, random_state=1000 * seed + copy) for copy in range(copies)]
            found["iterative"] = [pd.DataFrame(each.fit_transform(holes), columns=holes.columns) for each in imputers]
    return found


def _usual(column: pd.Series) -> Any:
    return column.mean() if pd.api.types.is_numeric_dtype(column) else column.mode()[0]


def repetition(name: str, whole: pd.DataFrame, number: int, options: argparse.Namespace) -> dict[str, np.ndarray]:
    """The intervals of every method on one sample with holes."""
    from lowerbound import VAE, multiple_imputations

    rng = np.random.default_rng([options.rate, number])
    sample = whole.iloc[rng.integers(len(whole), size=options.rows)].reset_index(drop=True)
    holes = sample.mask(rng.random(sample.shape) < options.rate / 100)
    target, terms = REGRESSIONS[name]
    vae = VAE(schema=SCHEMAS[name], epochs=options.epochs)
    copies = multiple_imputations(vae, holes, options.copies, num_samples=options.samples, random_state=number)
    # With weights of 1, and a draw at a time, the programs are those of the copies.
    one = vae.set_params(random_state=number).fit(holes, sample_weight=np.ones(len(holes)))
    seeds = range(options.copies)
    draws = [one.impute(holes, n_draws=1, num_samples=options.samples, random_state=seed)[0] for seed in seeds]
    others = filled_by_others(name, holes, options.copies, number)
    return {
        "whole": intervals_of_one(name, sample),
        "complete rows": intervals_of_one(name, sample[~holes[[target, *terms]].isna().any(axis=1)]),
        "mean": intervals_of_one(name, others["mean"][0]),
        **({"iterative": pooled_intervals(name, others["iterative"])} if "iterative" in others else {}),
        "single": intervals_of_one(name, copies[0]),
        "one model": pooled_intervals(name, draws),
        "pooled": pooled_intervals(name, copies),
    }


def measure(options: argparse.Namespace) -> None:
    """Fill the file, a repetition at a time."""
    done: list[dict[str, Any]] = json.loads(options.json.read_text()) if options.json.exists() else []
    for number in range(1, options.repetitions + 1):
        for name in options.sets:
            keys = ("rate", "rows", "copies", "epochs", "samples")
            place = {"set": name, "repetition": number, **{key: getattr(options, key) for key in keys}}
            if any(all(each[key] == value for key, value in place.items()) for each in done):
                continue
            if time.process_time() > 60 * options.minutes:
                return
            whole, start = population(name, options.data_dir), time.perf_counter()
            truth = regression(name, whole)[0]
            found = repetition(name, whole, number, options)
            seconds = time.perf_counter() - start
            ends = {method: each.tolist() for method, each in found.items()}
            done.append({**place, "seconds": seconds, "truth": truth.tolist(), "intervals": ends})
            options.json.write_text(json.dumps(done, indent=1))
            print(f"{name}, repetition {number}: {seconds:.0f} s", flush=True)


def show(path: Path) -> None:
    """The table of shares, their errors and the widths."""
    print("| set | method | repetitions | inside | were they independent | width | of each coefficient |\n|" + " --- |" * 7)
    done = json.loads(path.read_text())
    for name in dict.fromkeys(each["set"] for each in done):
        own = [each for each in done if each["set"] == name]
        truth = np.asarray([each["truth"] for each in own])
        ends = {method: np.asarray([each["intervals"][method] for each in own]) for method in own[0]["intervals"]}
        for method, each in ends.items():
            inside = (each[:, 0] <= truth) & (truth <= each[:, 1])
            share = inside.mean(axis=1)
            error = share.std(ddof=1) / np.sqrt(len(share)) if len(share) > 1 else np.nan
            low, high = scipy.stats.binomtest(int(inside.sum()), inside.size).proportion_ci()
            independent = f"{low:.3f} to {high:.3f}"
            width = np.mean((each[:, 1] - each[:, 0]).mean(axis=0) / (ends["whole"][:, 1] - ends["whole"][:, 0]).mean(axis=0))
            columns = ", ".join(
                f"{term} {value:.2f}" for term, value in zip(REGRESSIONS[name][1], inside.mean(axis=0), strict=True)
            )
            print(
                f"| {name} | {method} | {len(own)} | {share.mean():.3f} ± {error:.3f} | {independent} | {width:.2f} | {columns} |"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["wine", "concrete"], choices=list(REGRESSIONS))
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--rate", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--json", type=Path, default=Path("pooled_regression.json"))
    chosen = parser.parse_args()
    measure(chosen)
    show(chosen.json)
