"""A program for the kill tests: saves, and is killed with SIGKILL at a chosen operation on the file system.

`python killed_writer.py FOLDER SAVER`: for n = 0, 1, 2, ... a forked child restores the scene (checkpoints 1 and 2), begins to
save, and kills itself at its n-th operation; the parent prints one line `n killed|done STATE`, where STATE says what a reader
then finds; it ends when a child was done before its n-th operation. SAVER is `next` (step 3), `again` (step 2 once more) or
`naive` (step 2 once more, written in place: the negative control).
"""

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np

from lowerbound.data.spec import DataSpec
from lowerbound.errors import ModelFolderError
from lowerbound.runs.checkpoints import latest_checkpoint, load_checkpoint_into, save_checkpoint
from lowerbound.runs.model_folder import write_model_files
from lowerbound.storage.arrays import arrays_to_bytes

SPEC = DataSpec((1,), "continuous", 0.0, 1.0, (0.1,), (0.0,), (1.0,))
OPERATIONS = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"}


def tree(value):
    return {"weight": np.full(1000, value, np.float32)}


def save(folder, step, value):
    save_checkpoint(folder, step, {}, SPEC, tree(value), tree(value), {"value": value})


def save_naively(folder, step, value):
    write_model_files(folder / f"step-{step:08d}", {}, SPEC, arrays_to_bytes(tree(value)))


def kill_at(operation):
    seen = -1

    def hook(event, _arguments):
        nonlocal seen
        if event in OPERATIONS:
            seen += 1
            if seen == operation:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def what_a_reader_finds(folder):
    """`step:value:refusals` of the newest good checkpoint, or what is wrong: its three records of the value must agree."""
    try:
        found = latest_checkpoint(folder)
    except ModelFolderError:
        return "unusable"
    assert found is not None
    for loaded in load_checkpoint_into(found.path, tree(0.0), tree(0.0)):
        if not np.all(loaded["weight"] == found.counters["value"]):
            return "mixed"
    return f"{found.step}:{found.counters['value']:g}:{len(found.refused)}"


def main(folder, saver):
    write = {
        "next": lambda: save(folder, 3, 30.0),
        "again": lambda: save(folder, 2, 21.0),
        "naive": lambda: save_naively(folder, 2, 21.0),
    }[saver]
    for operation in range(1000):
        shutil.rmtree(folder, ignore_errors=True)
        save(folder, 1, 10.0)
        save(folder, 2, 20.0)
        child = os.fork()
        if child == 0:
            kill_at(operation)
            write()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        was_killed = os.WIFSIGNALED(status)
        assert was_killed or os.WEXITSTATUS(status) == 0
        found = what_a_reader_finds(folder)
        # The next save must go through whatever was left, and sweep it up.
        save(folder, 4, 40.0)
        left = sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
        print(
            operation,
            "killed" if was_killed else "done",
            found,
            what_a_reader_finds(folder),
            ",".join(left) or "clean",
            flush=True,
        )
        if not was_killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
