"""How a training is watched and stopped: the bar of a terminal, and signals as requests."""

from __future__ import annotations

import dataclasses
import io
import re
import signal
import sys
from pathlib import Path

import pytest
from commands import small_images

from lowerbound.cli.progress import display
from lowerbound.cli.runtime import StopRequest
from lowerbound.config import RunConfig
from lowerbound.data.dataset import Dataset
from lowerbound.runs.training import TrainingRun
from lowerbound.training import Record


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(tmp_path: Path) -> TrainingRun:
    changes = {
        "network": {"hidden_widths": [8]},
        "model": {"latent_dim": 2},
        "training": {"epochs": 40},
        "likelihood": {"name": "discretized-logistic"},
    }
    return TrainingRun.begin(
        tmp_path / "run", RunConfig().updated(changes), Dataset("x", small_images()), recipe="default", command=""
    )


def _record(epoch: float) -> Record:
    """The figures count down from -1234.57 in the order of the columns, so that a wrong one would show."""
    names = [field.name for field in dataclasses.fields(Record)][2:]
    values = {name: -1234.5678 - index for index, name in enumerate(names)}
    return Record(
        **{**values, "epoch": epoch, "step": int(4 * epoch), "examples_per_second": 12345.6, "skipped_steps": 0, "monitors": {}}
    )


def test_the_bar_shows_every_figure_on_80_columns(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with display(as_json=False, is_terminal=True) as show:
        for epoch in (1, 20, 40):
            show(_record(float(epoch)), run)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", terminal.getvalue()).replace("\r", "\n").splitlines()
    assert max(map(len, shown)) <= 80
    last = " ".join(" ".join(shown[-12:]).split())
    assert re.search(r"epoch 40/40 \S+ \d:\d\d:\d\d left \d:\d\d:\d\d 12,346 examples/s", last), last
    bits = 1239.5678 / (20 * 0.6931471805599453)
    assert f"train ELBO -1235.57 validation ELBO -1239.57 reconstruction -1242.57 KL -1243.57 bits/dim {bits:.3f}" in last
    assert "…" not in last
    assert any("compiling" in line for line in shown[:4])


def test_plain_lines_are_about_ten_a_run(run: TrainingRun, capsys: pytest.CaptureFixture[str]) -> None:
    with display(as_json=False, is_terminal=False) as show:
        for epoch in range(1, 41):
            show(_record(float(epoch)), run)
    epochs = [line.split("/")[0] for line in capsys.readouterr().out.splitlines()]
    assert epochs == [f"epoch={epoch}" for epoch in (*range(1, 40, 4), 40)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_insists(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopRequest() as request:
        assert request() is None
        signal.raise_signal(number)
        assert request() == f"stopped by {number.name}"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
