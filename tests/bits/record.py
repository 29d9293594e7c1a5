"""Trains as users do and prints, for every stored leaf, what identifies its bits. `old_bits.json` is what release 0.1.0 printed.

    python tests/bits/record.py post-2018 digits > tests/bits/old_bits.json      # done once, with the sources of 0.1.0

Run it in a process of its own, without the tests' XLA flags: they change the bits. Each leaf is given as the SHA-256 of its
bytes, and as a few projections onto fixed random directions of length 1, so that closeness can be told where bits differ:
another processor has other vector units and sums in another order.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tempfile
import tomllib
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

EPOCHS = 20
# Data and recipe, as on the command line.
JOBS: dict[str, tuple[str | None, str | None]] = {"post-2018": (None, "post-2018"), "digits": ("digits", None)}
NUM_PROJECTIONS = 4


def machine() -> dict[str, Any]:
    """What decides the order of sums: the processor, as it shows itself, and the number of cores."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    named = {key: facts.get(key, "") for key in ("vendor_id", "cpu family", "model", "model name")}
    flags = hashlib.sha256(" ".join(sorted(facts.get("flags", "").split())).encode()).hexdigest()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {**named, "flags_sha256": flags, "cores": cores, "architecture": platform.machine()}


def identity(array: np.ndarray) -> dict[str, Any]:
    """A leaf's shape, SHA-256, length, and projections."""
    flat = array.astype(np.float64).ravel()
    directions = np.random.default_rng(zlib.crc32(repr(array.shape).encode())).normal(size=(NUM_PROJECTIONS, flat.size))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return {
        "shape": list(array.shape),
        "sha256": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest(),
        "length": float(np.linalg.norm(flat)),
        "projections": (directions @ flat).tolist(),
    }


def trained(data: str | None, recipe: str | None, **training: Any) -> dict[str, np.ndarray]:
    """The weights that `lowerbound train DATA --recipe RECIPE --epochs 20` stored in 0.1.0.

    - `recipe`: None for the one that was the default then. `training`: further keys of that section.
    """
    from lowerbound.data.datasets import load_dataset
    from lowerbound.recipes import resolve_config
    from lowerbound.runs.training import TrainingRun

    former = {} if recipe else {"optimizer": "adam", "early_stopping_patience": 20}
    sections: dict[str, dict[str, Any]] = {"training": {"epochs": EPOCHS, **former, **training}}
    sections |= {} if recipe else {"prior": {"name": "standard-normal"}}
    config, chosen = resolve_config(data, recipe, [], sections)
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_dataset(config.data.name, config.data.key, None, config.data.condition)
        run = TrainingRun.begin(Path(folder) / "run", config, dataset, recipe=chosen.name, command="")
        run.run()
        return safetensors.numpy.load((run.folder.model / "weights.safetensors").read_bytes())


def resumed(folder: str, name: str) -> dict[str, np.ndarray]:
    """The weights that a stored run ends with; `folder` is a copy of `tests/storage/saved/v0.1.0`."""
    from lowerbound.data.datasets import load_dataset
    from lowerbound.runs.training import TrainingRun

    os.chdir(folder)
    path = Path("runs") / name
    run = TrainingRun.resume(path, load_dataset(tomllib.loads((path / "config.toml").read_text())["data"]["name"]))
    run.run()
    return safetensors.numpy.load((run.folder.model / "weights.safetensors").read_bytes())


def record(jobs: list[str], **training: Any) -> dict[str, Any]:
    """What `old_bits.json` holds, for these jobs."""
    return _described({job: trained(*JOBS[job], **training) for job in jobs})


def record_resumed(folder: str, name: str) -> dict[str, Any]:
    """The same for a stored run that is resumed."""
    return _described({name: resumed(folder, name)})


def _described(jobs: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    from lowerbound.runs.training import versions

    leaves = {job: {name: identity(array) for name, array in sorted(arrays.items())} for job, arrays in jobs.items()}
    return {"machine": machine(), "versions": versions(), "jobs": leaves}


if __name__ == "__main__":
    print(json.dumps(record(sys.argv[1:]), indent=1))
