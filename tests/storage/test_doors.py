"""Before something is opened or allocated: what is no file, and what no memory holds, is refused with a sentence."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from commands import SMALL_ALONE, command
from support.built import build_model

from lowerbound import VAE
from lowerbound.assembly.build import build_objective
from lowerbound.config import RunConfig
from lowerbound.config.overrides import parse_overrides
from lowerbound.config.run import load_toml
from lowerbound.config.sections import LARGEST_STEP
from lowerbound.data.datasets import load_dataset
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError, DataError, LowerboundError, MissingDataError, ModelFolderError, TooLargeError
from lowerbound.objectives import ELBO
from lowerbound.runs.folder import RunFolder
from lowerbound.storage import memory
from lowerbound.storage.documents import read_file
from lowerbound.storage.regular import not_a_file
from lowerbound.training.numbers import Numbers
from lowerbound.training.schedule import Schedule

X = np.random.default_rng(0).integers(0, 255, (50, 8, 8)).astype(np.uint8)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.mat", "x.csv", "x.tsv"])
def test_a_pipe_in_place_of_data_is_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name} is a named pipe; expected a .npy"):
        load_dataset(tmp_path / name)


def test_a_pipe_or_a_folder_among_images_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a.png is a named pipe; expected a PNG, JPEG, TIFF, WebP or BMP file."):
        load_dataset(tmp_path)
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.jpg").mkdir()
    with pytest.raises(DataError, match=r"b.jpg is a folder"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("file", ["run.json", "config.toml", "metrics.csv"])
def test_pipes_in_a_run_folder_are_not_waited_for(file: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / file)
    for read in (lambda: RunFolder.open(tmp_path), lambda: load_toml(tmp_path / file), lambda: read_file(tmp_path / file)):
        with pytest.raises(LowerboundError):
            read()
    with pytest.raises(ModelFolderError, match=f"{file} is a named pipe; expected a file of a saved model or run."):
        read_file(tmp_path / file)
    with pytest.raises(ConfigurationError, match=f"{file} is a named pipe; expected a TOML file."):
        load_toml(tmp_path / file)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/full", "/dev"])
def test_devices_and_folders_are_no_configuration(path: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the configuration file {path} is a (device|folder)"):
        load_toml(path)


def test_what_is_a_regular_file_and_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    assert not_a_file(tmp_path / "x") is None
    assert not_a_file(tmp_path / "y") == "does not exist"
    assert not_a_file("n" * 5000) == "cannot be looked at (File name too long)"
    assert not_a_file("a\0b") == "cannot be looked at (embedded null byte)"
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert not_a_file(tmp_path / "circle") == "cannot be looked at (Too many levels of symbolic links)"


@pytest.mark.parametrize("name", ["n" * 5000, "/".join(["n" * 300] * 3), "a\0b", "n" * 300 + ".npy"])
def test_names_that_no_file_can_have_are_refused(name: str) -> None:
    with pytest.raises(MissingDataError, match=r"the data '.{1,90}' (cannot be looked at|does not exist)"):
        load_dataset(name)


def _npy(path: Path, shape: tuple[int, ...], content: bytes = b"") -> Path:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content)
    return path


def test_a_header_that_promises_more_than_the_file_holds(tmp_path: Path) -> None:
    path = _npy(tmp_path / "huge.npy", (10**12, 1000), bytes(800))
    with pytest.raises(
        DataError, match=r"huge.npy is torn: its header says an array \(1000000000000, 1000\) of float64, 8 PB, but 800 b"
    ):
        load_dataset(path)


def test_an_array_larger_than_the_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 10_000)
    np.save(tmp_path / "x.npy", np.zeros((100, 20)))
    np.savez_compressed(tmp_path / "x.npz", big=np.zeros((100, 20)))
    for name, shown in (("x.npy", "x.npy"), ("x.npz", r"x.npz\['big'\]")):
        with pytest.raises(
            TooLargeError, match=rf"{shown}, an array \(100, 20\) of float64, would take 16 kB of memory, and 10 kB are free"
        ):
            load_dataset(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"latent_dim": 10**9}}, "model.latent_dim=1000000000"),
        ({"network": {"hidden_widths": [10**6, 10**6]}}, "network.hidden_widths=[1000000, 1000000]"),
        ({"prior": {"name": "mixture-of-gaussians", "num_components": 10**10}}, "prior.num_components=10000000000"),
        ({"posterior": {"name": "full-gaussian"}, "model": {"latent_dim": 10**5}}, "model.latent_dim=100000"),
    ],
    ids=str,
)
def test_a_model_that_no_memory_holds_is_refused_by_its_keys(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(TooLargeError, match=f"does not fit into memory. Its largest sizes are {re.escape(said)}"):
        build_model(RunConfig.from_dict(changes), describe(X), jax.random.key(0), examples=X)


def test_free_memory_is_that_of_the_machine_or_of_the_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 10**6 < memory.free_bytes() < 2**63
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    machine = memory.free_bytes()
    for below, limit, current in (
        ("", "memory.max", "memory.current"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        (tmp_path / below).mkdir(exist_ok=True)
        (tmp_path / below / limit).write_text("5000\n")
        (tmp_path / below / current).write_text("2000\n")
        assert memory.free_bytes() == 3000
        (tmp_path / below / limit).write_text("max\n")
        assert memory.free_bytes() > machine / 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no ulimit")
def test_free_memory_is_what_ulimit_leaves() -> None:
    code = "from lowerbound.storage.memory import check_fits; check_fits(2.4e9, 'x', 'make it smaller')"
    found = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -v 2000000; exec "$0" -c "$1"', sys.executable, code],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert re.search(r"TooLargeError: x would take 2.4 GB of memory, and [1-2](\.\d)? GB are free; make it smaller", found.stderr)


def test_bytes_for_a_person() -> None:
    assert [memory.readable(size) for size in (0, 999, 1000, 1234567, 2.5e9, 7.1e15)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "1.2 MB",
        "2.5 GB",
        "7.1 PB",
    ]


@pytest.mark.parametrize("text", ["[" * 3000 + "]" * 3000, "[" + "9" * 5000, "{a=" * 2000], ids=["nested", "digits", "tables"])
def test_values_that_no_key_has_are_refused_in_a_short_sentence(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"network.hidden_widths is '.{77}\.\.\.'") as caught:
        parse_overrides([f"network.hidden_widths={text}"])
    assert len(str(caught.value)) < 250


def test_a_step_that_no_memory_holds_ends_in_a_sentence() -> None:
    with pytest.raises(TooLargeError, match=r"a step does not fit into memory; make training.batch_size or objective.num"):
        VAE(2, hidden_widths=(8,), epochs=1, config={"objective": {"num_samples": 10**7}}, automatic=False).fit(X)


def test_what_no_memory_holds_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", X)
    out, words = tmp_path / "run", ("train", tmp_path / "x.npy", *SMALL_ALONE, "--epochs", 1)
    too_many = command(*words, "--set", "objective.num_samples=10000000000", "--out", out)
    assert "a step does not fit into memory; make training.batch_size or objective.num_samples smaller" in too_many.error
    assert not out.exists()
    # The weights alone fit.
    monkeypatch.setattr("lowerbound.training.loop._BYTES_OF_WEIGHT", 1e12)
    assert re.search(r"training [\d,]+ weights, with gradients, averages .* would take", command(*words, "--out", out).error)
    assert not out.exists()


def test_more_steps_than_are_counted_are_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"training.epochs is 10,000,000,000, which .* at most 2,147,483,647 steps are counted"
    ):
        Schedule.plan(RunConfig.from_dict({"training": {"epochs": 10**10}}).training, 1000)


def test_a_warm_up_longer_than_any_run_is_one_that_does_not_end() -> None:
    config = RunConfig.from_dict({"objective": {"warmup_epochs": 10**12}, "training": {"learning_rate_warmup_epochs": 10**12}})
    assert Numbers.of(config.training, Schedule.plan(config.training, 1000), 1000).warmup_steps == LARGEST_STEP
    objective = build_objective(config, 10, 1000)
    assert isinstance(objective, ELBO)
    assert objective.warmup_steps == LARGEST_STEP
