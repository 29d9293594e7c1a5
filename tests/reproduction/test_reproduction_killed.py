"""`lowerbound reproduce`, killed in a trial, between trials and after a point; given again, it ends with the same bits."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import figures, process_environment, weights
from small_plan import LEVEL, small_plan

from lowerbound.reproduction.record import Home, Point, Reproduction

pytestmark = pytest.mark.long
PROGRAM = Path(__file__).parent / "small_plan.py"


def _call(environment: dict[str, str], out: Path, kill_when: Callable[[], bool] = lambda: False) -> int:
    """The call as a process of its own; its status. It is killed as soon as `kill_when()`."""
    process = subprocess.Popen([sys.executable, PROGRAM, out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    for _ in range(60_000):
        if process.poll() is not None:
            break
        if kill_when():
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    said, _ = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL), said.decode()
    return process.returncode


def _found(out: Path) -> dict[str, int]:
    """How many trials and points the record has."""
    record = Home(out).record_file
    fields = json.loads(record.read_text()) if record.exists() else {}
    return {name: len(fields.get(name, ())) for name in ("trials", "points")}


def _points(record: Reproduction) -> list[Point]:
    """Without their times."""
    return [dataclasses.replace(point, training_seconds=0.0, around_seconds=0.0) for point in record.points]


def test_killed_again_and_again_it_ends_with_the_bits_of_one_call(tmp_path: Path) -> None:
    environment = process_environment(tmp_path / "cache")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert _call(environment, whole) == 0
    plan = small_plan(LEVEL)
    first = Home(killed).run(plan.curves[0], plan.steps[0]) / "metrics.csv"

    def in_the_first_trial() -> bool:
        return first.exists() and first.read_bytes().count(b"\n") > 1

    moments = (in_the_first_trial, lambda: _found(killed)["trials"] >= 2, lambda: _found(killed)["points"] >= 1)
    seen = []
    for moment in moments:
        assert _call(environment, killed, moment) == -signal.SIGKILL
        seen.append(_found(killed))
    # The first kill came inside of a trial, the last before the work was done.
    assert seen[0] == {"trials": 0, "points": 0}
    assert (seen[1]["trials"] >= 2, seen[2]["points"] in (1, 2, 3)) == (True, True)
    assert _call(environment, killed) == 0
    one, other = (Home(out).open("kingma-2014", None, (2,)) for out in (whole, killed))
    assert _points(other) == _points(one)
    assert len(one.points) == 4
    assert other.trials == one.trials
    runs = sorted(path.name for path in (whole / "runs").iterdir())
    assert sorted(path.name for path in (killed / "runs").iterdir()) == runs
    for name in runs:
        of_whole, of_killed = (out / "runs" / name for out in (whole, killed))
        assert weights(of_killed / "model") == weights(of_whole / "model")
        assert figures(of_killed) == figures(of_whole)
    assert (killed / "index.html").exists()
