"""Seconds and the peak of memory of training on a table: a column of 50,000 categories in 200,000 rows, or a file of yours.

python benchmarks/table_memory.py --epochs 1
python benchmarks/table_memory.py --data adult.csv
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS, CATEGORIES = 200_000, 50_000


def write_shops(path: Path) -> None:
    """A column of 50,000 texts, a few of which are frequent, with a number and a category that depend on them."""
    rng = np.random.default_rng(0)
    shops = np.minimum(rng.zipf(1.1, ROWS) - 1, CATEGORIES - 1)
    # Each occurs once at least.
    shops[:CATEGORIES] = np.arange(CATEGORIES)
    amounts = rng.normal(shops % 7)
    with path.open("w", encoding="utf-8") as file:
        file.write("shop,amount,kind\n")
        file.writelines(f"s{shop},{amount:.3f},{'abc'[shop % 3]}\n" for shop, amount in zip(shops, amounts, strict=True))


def main() -> None:
    """Train in a process of its own, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a table; by default one with 50,000 categories is made")
    parser.add_argument("--epochs", help="passes over the training data; by default what the recipe chooses")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = asked.data or Path(folder) / "shops.csv"
        if asked.data is None:
            write_shops(data)
        words = [sys.executable, "-m", "lowerbound", "train", str(data), "--no-report", "--out", f"{folder}/run"]
        start = time.perf_counter()
        subprocess.run([*words, *(("--epochs", asked.epochs) if asked.epochs else ())], check=True)
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Linux counts in KiB.
    sys.stdout.write(
        f"{wall:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time, peak {used.ru_maxrss / 2**20:.2f} GiB\n"
    )


if __name__ == "__main__":
    main()
