"""The command line for tests: in this process where only its words and files matter, in its own where a process matters."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np
import typer.main

from lowerbound.cli.main import app, main

# One small network everywhere, so that most trainings share one compiled program.
# A plain model: what the data would choose instead takes longer to compile, and has tests of its own.
SMALL = tuple(
    part
    for setting in (
        "network.hidden_widths=[8]",
        "model.latent_dim=2",
        "training.batch_size=20",
        "prior.name=standard-normal",
        "likelihood.name=auto",
    )
    for part in ("--set", setting)
)
# For tests that do not look at the scores, the pictures and the page.
SMALL_ALONE = (*SMALL, "--no-report")


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended, and what it said where."""

    status: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The text after `error: `, which must be the last that was said, and be no traceback."""
        _, found, text = self.stderr.partition("error: ")
        assert found, self
        assert "Traceback" not in self.stderr, self
        return text.strip()


def command(*arguments: object) -> Result:
    """`lowerbound ARGUMENTS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    words = ["lowerbound", *map(str, arguments)]
    with mock.patch.object(sys, "argv", words), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            status = 0
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return Result(status, out.getvalue(), err.getvalue())


def good(*arguments: object) -> Result:
    """The same for a command that must end well."""
    result = command(*arguments)
    assert result.status == 0, result
    return result


def process_environment(cache: Path) -> dict[str, str]:
    """For processes that train: compiled programs are shared through `cache`."""
    return {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",
    }


def parsed(*arguments: object) -> None:
    """That the command line has this command, and takes these arguments; what it does is not done."""
    name, *rest = map(str, arguments)
    commands = cast(Any, typer.main.get_command(app)).commands
    commands[name].make_context(name, rest)


@contextlib.contextmanager
def started(environment: dict[str, str], *arguments: object, limit_bytes: int = 0) -> Iterator[subprocess.Popen[str]]:
    """`lowerbound ARGUMENTS` as a process, ended at the end of the `with`; no file may grow beyond `limit_bytes`."""
    words = [sys.executable, "-m", "lowerbound", *map(str, arguments)]
    if limit_bytes:
        words = ["/bin/sh", "-c", f'ulimit -f {limit_bytes // 512}; exec "$@"', "sh", *words]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(environment: dict[str, str], *arguments: object, limit_bytes: int = 0) -> Result:
    """`lowerbound ARGUMENTS` as a process, to its end."""
    with started(environment, *arguments, limit_bytes=limit_bytes) as process:
        stdout, stderr = process.communicate(timeout=300)
        return Result(process.returncode, stdout, stderr)


def wait_for_rows(process: subprocess.Popen[str], metrics: Path, number: int) -> None:
    """Return once a training process has written this many rows, and not before it has."""
    for _ in range(60_000):
        assert process.poll() is None, process.communicate()
        if metrics.exists() and metrics.read_bytes().count(b"\n") > number:
            return
        time.sleep(0.005)
    raise AssertionError(f"{metrics} did not reach {number} rows")


def weights(folder: Path) -> bytes:
    """The weights of a model's folder or a checkpoint, as they lie on the disk."""
    return (folder / "weights.safetensors").read_bytes()


def figures(run: Path) -> list[str]:
    """The rows of a run's metrics.csv without its columns of time."""
    rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    kept = [index for index, name in enumerate(rows[0]) if "second" not in name]
    return [",".join(row[index] for index in kept) for row in rows]


def small_images(number: int = 120, seed: int = 0) -> np.ndarray:
    """8-bit pictures of 4 x 5 with something to learn: a ramp whose slope and level differ."""
    rng = np.random.default_rng(seed)
    level, slope = rng.uniform(60, 180, (2, number, 1, 1))
    ramp = level + (slope - 120) * np.linspace(-1, 1, 5)
    return np.clip(ramp + rng.normal(0, 8, (number, 4, 5)), 0, 255).astype(np.uint8)
