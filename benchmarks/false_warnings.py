"""How often fresh rows of the training rows' own law are warned of as implausible, and whether absurd values are found.

    python benchmarks/false_warnings.py --sets 400

For each law, number of training rows and number of columns the warned-of share of sets of as many fresh rows, 10 and 100 times as
many. Only the training rows are random: what the limits that they give leave out is the law's own probability, by SciPy. Then the
largest values that are not warned of, in units of the training rows' deviation, among as many fresh rows of a normal law.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import scipy.stats

from lowerbound.data.outliers import Plausible

# The share of cells that are not zero, and the law of those.
LAWS = {
    "normal": (1.0, scipy.stats.norm(3, 2)),
    "uniform": (1.0, scipy.stats.uniform()),
    "exponential": (1.0, scipy.stats.expon()),
    "log-normal, sigma 1": (1.0, scipy.stats.lognorm(1)),
    "log-normal, sigma 2": (1.0, scipy.stats.lognorm(2)),
    "Student's t, 3 degrees": (1.0, scipy.stats.t(3)),
    "Student's t, 2 degrees": (1.0, scipy.stats.t(2)),
    "Cauchy": (1.0, scipy.stats.cauchy()),
    "Pareto, index 1": (1.0, scipy.stats.pareto(1)),
    "Pareto, index 2": (1.0, scipy.stats.pareto(2)),
    "Poisson, mean 3": (1.0, scipy.stats.poisson(3)),
    "Poisson, mean 0.05": (1.0, scipy.stats.poisson(0.05)),
    "90 % zeros, else log-normal": (0.1, scipy.stats.lognorm(1)),
    "70 % zeros, else log-normal": (0.3, scipy.stats.lognorm(1)),
    "90 % zeros, else normal": (0.1, scipy.stats.norm()),
}
NUM_ROWS, NUM_COLUMNS, TIMES = (50, 500, 5000), (1, 20), (1, 10, 100)


def limits_of(train: np.ndarray) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """The limits of many columns, each of which was trained on as a part of a table of some columns."""
    return Plausible.of(train, train.min(axis=0), train.max(axis=0)).limits


def rates(name: str, num_rows: int, num_sets: int, generator: np.random.Generator) -> list[float]:
    """The share of sets with a warning, for each number of columns and each number of fresh rows."""
    share, law = LAWS[name]
    shape = (num_rows, num_sets)
    train = law.rvs(size=shape, random_state=generator) * (generator.random(shape) < share)
    limits, found = limits_of(train.astype(np.float64)), []
    for num_columns in NUM_COLUMNS:
        for times in TIMES:
            below, above = limits(num_rows * times * num_columns)
            # A discrete law's value at the limit itself is not warned of.
            outside = share * (law.sf(above) + law.cdf(np.nextafter(below, -np.inf)))
            silent = np.exp(num_rows * times * np.log1p(-outside)).mean()
            found.append(float(1 - silent**num_columns))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sets", type=int, default=400, help="columns of training rows of each law and number of rows")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generator, worst = np.random.default_rng(arguments.seed), 0.0
    print("warned-of sets in %; 1, 10 and 100 times as many fresh rows of 1 column, then of 20 columns")
    for name in LAWS:
        for num_rows in NUM_ROWS:
            found = rates(name, num_rows, arguments.sets, generator)
            worst = max(worst, *found)
            print(f"{name:28s} {num_rows:5,} rows  " + "  ".join(f"{100 * each:5.2f}" for each in found), flush=True)
    print(f"the worst: {100 * worst:.2f} %")
    print("the largest silent value, in deviations, of as many fresh rows of 1 and of 20 columns (median over training sets)")
    for num_rows in (5, 20, 100, *NUM_ROWS):
        limits = limits_of(generator.normal(size=(num_rows, arguments.sets)))
        print(f"{num_rows:5,} rows  " + "  ".join(f"{np.median(limits(num_rows * columns)[1]):8.3g}" for columns in NUM_COLUMNS))


if __name__ == "__main__":
    main()
