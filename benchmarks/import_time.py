"""How long `from lowerbound import VAE` takes, beside the libraries that it stands on.

    python benchmarks/import_time.py --rounds 9

Each import is a process of its own, and the two take turns, so that a machine that is busy for a while slows both. The least of
the rounds counts, of processor time as of the clock: what is above it is other work. The estimator is wanted within 1.3 times
of JAX, NumPyro's distributions and scikit-learn's base.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

STATEMENTS = {
    "libraries": "import jax, numpyro.distributions, sklearn.base",
    "estimator": "from lowerbound import VAE",
}
MOST = 1.3


def seconds(statement: str) -> tuple[float, float]:
    """Of a fresh process with this statement: by the clock, and of the processor."""
    before, start = _processor_seconds(), time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start, _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for statement in STATEMENTS.values():
        seconds(statement)  # The files' first reading, and their compilation to bytecode.
    found = {name: [(0.0, 0.0)] * rounds for name in STATEMENTS}
    for number in range(rounds):
        for name, statement in STATEMENTS.items():
            found[name][number] = seconds(statement)
    least = {name: [min(column) for column in zip(*each, strict=True)] for name, each in found.items()}
    for name, (clock, processor) in least.items():
        print(f"{STATEMENTS[name]:<50} {clock:.2f} s by the clock, {processor:.2f} s of the processor")
    clock, processor = (mine / theirs for mine, theirs in zip(least["estimator"], least["libraries"], strict=True))
    verdict = "within" if processor <= MOST else "above"
    print(f"ratio {clock:.2f} by the clock, {processor:.2f} of the processor: {verdict} {MOST}")


if __name__ == "__main__":
    main()
