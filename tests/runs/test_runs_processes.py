"""One run of several processes, started as a scheduler would start them: the curve of one process, one folder, one end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import command, good, process_environment

from lowerbound.data.datasets import load_dataset
from lowerbound.devices.processes import scheduler
from lowerbound.runs.folder import RunFolder
from lowerbound.runs.training import TrainingRun

RECIPE = """
[model]
latent_dim = 2
[network]
hidden_widths = [8]
dropout = 0.1
[likelihood]
name = "gaussian"
[training]
epochs = 5
batch_size = 21
learning_rate = 0.01
validate_every = 1
ema_decay = 0.9
early_stopping_patience = 100
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    np.save(folder / "table.npy", rng.normal(size=(150, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(150, 5)))
    (folder / "plain.toml").write_text(RECIPE)
    return folder


def _started(home: Path, *arguments: Any, command: str = "train") -> list[subprocess.Popen[str]]:
    """The same command in two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = process_environment(home / "cache")
    shared = ["--coordinator", f"127.0.0.1:{port}", "--processes", "2"]
    return [
        subprocess.Popen(
            [sys.executable, "-m", "lowerbound", command, *map(str, arguments), *shared, "--process", str(process)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]


def _ends(processes: list[subprocess.Popen[str]], seconds: float) -> list[tuple[int, str, str]]:
    try:
        return [(process.wait(seconds), *process.communicate()) for process in processes]
    finally:
        for process in processes:
            process.kill()


def _curve(run: Path) -> np.ndarray:
    columns = RunFolder(run).metrics.read()
    return np.stack([columns[name] for name in ("loss", "validation_bound_nats", "validation_loss")])


def _arguments(home: Path, out: str, *others: Any) -> list[Any]:
    return [home / "table.npy", "--recipe", home / "plain.toml", "--no-report", "--out", home / out, *others]


def test_two_processes_give_the_curve_of_one_and_go_on_anywhere(home: Path) -> None:
    processes = _started(home, *_arguments(home, "two", "--epochs", 2))
    good("train", *_arguments(home, "one"))
    (first, said, _), (other, silence, error) = _ends(processes, 300)
    assert (first, other) == (0, 0), error
    # Only the first writes and speaks, and libraries not between its lines.
    assert len(said.splitlines()) == said.count("epoch=") == 2
    assert silence == ""
    assert RunFolder(home / "two").info()["machine"]["processes"] == 2
    np.testing.assert_allclose(_curve(home / "two"), _curve(home / "one")[:, :2], rtol=1e-5)
    # Saved on two, resumed on one: the same bits at the save, the same curve after.
    (saved,) = (home / "two" / "checkpoints").iterdir()
    state = (saved / "state.safetensors").read_bytes()
    shutil.copytree(home / "two", home / "alone")
    resumed = TrainingRun.resume(home / "alone", load_dataset(home / "table.npy"), epochs=5)
    assert (resumed.save_checkpoint() / "state.safetensors").read_bytes() == state
    good("train", "--resume", home / "alone", "--epochs", 5, "--no-report")
    np.testing.assert_allclose(_curve(home / "alone"), _curve(home / "one"), rtol=1e-5)
    # The negative control.
    good("train", *_arguments(home, "other", "--seed", 1, "--epochs", 2))
    assert np.abs(_curve(home / "other") / _curve(home / "two") - 1).max() > 1e-3


@pytest.mark.long
def test_streamed_rows_come_in_one_order_on_any_devices(home: Path) -> None:
    """Three files of rows: one device, eight forced ones and two processes take the same rows at the same steps."""
    table, folder = np.load(home / "table.npy"), home / "shards"
    folder.mkdir()
    for number, rows in enumerate(np.split(table, [40, 90])):
        np.save(folder / f"{number}.npy", rows)
    streamed = ["--recipe", home / "plain.toml", "--no-report", "--set", "data.memory=streamed", "--epochs", 3]
    good("train", folder, *streamed, "--out", home / "streamed")
    environment = process_environment(home / "cache") | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    eight = [sys.executable, "-m", "lowerbound", "train", *map(str, [folder, *streamed, "--out", home / "streamed-8"])]
    done = subprocess.run(eight, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert RunFolder(home / "streamed-8").info()["machine"]["devices"] == 8
    for status, _, error in _ends(_started(home, folder, *streamed, "--out", home / "streamed-2"), 300):
        assert status == 0, error
    for other in ("streamed-8", "streamed-2"):
        np.testing.assert_allclose(_curve(home / other), _curve(home / "streamed"), rtol=1e-5)
    # The negative control: another order of the same rows.
    good("train", folder, *streamed, "--seed", 1, "--out", home / "streamed-other")
    assert np.abs(_curve(home / "streamed-other") / _curve(home / "streamed") - 1).max() > 1e-3


@pytest.mark.long
def test_two_processes_score_examples_with_the_numbers_of_one(home: Path) -> None:
    good("train", *_arguments(home, "scored", "--epochs", 2))
    alone = json.loads(good("evaluate", home / "scored", "--samples", 50, "--split", "train", "--json").stdout)
    (first, found, _), (other, silence, error) = _ends(
        _started(home, home / "scored", "--samples", 50, "--split", "train", "--json", command="evaluate"), 300
    )
    assert (first, other, silence) == (0, 0, ""), error
    np.testing.assert_allclose(json.loads(found)["log_evidence_nats"], alone["log_evidence_nats"], rtol=1e-6)
    good("score", home / "scored", home / "table.npy", "--out", home / "alone.npy")
    (first, _, _), (other, _, error) = _ends(
        _started(home, home / "scored", home / "table.npy", "--out", home / "shared.npy", command="score"), 300
    )
    assert (first, other) == (0, 0), error
    np.testing.assert_allclose(np.load(home / "shared.npy"), np.load(home / "alone.npy"), rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_a_run_goes_on_with_eight_devices_and_with_two_processes(home: Path) -> None:
    good("train", *_arguments(home, "short", "--epochs", 2))
    shutil.copytree(home / "short", home / "eight")
    longer = _started(home, "--resume", home / "short", "--epochs", 5, "--no-report")
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    subprocess.run(
        [sys.executable, "-m", "lowerbound", "train", "--resume", home / "eight", "--epochs", "5", "--no-report"],
        env={**process_environment(home / "cache"), "XLA_FLAGS": flags},
        check=True,
        timeout=300,
    )
    assert [status for status, *_ in _ends(longer, 300)] == [0, 0]
    good("train", *_arguments(home, "straight"))
    for name in ("eight", "short"):
        np.testing.assert_allclose(_curve(home / name), _curve(home / "straight"), rtol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("killed", [0, 1])
def test_where_one_process_is_killed_the_other_ends_with_a_sentence(killed: int, home: Path) -> None:
    out = home / f"killed-{killed}"
    processes = _started(home, *_arguments(home, out.name, "--epochs", 10**6, "--set", "training.checkpoint_every_seconds=0"))
    deadline = time.monotonic() + 200
    while not list(out.glob("checkpoints/step-*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    processes[killed].send_signal(signal.SIGKILL)
    start = time.monotonic()
    status = processes[1 - killed].wait(150)
    assert time.monotonic() - start < 120
    said = _ends(processes, 10)[1 - killed][2]
    assert status != 0
    assert "error: " in said
    assert "lowerbound train --resume" in said
    # Nothing is half written: the run can be opened and goes on.
    resumed = TrainingRun.resume(out, load_dataset(home / "table.npy"))
    assert int(resumed.progress.state.step) > 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--coordinator", "node1:1234"), "--processes and --process is missing"),
        (("--coordinator", "node1", "--processes", 2, "--process", 0), "--coordinator is 'node1'; expected HOST:PORT"),
        (("--coordinator", "node1:1", "--processes", 2, "--process", 2), "--process is 2 and --processes 2; expected"),
        (("--devices", 0), "--devices"),
    ],
)
def test_a_place_that_cannot_be_is_refused(options: tuple[Any, ...], sentence: str) -> None:
    result = command("train", "digits", *options)
    assert result.status == 2
    assert sentence in result.error


def test_a_scheduler_is_seen_where_it_started_several_processes_alone() -> None:
    slurm = {"SLURM_JOB_ID": "1", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "2"}
    assert scheduler(slurm) == "Slurm"
    # One task; the shell of a job; a pod without a number; a machine.
    assert scheduler({**slurm, "SLURM_NTASKS": "1"}) is None
    assert scheduler({name: value for name, value in slurm.items() if name != "SLURM_STEP_NODELIST"}) is None
    assert scheduler({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) is None
    assert scheduler({}) is None
    assert scheduler({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "3"}) == "Kubernetes"
    mpi = {"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:1", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1"}
    assert scheduler(mpi) == "Open MPI"
