"""What only a process shows: what is imported for help, exit statuses, and which stream says what."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import SMALL, command, run, started

from lowerbound.runs.folder import RunFolder

HEAVY = ("jax", "equinox", "numpyro", "matplotlib", "tensorboard", "sklearn", "pandas")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["train", "--help"], 0),
        (["recipes"], 0),
        (["datasets"], 0),
        (["train", "--recipe", "facs"], 2),
        (["train", "--set", "model.latent_dimm=3"], 2),
        (["train", "--epochs", "0"], 2),
        (["sample", "RUN", "--out", "x.npy", "-n", "zero"], 2),
        (["nonsense"], 2),
        (["reproduce", "--help"], 0),
        (["reproduce", "kingma-2014", "--minutes", "0.01", "--out", "x"], 2),
    ],
)
def test_help_lists_and_wrong_use_import_nothing_heavy(arguments: list[str], status: int) -> None:
    program = (
        "import sys; from lowerbound.cli.main import main\n"
        "try: main()\n"
        f"finally: print('IMPORTED', *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stderr.splitlines()[-1] == "IMPORTED"


def test_the_check_of_imports_would_see_jax() -> None:
    """The negative control."""
    program = (
        "import sys, lowerbound.cli.main, lowerbound.runs.folder; print(*[name in sys.modules for name in ('jax', 'equinox')])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "True True\n"


def test_results_go_to_stdout_and_sentences_to_stderr(files: Path, tmp_path: Path) -> None:
    environment = dict(os.environ)
    folder = tmp_path / "run"
    options = [*SMALL, "--epochs", "2", "--json"]
    done = run(environment, "train", files / "images.npy", *options, "--out", folder)
    assert done.status == 0
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["progress", "progress", "finished"]
    # Nothing is said that a person need not read: no warning of a library, no line of code.
    assert done.stderr == ""
    failed = run(environment, "train", files / "images.npy", "--out", folder)
    assert (failed.status, failed.stdout) == (2, "")
    assert failed.error.startswith(f"the run folder {folder} is not empty")
    assert len(failed.stderr.splitlines()) == 1


def test_the_command_and_the_module_are_one(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("lowerbound")
    if not script.exists():
        pytest.skip(f"{script} is not installed")
    words = [[str(script), "--version"], [sys.executable, "-m", "lowerbound", "--version"]]
    first, second = (subprocess.run(each, capture_output=True, text=True, check=True).stdout for each in words)
    assert first == second
    assert first.startswith("lowerbound 0.")


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="a shell's background job ignores SIGINT")
def test_an_interrupt_outside_training_says_so_and_fails() -> None:
    with started({**os.environ, "PYTHONUNBUFFERED": "1"}, "verify") as process:
        assert process.stdout is not None
        # Whatever it is at after its first line: it computes, or it waits for the compiler.
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, "stopped\n")


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="a shell's background job ignores SIGINT")
@pytest.mark.parametrize("heard", [True, False])
def test_an_interrupt_that_a_callback_of_the_collector_swallows_is_repeated(heard: bool) -> None:
    # As where the key is hit while JAX is told of a collection: Python prints the error, and goes on.
    program = """
import contextlib, gc, signal, sys, time
from lowerbound.cli.runtime import interrupts_heard

def hit(phase, info):
    gc.callbacks.clear()
    signal.raise_signal(signal.SIGINT)

with interrupts_heard() if sys.argv[1] == "True" else contextlib.nullcontext():
    gc.callbacks.append(hit)
    try:
        gc.collect()
        print("lost")
        for _ in range(200):
            time.sleep(0.01)
        print("for ever")
    except KeyboardInterrupt:
        print("heard")
"""
    done = subprocess.run([sys.executable, "-c", program, str(heard)], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["lost", "heard" if heard else "for ever"]
    assert ("Exception ignored" in done.stderr) == (not heard)


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="a shell's background job ignores SIGINT")
def test_two_interrupts_while_training_compiles_leave_a_run_that_goes_on(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with started({**os.environ, "PYTHONUNBUFFERED": "1"}, "train", files / "table.npy", *SMALL, "--out", path) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("training on"):
            pass
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert stderr.endswith("stopped\n")
    folder = RunFolder.open(path)
    events = {each.name for each in path.glob("events.out.*")}
    assert folder.config().model.latent_dim == 2
    assert {each.name for each in path.iterdir()} <= {"config.toml", "run.json", "split.npz", ".lock", *events}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_stdout_that_takes_nothing_is_said_in_a_sentence() -> None:
    words = [sys.executable, "-m", "lowerbound", "parts"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    expected = "error: the result could not be written to stdout: No space left on device. Send it to another place.\n"
    assert (done.returncode, done.stderr) == (1, expected)
    closed = subprocess.run(["/bin/sh", "-c", 'exec "$@" >&-', "sh", *words], capture_output=True, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")


def test_an_interrupt_while_the_command_line_is_loaded_has_no_traceback() -> None:
    program = """
import signal, sys

class Hit:
    def find_spec(self, name, *_):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Hit())
signal.signal(signal.SIGINT, signal.default_int_handler)
import lowerbound.__main__
lowerbound.__main__.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "stopped\n")


def test_an_interrupt_after_training_says_how_the_report_is_made(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = signal.signal(signal.SIGINT, signal.default_int_handler)

    def hit(*_: object) -> None:
        # The first one: no program of training is waited for.
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("lowerbound.report.run.write_report", hit)
    try:
        result = command("train", files / "table.npy", *SMALL, "--epochs", 1, "--out", tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, own)
    assert result.status == 130
    assert (
        f"the model is saved; its scores, pictures and page are not. Make them with: lowerbound train --resume {tmp_path}"
        in result.stderr
    )
    assert "stopping after the running steps" not in result.stderr
    assert (tmp_path / "run" / "model").exists()
