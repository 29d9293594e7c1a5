"""An evaluation that was killed goes on where it was, and ends with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

from lowerbound.evaluation import Unfinished, Widened, estimate_evidence
from lowerbound.evaluation.unfinished import fingerprint
from lowerbound.verification.linear_gaussian import TRUTH

SAMPLES, EXAMPLES = 64, 80

# The same as below in a process of its own, which is killed while it runs.
PROGRAM = f"""
import sys, time
from pathlib import Path
from lowerbound.evaluation import Unfinished, estimate_evidence
from lowerbound.verification.linear_gaussian import TRUTH
keep = Unfinished(Path(sys.argv[1]), seconds=0.0)
slowly = lambda done: time.sleep(60 if done >= 64 else 0)
estimate_evidence(TRUTH.model(), TRUTH.draw({EXAMPLES}, seed=3), {SAMPLES}, unfinished=keep, on_progress=slowly)
"""


def _bits(found: Any) -> list[bytes]:
    return [np.asarray(column).tobytes() for column in found]


@pytest.fixture(scope="module")
def whole() -> list[bytes]:
    return _bits(estimate_evidence(TRUTH.model(), TRUTH.draw(EXAMPLES, seed=3), SAMPLES))


class _Stopped(Exception):
    pass


def _stopped_after(examples: int, folder: Path, **settings: Any) -> None:
    def stop(done: int) -> None:
        if done >= examples:
            raise _Stopped

    with pytest.raises(_Stopped):
        _evaluate(folder, on_progress=stop, **settings)


def _evaluate(folder: Path, **settings: Any) -> Any:
    keep = Unfinished(folder, seconds=0.0, on_found=settings.pop("on_found", lambda done: None))
    given = {"model": TRUTH.model(), "data": TRUTH.draw(EXAMPLES, seed=3), "num_samples": SAMPLES, **settings}
    return estimate_evidence(**given, unfinished=keep)


def test_it_goes_on_with_the_same_bits_and_leaves_nothing(tmp_path: Path, whole: list[bytes]) -> None:
    folder, found, seen = tmp_path / "unfinished", [], []
    _stopped_after(64, folder)
    assert len(list(folder.iterdir())) == 1
    assert _bits(_evaluate(folder, on_found=found.append, on_progress=seen.append)) == whole
    assert found == [64]
    assert seen == [64, 72, 80]
    assert not folder.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_so_does_one_whose_process_was_killed(tmp_path: Path, whole: list[bytes]) -> None:
    folder, found = tmp_path / "unfinished", []
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], env=os.environ)
    for _ in range(12_000):
        assert process.poll() is None
        if any(file.suffix == ".npz" and not file.name.startswith(".") for file in folder.glob("*")):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert _bits(_evaluate(folder, on_found=found.append)) == whole
    assert found
    assert found[0] in range(8, 65, 8)


@pytest.mark.parametrize("change", ["seed", "samples", "weights", "data", "proposal"])
def test_what_was_found_for_other_numbers_is_not_taken(tmp_path: Path, change: str) -> None:
    """The negative control: every thing that the numbers depend on is in the name of the file."""
    model = TRUTH.model()
    other_model = eqx.tree_at(lambda tree: jax.tree.leaves(tree)[0], model, replace_fn=lambda weight: weight + 1e-6)
    other_data = TRUTH.draw(EXAMPLES, seed=3).copy()
    other_data[-1, -1] += 1e-3
    changes = {
        "seed": {"seed": 1},
        "samples": {"num_samples": SAMPLES + 1},
        "weights": {"model": other_model},
        "data": {"data": other_data},
        "proposal": {"proposal": Widened(1.2)},
    }
    found: list[int] = []
    _stopped_after(32, tmp_path)
    _stopped_after(32, tmp_path, on_found=found.append, **changes[change])
    assert found == []
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_file_is_as_none(tmp_path: Path, whole: list[bytes]) -> None:
    _stopped_after(64, tmp_path)
    (file,) = tmp_path.iterdir()
    for content in (file.read_bytes()[:200], b"", b"nothing"):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        found: list[int] = []
        assert _bits(_evaluate(tmp_path, on_found=found.append)) == whole
        assert found == []


def test_where_nothing_can_be_written_it_goes_on_without(tmp_path: Path, whole: list[bytes]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert _bits(_evaluate(tmp_path / "file")) == whole


def test_a_fingerprint_tells_functions_apart_by_name_and_is_the_same_in_another_process() -> None:
    assert fingerprint(jax.nn.relu) != fingerprint(jax.nn.gelu)
    code = "from lowerbound.evaluation.unfinished import *\nfrom lowerbound.verification.linear_gaussian import TRUTH\n"
    words = [sys.executable, "-c", code + "print(fingerprint(TRUTH.model(), 'a', np.arange(3)))"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    assert printed == fingerprint(TRUTH.model(), "a", np.arange(3))
