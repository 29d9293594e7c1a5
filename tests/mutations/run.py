"""Plant each mistake in a copy of the source and say who notices: `python tests/mutations/run.py [--verify] [WORD ...]`.

The oracle named for a mistake must fail; with --verify, the check of `lowerbound verify` named for it is run in place of the
oracle. A word chooses the mistakes whose name holds it. Exit status 1 when an oracle misses one, or `verify` more than five.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from planted import MUTATIONS, ROOT, SOURCE, Mutation

# Of all mistakes, how many `verify` may miss.
MOST_MISSED_BY_VERIFY = 5
_CHECK = """
import sys
from lowerbound.verification import CHECKS
wrong = [figure for figure in CHECKS[sys.argv[1]]() if not figure.is_right]
sys.exit(3 if wrong else 0)
"""


def outcome(mutation: Mutation, *, by_verify: bool) -> str:
    """ "noticed", "missed", or "broken" where neither a test nor a check came to a verdict."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "lowerbound" / mutation.file).write_text(mutation.text(copy), encoding="utf-8")
        if by_verify:
            command = [sys.executable, "-c", _CHECK, mutation.check]
        else:
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{mutation.oracle}"]
        found = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True)
    # A check that raises ends with 1, pytest with 1 where a test failed.
    broken = f"broken: {found.stdout[-500:]}{found.stderr[-500:]}"
    return {0: "missed", 3 if by_verify else 1: "noticed"}.get(found.returncode, broken)


def main() -> int:
    """Run the chosen mistakes and print a line for each."""
    parser = argparse.ArgumentParser(description="Plant each mistake in a copy of the source and say who notices.")
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    chosen = [each for each in MUTATIONS if not options.words or any(word in each.name for word in options.words)]
    missed = 0
    for mutation in chosen:
        found = outcome(mutation, by_verify=options.verify)
        missed += found != "noticed"
        print(f"{found:<8} {mutation.name}, by {mutation.check if options.verify else mutation.oracle}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mistakes are noticed.")
    return 1 if missed > (MOST_MISSED_BY_VERIFY if options.verify else 0) else 0


if __name__ == "__main__":
    sys.exit(main())
