"""A run in its folder, in this process: stopped and resumed, refused, finished, and what is left when it fails."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import command, figures, good, small_images, weights
from limits import file_size_limit

from lowerbound.config import RunConfig
from lowerbound.data.datasets import load_configured, load_dataset
from lowerbound.errors import ConfigurationError, ModelFolderError, NonFiniteLossError
from lowerbound.recipes import resolve_config
from lowerbound.runs.checkpoints import latest_checkpoint, load_checkpoint_into
from lowerbound.runs.folder import RunFolder, load_model
from lowerbound.runs.training import TrainingRun
from lowerbound.training import STOPPED_EARLY, schedule

EPOCHS = 8
# The averaged weights, the best of them, and dropout are all part of what must come back.
CHANGES: dict[str, dict[str, Any]] = {
    "model": {"latent_dim": 2},
    "network": {"hidden_widths": [8], "dropout": 0.1},
    "training": {
        "epochs": EPOCHS,
        "batch_size": 20,
        "learning_rate": 0.01,
        "ema_decay": 0.9,
        "early_stopping_patience": 100,
        "validate_every": 2,
        "checkpoint_every_seconds": 0.0,
        "images_every": 1000,
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "images.npy"
    np.save(file, small_images())
    return file


# At the largest learning rate a first step makes each layer's numbers a thousand times larger: beyond float32 in the last.
DEEP = (8,) * 14


def _begin(folder: Path, data: Path, network: dict[str, Any] | None = None, **training: Any) -> TrainingRun:
    changes = {"data": {"name": str(data)}, "network": network or {}, "training": training}
    config = RunConfig().updated(CHANGES).updated(changes)
    return TrainingRun.begin(folder, config, load_dataset(data), recipe="default", command="")


def _stop_after(chunks: int) -> Any:
    answers = itertools.chain([None] * (chunks - 1), ["stopped by the test"])
    return lambda: next(answers)


def _resume(folder: Path, data: Path, **options: Any) -> TrainingRun:
    return TrainingRun.resume(folder, load_dataset(data), **options)


def _state(run: Path) -> bytes:
    (newest, *_) = sorted((run / "checkpoints").iterdir(), reverse=True)
    return (newest / "state.safetensors").read_bytes()


@pytest.fixture(scope="module")
def never_stopped(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    _begin(folder, data).run()
    return folder


def _assert_same(run: Path, other: Path) -> None:
    assert weights(run / "model") == weights(other / "model")
    assert _state(run) == _state(other)
    assert figures(run) == figures(other)


# Stopped and resumed -------------------------------------------------------------------------------------------------------


def test_stopped_and_resumed_twice_is_never_stopped(never_stopped: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = _begin(folder, data)
    run.run(should_stop=_stop_after(1))
    assert not run.is_finished
    assert not (folder / "model").exists()
    assert run.folder.info()["stop_reason"] == "stopped by the test"
    _resume(folder, data).run(should_stop=_stop_after(2))
    finished = _resume(folder, data)
    finished.run()
    assert finished.is_finished
    _assert_same(folder, never_stopped)
    assert finished.folder.info()["epochs_done"] == EPOCHS


def test_another_seed_is_another_run(never_stopped: Path, data: Path, tmp_path: Path) -> None:
    """The negative control of all that compares runs here."""
    _begin(tmp_path / "run", data, seed=1).run()
    assert weights(tmp_path / "run" / "model") != weights(never_stopped / "model")
    assert figures(tmp_path / "run") != figures(never_stopped)


def test_a_stop_between_two_looks_loses_no_figure(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 2 epochs, a look every 4: the means over a look's steps must span the stop."""
    monkeypatch.setattr(schedule, "MAX_STEPS_PER_CHUNK", 8)
    whole = _begin(tmp_path / "whole", data, validate_every=4)
    assert (whole.trainer.schedule.epochs_per_chunk, whole.trainer.schedule.validate_every) == (2, 4)
    whole.run()
    _begin(tmp_path / "run", data, validate_every=4).run(should_stop=_stop_after(1))
    assert not (tmp_path / "run" / "metrics.csv").exists()
    _resume(tmp_path / "run", data).run(should_stop=_stop_after(2))
    assert len(figures(tmp_path / "run")) == 1 + 1
    _resume(tmp_path / "run", data).run()
    _assert_same(tmp_path / "run", tmp_path / "whole")


