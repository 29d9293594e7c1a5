"""A training process killed, terminated and interrupted in turn, resumed each time, ends as one that was never stopped."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
from commands import Result, figures, good, process_environment, small_images, started, wait_for_rows, weights

# Long enough that every signal comes in the middle; it is early stopping that ends it.
OPTIONS = [
    "network.hidden_widths=[8]",
    "network.dropout=0.1",
    "model.latent_dim=2",
    # Plain parts: what the data would choose takes longer to compile, in every process.
    "likelihood.name=gaussian",
    "prior.name=standard-normal",
    "training.batch_size=20",
    "training.learning_rate=0.02",
    "training.ema_decay=0.9",
    "training.epochs=3000",
    "training.early_stopping_patience=60",
    "training.validate_every=1",
    "training.checkpoint_every_seconds=0",
    "training.images_every=100000",
]


@dataclasses.dataclass(frozen=True)
class Story:
    """A run that was never stopped, one that was, and how its processes ended."""

    whole: Path
    stopped: Path
    endings: dict[str, Result]
    rows: dict[str, int]
    had_model: dict[str, bool]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("killed")
    np.save(folder / "images.npy", small_images())
    environment = process_environment(folder / "cache")
    whole, stopped = folder / "whole", folder / "stopped"
    begin = ["train", folder / "images.npy", *(word for option in OPTIONS for word in ("--set", option)), "--out"]
    endings, rows, had_model = {}, {}, {}
    arguments = [*begin, stopped]
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        with started(environment, *arguments) as process:
            wait_for_rows(process, stopped / "metrics.csv", rows.get("newest", 0) + 15)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=120)
            endings[number.name] = Result(process.returncode, stdout, stderr)
        rows[number.name] = rows["newest"] = len(figures(stopped)) - 1
        had_model[number.name] = (stopped / "model").exists()
        arguments = ["train", "--resume", stopped]
    # The pictures of a page are half the time of a run. What is not stopped needs no process of its own.
    endings["end"] = good(*arguments, "--no-report")
    endings["whole"] = good(*begin, whole, "--no-report")
    return Story(whole, stopped, endings, rows, had_model)


def test_the_run_was_really_stopped_in_its_middle(story: Story) -> None:
    assert not any(story.had_model.values())
    total = len(figures(story.whole)) - 1
    assert 15 <= story.rows["SIGKILL"] < story.rows["SIGTERM"] < story.rows["SIGINT"] < total
    assert story.endings["SIGKILL"].status == -signal.SIGKILL
    assert "early stopping" in story.endings["whole"].stderr
    assert total < 3000


def test_it_ends_with_the_same_bits(story: Story) -> None:
    assert (story.endings["end"].status, story.endings["whole"].status) == (0, 0)
    assert figures(story.stopped) == figures(story.whole)
    assert weights(story.stopped / "model") == weights(story.whole / "model")
    (last,), (other,) = (list((each / "checkpoints").glob(f"step-*{_steps(each)}")) for each in (story.stopped, story.whole))
    assert (last / "state.safetensors").read_bytes() == (other / "state.safetensors").read_bytes()
    scores = [json.loads(good("evaluate", each, "--samples", 20, "--json").stdout) for each in (story.stopped, story.whole)]
    assert np.isfinite(scores[0]["elbo_nats"])
    assert scores[0] == scores[1]


def _steps(run: Path) -> str:
    return figures(run)[-1].split(",")[1]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_saves_says_how_to_go_on_and_fails(story: Story, name: str) -> None:
    ending = story.endings[name]
    assert ending.status == 1
    last = ending.stderr.splitlines()[-1]
    found = re.fullmatch(rf"stopped by {name} after step ([\d,]+); all is saved\. Continue with: (.*)", last)
    assert found, ending
    assert int(found[1].replace(",", "")) == 4 * story.rows[name]
    assert shlex.split(found[2]) == ["lowerbound", "train", "--resume", str(story.stopped)]
    assert "Traceback" not in ending.stderr


def test_a_resumed_process_says_where_it_goes_on(story: Story) -> None:
    assert f"from step {4 * story.rows['SIGINT']:,}, into {story.stopped}" in story.endings["end"].stderr
    logs = sorted(path.name for path in story.stopped.glob("events.out.tfevents.*"))
    assert len(logs) == 4
