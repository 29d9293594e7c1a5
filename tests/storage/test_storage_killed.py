"""SIGKILL at any moment of saving leaves a good checkpoint, and what it leaves is swept up."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lowerbound.runs.checkpoints import latest_checkpoint, load_checkpoint_into

PROGRAM = Path(__file__).with_name("killed_writer.py")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def killed_at_every_operation(folder, saver):
    command = [sys.executable, "-W", "ignore", str(PROGRAM), str(folder), saver]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split() for line in lines]
    assert [row[1] for row in rows] == ["killed"] * (len(rows) - 1) + ["done"]
    return rows


@pytest.mark.parametrize(("saver", "before", "after"), [("next", "2:20:0", "3:30:0"), ("again", "2:20:0", "2:21:0")])
def test_a_kill_at_any_operation_leaves_the_old_or_the_new_checkpoint(tmp_path, saver, before, after):
    rows = killed_at_every_operation(tmp_path / "checkpoints", saver)
    found = [row[2] for row in rows]
    switch = found.index(after)
    assert found == [before] * switch + [after] * (len(rows) - switch)
    # Kills came both before the switch (every file of the new folder) and after it (sweeping the old one up).
    assert switch >= 7
    assert len(rows) - switch >= 7
    assert {(row[3], row[4]) for row in rows} == {("4:40:0", "clean")}


def test_a_naive_writer_fails_the_same_test(tmp_path):
    rows = killed_at_every_operation(tmp_path / "checkpoints", "naive")
    assert any(row[2] not in ("2:20:0", "2:21:0") for row in rows if row[1] == "killed")


LOOP = """
import sys
import numpy as np
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[2])))
from killed_writer import SPEC, save_checkpoint
for step in range(int(sys.argv[3]), 100_000):
    arrays = {"weight": np.full(300_000, step, np.float32)}
    save_checkpoint(sys.argv[1], step, {}, SPEC, arrays, arrays, {"value": step})
    print(step, flush=True)
"""


def test_a_process_killed_again_and_again_never_loses_what_it_said_it_saved(tmp_path):
    delays = random.Random(0)
    blank = {"weight": np.zeros(300_000, np.float32)}
    step = 0
    for _ in range(3):
        command = [sys.executable, "-c", LOOP, str(tmp_path / "run"), str(PROGRAM.parent), str(step + 1)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = [int(process.stdout.readline())]
        time.sleep(delays.uniform(0.0, 0.5))
        process.kill()
        said += [int(line) for line in process.communicate()[0].split()]
        found = latest_checkpoint(tmp_path / "run")
        assert found is not None
        assert found.refused == ()
        # The last save may have been whole when the kill came before it was announced.
        assert found.step in (said[-1], said[-1] + 1)
        for loaded in load_checkpoint_into(found.path, blank, blank):
            assert np.all(loaded["weight"] == found.step)
        step = found.step
    assert step >= 3