def test_a_run_without_a_checkpoint_begins_again_and_says_so(never_stopped: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _begin(folder, data)
    # As a kill in the middle of the first row would leave it.
    (folder / "metrics.csv").write_bytes((never_stopped / "metrics.csv").read_bytes()[:300])
    run = _resume(folder, data)
    assert run.notes == ("there was no checkpoint yet: starting again",)
    run.run()
    _assert_same(folder, never_stopped)


def test_a_torn_checkpoint_is_passed_over_with_its_reason(never_stopped: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _begin(folder, data).run(should_stop=_stop_after(3))
    newest, previous = sorted((folder / "checkpoints").iterdir(), reverse=True)
    file = newest / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    run = _resume(folder, data)
    (note,) = run.notes
    assert note.startswith(f"checkpoint {newest.name} was refused: {file} is torn or changed")
    assert int(run.progress.state.step) == int(previous.name.removeprefix("step-"))
    # The command line says it, and goes on.
    assert f"note: {note}\n" in good("train", "--resume", folder).stderr
    _assert_same(folder, never_stopped)


def test_with_every_checkpoint_torn_there_is_nothing_to_resume(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _begin(folder, data).run(should_stop=_stop_after(3))
    for checkpoint in (folder / "checkpoints").iterdir():
        (checkpoint / "config.json").write_text("{")
    with pytest.raises(ModelFolderError, match=r"(?s)no checkpoint can be used.*refused.*refused.*Train again from the start"):
        _resume(folder, data)


# Finished runs -------------------------------------------------------------------------------------------------------------


def test_a_finished_run_has_nothing_left(never_stopped: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(never_stopped, folder)
    # The process ended before its report: resuming makes it, without training.
    first = good("train", "--resume", folder)
    assert (folder / "report.html").exists()
    assert (folder / "samples.png").exists()
    assert "epoch=" not in first.stdout
    _assert_same(folder, never_stopped)
    files = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())
    second = good("train", "--resume", folder)
    assert second.stderr == f"nothing to do: {folder} has ended already (all epochs). To train longer: --epochs N.\n"
    unchanged = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())
    assert [path for path, _ in files] == [path for path, _ in unchanged]


def test_more_epochs_make_the_longer_run(never_stopped: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _begin(folder, data, epochs=4).run()
    run = _resume(folder, data, epochs=EPOCHS)
    assert not run.is_finished
    run.run()
    _assert_same(folder, never_stopped)
    assert run.folder.config().training.epochs == EPOCHS


def test_fewer_epochs_than_are_done_are_refused(never_stopped: Path, data: Path) -> None:
    before = (never_stopped / "config.toml").read_bytes()
    with pytest.raises(ConfigurationError, match=r"epochs is 3, but the run in .* has done 8 epochs already"):
        _resume(never_stopped, data, epochs=3)
    assert (never_stopped / "config.toml").read_bytes() == before


def test_a_run_that_stopped_early_is_not_trained_on(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    training = {"epochs": 400, "learning_rate": 0.1, "early_stopping_patience": 4}
    run = _begin(folder, data, **training)
    run.run()
    assert run.progress.stop_reason == STOPPED_EARLY
    before = (folder / "config.toml").read_bytes()
    assert _resume(folder, data, epochs=800).is_finished
    good("train", "--resume", folder)
    result = good("train", "--resume", folder, "--epochs", 800)
    assert result.stderr == (
        f"nothing to do: {folder} has ended already (early stopping). "
        "To train on all the same, start a new run with --set training.early_stopping_patience=0.\n"
    )
    assert (folder / "config.toml").read_bytes() == before


# What is refused, and what is left -----------------------------------------------------------------------------------------


def test_other_data_are_refused(never_stopped: Path, data: Path, tmp_path: Path) -> None:
    folder, moved = tmp_path / "run", tmp_path / "images.npy"
    np.save(moved, small_images())
    _begin(folder, moved).run(should_stop=_stop_after(1))
    before = sorted((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())
    for other, message in (
        (small_images(seed=1), "the shape is the same, but the values are not"),
        (small_images(119), "the number of examples was 120 and is 119"),
        (small_images().astype(np.float32), "the type of the values was uint8 and is float32"),
    ):
        np.save(moved, other)
        result = command("train", "--resume", folder)
        assert result.status == 1
        assert f"these are not the data that the run began with: {message}" in result.error
    moved.unlink()
    assert "there is no file" in command("train", "--resume", folder).error
    assert sorted((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file()) == before


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(data: Path, tmp_path: Path) -> None:
    """One step an epoch: the first moves the weights out of all bounds, the second cannot be computed."""
    folder = tmp_path / "run"
    run = _begin(folder, data, {"hidden_widths": DEEP}, learning_rate=1000.0, batch_size=96, validate_every=1)
    with pytest.raises(NonFiniteLossError) as caught:
        run.run()
    pattern = (
        r"the (reconstruction|KL) term.* became (nan|-?inf) at step 2 \(epoch 2\)\. .*Try a lower training\.learning_rate.*"
        rf"The last good checkpoint, of step 1, is kept in {re.escape(str(folder))}/checkpoints/step-00000001\."
    )
    assert re.fullmatch(pattern, str(caught.value), re.DOTALL)
    checkpoint = latest_checkpoint(folder / "checkpoints")
    assert checkpoint is not None
    blank = run.trainer.start()
    like = run.trainer.current_model(blank), (blank.state, blank.best_params)
    _, (state, _) = load_checkpoint_into(checkpoint.path, *like)
    assert int(state.step) == 1
    assert all(np.isfinite(np.asarray(layer.weight)).all() for layer in state.params.encoder.layers)
    load_model(checkpoint.path)
    assert run.folder.info()["stop_reason"] == "the loss was not finite"


def test_a_loss_that_is_not_finite_at_once_leaves_the_untrained_model_for_the_doctor(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings = ["learning_rate=1000", "batch_size=20", "epochs=8", "checkpoint_every_seconds=1000"]
    options = [word for setting in settings for word in ("--set", f"training.{setting}")]
    result = command("train", data, *options, "--set", f"network.hidden_widths={list(DEEP)}", "--out", folder)
    assert result.status == 1
    assert re.search(r"There was no checkpoint yet; the untrained model is kept in .*step-00000000\.$", result.error)
    assert "the loss was not finite" in good("info", folder).stdout
    said = json.loads(good("doctor", folder, "--json").stdout)
    assert [finding["check"] for finding in said["findings"]] == ["divergence"]
    assert said["findings"][0]["command"].endswith("--set training.learning_rate=0.001 --set training.gradient_clip=100")
    assert {"check": "posterior-collapse", "needs": "a trained model"} in said["not_checked"]
    # What is kept is the start: a gentler run from there is that run from its beginning.
    assert command("train", "--resume", folder).error.count("none of them was taken") == 1


def test_a_full_disk_leaves_the_run_as_it_was_saved(never_stopped: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _begin(folder, data).run(should_stop=_stop_after(2))
    before = latest_checkpoint(folder / "checkpoints")
    assert before is not None
    limit = (before.path / "state.safetensors").stat().st_size - 1
    with file_size_limit(limit):
        result = command("train", "--resume", folder)
    assert result.status == 1
    assert re.search(r"could not save .*step-\d{8}: File too large\. What was saved there before is untouched\.", result.error)
    after = latest_checkpoint(folder / "checkpoints")
    assert after is not None
    assert (after.step, after.refused) == (before.step, ())
    _resume(folder, data).run()
    _assert_same(folder, never_stopped)


def test_what_the_data_chose_is_kept_with_its_reasons(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    np.save(tmp_path / "rows.npy", rows)
    config, recipe = resolve_config(str(tmp_path / "rows.npy"), overrides=["network.hidden_widths=[8]"])
    given = {"recipe": "default", "command": "", "given": recipe.given}
    run = TrainingRun.begin(tmp_path / "run", config, load_dataset(tmp_path / "rows.npy"), **given)
    assert len(run.choices) > 5
    kept = RunFolder.open(tmp_path / "run").choices
    assert [choice.words for choice in kept] == [choice.words for choice in run.choices]
    assert all("hidden_widths" not in choice.values for choice in kept), "a person set it"
    # The command line shows them, and a folder that is damaged there is refused with the field's name.
    assert " ".join(good("info", tmp_path / "run").stdout.split()).count("falls to 0") == 1
    file = tmp_path / "run" / "run.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "choices": [{"section": "prior", "values": {}, "reason": 3}]}))
    with pytest.raises(ModelFolderError, match=re.escape("choices[0].reason is 3; expected a text.")):
        RunFolder.open(tmp_path / "run")
    # Runs of before had no such field.
    file.write_text(json.dumps({name: value for name, value in content.items() if name != "choices"}))
    assert RunFolder.open(tmp_path / "run").choices == ()


def test_zeros_and_ones_drawn_anew_come_back_bit_for_bit(data: Path, tmp_path: Path) -> None:
    config = RunConfig().updated(CHANGES).updated({"data": {"name": str(data), "binarize": "dynamic"}, "training": {"epochs": 4}})
    loaded = load_configured(config.data)

    def begun(name: str) -> TrainingRun:
        return TrainingRun.begin(tmp_path / name, config, loaded, recipe="", command="")

    whole = begun("whole")
    assert any("each step of training draws zeros and ones anew" in note for note in whole.notes)
    assert whole.config.likelihood.name == "bernoulli"
    whole.run()
    begun("parts").run(should_stop=_stop_after(1))
    TrainingRun.resume(tmp_path / "parts", loaded).run()
    assert weights(tmp_path / "parts" / "model") == weights(tmp_path / "whole" / "model")
    assert figures(tmp_path / "parts") == figures(tmp_path / "whole")
    without = dataclasses.replace(loaded, probability=None)
    with pytest.raises(
        ConfigurationError, match=r"data.binarize is 'dynamic', but .* came without the probabilities to draw from"
    ):
        TrainingRun.begin(tmp_path / "without", config, without, recipe="", command="")
    once = TrainingRun.begin(tmp_path / "once", config.updated({"data": {"binarize": "fixed"}}), without, recipe="", command="")
    once.run()
    assert weights(tmp_path / "once" / "model") != weights(tmp_path / "whole" / "model")


def test_a_table_with_holes_of_which_more_are_hidden_comes_back_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = np.stack([rng.choice(["red", "blue", "green"], 60), np.char.mod("%.3f", rng.normal(size=60)), rng.poisson(3, 60)], 1)
    cells[rng.random((60, 3)) < 0.2] = ""
    data = tmp_path / "table.csv"
    data.write_text("\n".join(["colour,size,visits", *map(",".join, cells.tolist())]) + "\n")
    holes = {"hide_elements": 0.5, "epochs": 4}
    whole = _begin(tmp_path / "whole", data, **holes)
    whole.run()
    _begin(tmp_path / "run", data, **holes).run(should_stop=_stop_after(1))
    stopped = _state(tmp_path / "run")
    _resume(tmp_path / "run", data).run()
    assert stopped != _state(tmp_path / "run")
    _assert_same(tmp_path / "run", tmp_path / "whole")
