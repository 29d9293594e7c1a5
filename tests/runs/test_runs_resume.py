"""What a resumed run takes over, what it refuses, and that a folder is made whole or not at all. Nothing is trained here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from limits import file_size_limit

from lowerbound.config import RunConfig
from lowerbound.data.dataset import Dataset
from lowerbound.data.datasets import load_dataset
from lowerbound.errors import ConfigurationError, SavingError
from lowerbound.runs import training
from lowerbound.runs.checkpoints import latest_checkpoint
from lowerbound.runs.folder import RunFolder
from lowerbound.runs.training import TrainingRun

SAVED = Path(__file__).parents[1] / "storage" / "saved" / "v0.1.0"


@pytest.fixture
def table() -> Dataset:
    return load_dataset(SAVED / "table.npy")


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run of release 0.1.0 that was stopped in the middle."""
    return Path(shutil.copytree(SAVED / "runs" / "adagrad", tmp_path / "run"))


def replace(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_the_description_of_the_data_and_the_constants_are_those_of_the_checkpoint(
    stopped: Path, table: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(training, "described", never)
    monkeypatch.setattr("lowerbound.training.preparation.build_model", never)
    checkpoint = latest_checkpoint(stopped / "checkpoints")
    assert checkpoint is not None
    run = TrainingRun.resume(stopped, table)
    assert run.spec == checkpoint.spec
    assert int(run.progress.state.step) == checkpoint.step == 8


def test_an_edited_configuration_is_refused_with_its_key(stopped: Path, table: Dataset) -> None:
    replace(stopped / "config.toml", "learning_rate = 0.01", "learning_rate = 0.5")
    message = r"config\.toml was edited: training\.learning_rate is 0\.5, and the run was trained with 0\.01.*set training\.lea"
    with pytest.raises(ConfigurationError, match=message):
        TrainingRun.resume(stopped, table)
    replace(stopped / "config.toml", "learning_rate = 0.5", "learning_rate = 0.01")
    # Where the data lie, and how long to train, is free; what the data are is held to their fingerprint.
    replace(stopped / "config.toml", 'name = "table.npy"', 'name = "moved/table.npy"')
    run = TrainingRun.resume(stopped, table, epochs=11)
    assert (run.config.data.name, run.config.training.epochs) == ("moved/table.npy", 11)
    # What was said on the command line stands, also before the next checkpoint.
    assert TrainingRun.resume(stopped, table).config.training.epochs == 11


def test_other_versions_than_those_that_began_the_run_are_a_note(stopped: Path, table: Dataset) -> None:
    replace(stopped / "run.json", '"jax": "0.10.2"', '"jax": "0.0.1"')
    notes = TrainingRun.resume(stopped, table).notes
    assert "jax 0.0.1 (now " in notes[0]
    assert notes[0].endswith("from here on its numbers may differ in their last digits.")


def test_two_processes_cannot_train_into_one_folder(stopped: Path, table: Dataset) -> None:
    run = TrainingRun.resume(stopped, table)
    with RunFolder(stopped).locked():
        for train in (lambda: TrainingRun.resume(stopped, table), run.run):
            with pytest.raises(
                ConfigurationError, match=r"being trained by another process \(process \d+ on .*\); nothing was touc"
            ):
                train()
    with RunFolder(stopped).locked():
        pass


# Making the folder ----------------------------------------------------------------------------------------------------------


def begin(path: Path, table: Dataset) -> TrainingRun:
    sections = {"data": {"name": "table.npy"}, "model": {"latent_dim": 2}, "network": {"hidden_widths": [4]}}
    return TrainingRun.begin(path, RunConfig.from_dict(sections), table, recipe="default", command="")


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_that_cannot_be_made_whole_is_not_made(is_there: bool, tmp_path: Path, table: Dataset) -> None:
    path = tmp_path / "runs" / "one"
    if is_there:
        path.mkdir(parents=True)
    with file_size_limit(100), pytest.raises(SavingError, match=r"could not save .*The system limits the size"):
        begin(path, table)
    assert (list(path.iterdir()) if is_there else list(path.parent.iterdir())) == []
    begin(path, table)
    assert json.loads((path / "run.json").read_text())["version"] == 2


def test_a_folder_that_another_process_made_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "one"

    def create() -> None:
        with RunFolder.created(path) as folder:
            folder.config_file.write_text("mine")
            path.mkdir()
            (path / "config.toml").write_text("theirs")

    with pytest.raises(SavingError, match=r"Another process made that folder meanwhile"):
        create()
    assert [file.name for file in tmp_path.iterdir()] == ["one"]
    assert (path / "config.toml").read_text() == "theirs"
