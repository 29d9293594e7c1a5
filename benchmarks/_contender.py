"""One contender in a process of its own, so that thread pools do not share a process; told what to do line by line.

    python benchmarks/_contender.py MODULE VARIANT IMAGES.npy [--first-epoch]

Reads one command a line on standard input and answers each with one line of JSON. Not for people: see seed_job.py.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any


def answer(command: str, contender: Any) -> dict[str, Any]:
    """Do one command; its result."""
    start = time.perf_counter()
    if command == "prepare":
        contender.prepare()
        return {}
    if command == "round":
        examples = contender.train_round()
        return {"seconds": time.perf_counter() - start, "examples": examples}
    if command == "loss":
        return {"loss": contender.loss()}
    if command == "product":
        return {"rate": contender.product_rate() if hasattr(contender, "product_rate") else None}
    if command.startswith("evaluate"):
        if not hasattr(contender, "evaluate"):
            return {"samples": None}
        contender.evaluate(1)
        start = time.perf_counter()
        samples = contender.evaluate(int(command.split()[1]))
        return {"seconds": time.perf_counter() - start, "samples": samples}
    if command == "products":
        return {"seconds": contender.products_alone()}
    if command == "memory":
        return {"peak_mib": peak_mib()}
    raise ValueError(f"unknown command {command!r}")


def peak_mib() -> float:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss, which on Linux begins at what the parent held.
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Serve until the end of standard input."""
    import numpy as np

    module, variant, images = sys.argv[1:4]
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contender = importlib.import_module(module).Contender(variant, np.load(images))
    if "--first-epoch" in sys.argv:
        contender.first_epoch()
        print("{}", file=answers, flush=True)
        return
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.strip(), contender)), file=answers, flush=True)


if __name__ == "__main__":
    main()
