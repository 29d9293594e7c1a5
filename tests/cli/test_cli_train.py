"""`lowerbound train`: where data and configuration come from, what is said, and what a run leaves."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import scipy.io
from commands import SMALL, command, figures, good, small_images, weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lowerbound.cli import train as train_command
from lowerbound.config import RunConfig
from lowerbound.data.dataset import Dataset
from lowerbound.recipes import resolve_config
from lowerbound.runs.training import TrainingRun


def _config(run: Path) -> dict[str, Any]:
    return tomllib.loads((run / "config.toml").read_text())


# What a run leaves ---------------------------------------------------------------------------------------------------------


def test_a_run_leaves_all_that_a_person_was_promised(images_run: Path) -> None:
    expected = {
        "config.toml",
        "run.json",
        "split.npz",
        "metrics.csv",
        "evaluation.json",
        "model",
        "checkpoints",
        "samples.png",
        "reconstructions.png",
        "learning_curve.png",
        "latent_space.png",
        "report.html",
        ".lock",
    }
    names = {entry.name for entry in images_run.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert names - events == expected
    for name in expected:
        if name.endswith(".png"):
            with PIL.Image.open(images_run / name) as picture:
                assert min(picture.size) > 50, name
                assert len(np.unique(np.asarray(picture))) > 10, name
    assert {entry.name for entry in (images_run / "model").iterdir()} == {"config.json", "weights.safetensors"}
    assert (images_run / "checkpoints" / "step-00000024").is_dir()
    assert len(figures(images_run)) == 1 + 6
    log = EventAccumulator(str(images_run)).Reload()
    assert log.Tags()["graph"]
    assert len(log.Scalars("elbo_nats/validation")) == 6
    assert log.Tags()["images"] == ["samples", "reconstructions"]


def test_the_configuration_given_back_makes_the_same_weights(images_run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    result = good("train", "--recipe", images_run / "config.toml", "--out", again, "--no-report")
    assert result.stderr.endswith(f"s of training. For its report: lowerbound train --resume {again}\n")
    assert not any((again / name).exists() for name in ("report.html", "evaluation.json", "samples.png"))
    assert "nothing to do" in good("train", "--resume", again, "--no-report").stderr
    assert weights(again / "model") == weights(images_run / "model")
    assert figures(again) == figures(images_run)
    assert _config(again) == _config(images_run)
    other = tmp_path / "other"
    good("train", "--recipe", images_run / "config.toml", "--set", "data.split_seed=1", "--out", other, "--no-report")
    assert weights(other / "model") != weights(images_run / "model")


def test_automatic_choices_are_written_down_as_what_they_stand_for(images_run: Path, bits_run: Path, table_run: Path) -> None:
    images, bits, table = (_config(run) for run in (images_run, bits_run, table_run))
    assert (images["likelihood"]["name"], images["data"]["scaling"]) == ("gaussian", "standard")
    assert (bits["likelihood"]["name"], bits["data"]["scaling"]) == ("bernoulli", "none")
    assert (table["likelihood"]["name"], table["data"]["scaling"]) == ("gaussian", "standard")
    assert Path(images["data"]["name"]).is_absolute()
    assert images["model"]["latent_dim"] == 2
    assert images["network"]["hidden_widths"] == [8]
    assert images["training"]["epochs"] == 6


# Data of every kind --------------------------------------------------------------------------------------------------------


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[TrainingRun]:
    """The runs that `train` begins; their training itself is left out, which costs seconds and is tested above."""
    runs: list[TrainingRun] = []
    monkeypatch.setattr(train_command, "_train", lambda run, devices, **_: runs.append(run))
    return runs


def _sources(folder: Path) -> dict[str, list[str]]:
    images = small_images(30)
    np.savez(folder / "one.npz", images)
    np.savez(folder / "two.npz", images=images, labels=np.arange(30))
    scipy.io.savemat(folder / "two.mat", {"images": images, "labels": np.arange(30)})
    for name, pixels in {"grey": images, "colour": np.stack([images, images // 2, 255 - images], axis=-1)}.items():
        (folder / name).mkdir()
        for index, image in enumerate(pixels):
            PIL.Image.fromarray(image).save(folder / name / f"{index:03}.png")
    return {
        "one.npz": ["one.npz"],
        "a key in .npz": ["two.npz", "--set", "data.key=images"],
        "a key in .mat": ["two.mat", "--set", "data.key=images"],
        "grey": ["grey"],
        "colour": ["colour/"],
        "digits": ["digits"],
    }


def test_every_kind_of_data_is_taken(begun: list[TrainingRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number, (what, arguments) in enumerate(_sources(tmp_path).items()):
        good("train", *arguments, *SMALL)
        run = begun[number]
        shape = {"colour": (4, 5, 3), "digits": (8, 8)}.get(what, (4, 5))
        assert run.spec.event_shape == shape, what
        assert len(run.dataset.examples) == (1797 if what == "digits" else 30)
    assert [run.folder.path for run in begun] == [
        Path("runs") / name for name in ("one-1", "two-1", "two-2", "grey-1", "colour-1", "digits-1")
    ]
    # A file is found again from any folder; a named set keeps its name.
    assert [run.config.data.name for run in begun][-2:] == [str(tmp_path / "colour"), "digits"]


def test_a_variable_that_must_be_named_is_asked_for(begun: list[TrainingRun], tmp_path: Path) -> None:
    _sources(tmp_path)
    result = command("train", tmp_path / "two.mat", "--out", tmp_path / "run")
    assert result.status == 1
    assert "holds 2 variables" in result.error
    assert "--set data.key=images" in result.error
    assert not begun
    assert not (tmp_path / "run").exists()


def test_no_argument_means_the_built_in_faces(begun: list[TrainingRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good("train")
    (run,) = begun
    assert (run.dataset.name, run.split.sizes) == ("faces", {"train": 1565, "validation": 200, "test": 200})
    assert run.folder.path == Path("runs/faces-1")
    assert run.folder.info()["recipe"] == "demo"
    assert run.folder.info()["command"] == "lowerbound train"
    wanted = resolve_config(None, None, [], {})[0]
    assert run.config.training == wanted.training
    assert run.config.network == wanted.network


def test_options_win_over_the_recipe_and_the_last_override_wins(begun: list[TrainingRun], tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        '[recipe]\nextends = "default"\n[data]\nname = "digits"\n[training]\nepochs = 7\nseed = 3\nbatch_size = 10\n'
    )
    options = ["--set", "training.batch_size=20", "--set", "training.batch_size=30", "--epochs", 8, "--seed", 4]
    good("train", "--recipe", recipe, *options, "--out", tmp_path / "run")
    (run,) = begun
    training = run.config.training
    assert (training.epochs, training.seed, training.batch_size) == (8, 4, 30)
    assert run.config.data.name == "digits"
    assert training.early_stopping_patience == resolve_config("digits")[0].training.early_stopping_patience
    assert run.config == RunConfig.from_dict(_config(tmp_path / "run"))


def test_data_that_come_with_a_split_and_an_objective_that_is_the_elbo_say_so(
    images_run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from lowerbound.data.splits import consecutive_split

    dataset = Dataset("given", small_images(), split=consecutive_split(96, 12, 12))
    config = RunConfig.from_dict(_config(images_run)).updated(
        {"data": {"validation": 50}, "objective": {"name": "iwae", "num_samples": 1}}
    )
    run = TrainingRun.begin(tmp_path / "run", config, dataset, recipe="default", command="")
    train_command._train(run, None, report=False, as_json=False, resumed=False)
    said = capsys.readouterr().err
    assert "note: given comes with its own split; data.validation, data.test and data.split_seed are not used.\n" in said
    assert "note: objective.num_samples is 1, and a single importance weight makes this objective the plain ELBO; set " in said
    assert "training on given (96 train, 12 validation, 12 test)" in said


# What is said --------------------------------------------------------------------------------------------------------------


def test_a_log_gets_plain_lines_and_a_last_word(files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    levels = ("--set", "likelihood.name=discretized-logistic")
    result = good("train", files / "images.npy", *SMALL, *levels, "--epochs", 6, "--out", folder)
    lines = result.stdout.splitlines()
    progress = [line for line in lines if line.startswith("epoch=")]
    number = r"-?\d+\.\d+"
    for epoch, line in enumerate(progress, start=1):
        pattern = rf"epoch={epoch}/6 train_elbo={number} validation_elbo={number} reconstruction={number} kl={number} "
        assert re.fullmatch(pattern + r"bits_per_dim=\d\.\d+ examples_per_s=\d+", line), line
    assert len(progress) == 6
    first, *_, last = result.stderr.splitlines()
    assert first == f"training on {files / 'images.npy'} (96 train, 12 validation, 12 test), into {folder}"
    kept = r"all epochs: 6 epochs, of which the weights of epoch \d are kept \(by validation ELBO\),"
    assert re.fullmatch(rf"{kept} in \d+\.\d s of training\. Open {folder}/report\.html", last)
    assert "test split, 12 examples" in result.stdout
    assert max(map(len, lines)) <= 125
    assert "\x1b" not in result.stdout + result.stderr


def test_json_lines_are_the_rows_of_the_metrics(images_run: Path, tmp_path: Path) -> None:
    result = good("train", "--recipe", images_run / "config.toml", "--out", tmp_path / "run", "--json")
    *progress, finished = map(json.loads, result.stdout.splitlines())
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert ["event", *rows[0].split(",")] == list(progress[0])
    for event, row in zip(progress, rows[1:], strict=True):
        values = list(event.values())[1:]
        assert [float(value) for value in row.split(",")] == values
    assert finished["event"] == "finished"
    assert finished["run"] == str(tmp_path / "run")
    assert Path(finished["report"]).is_file()
    scores = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert {**{name: finished.get(name) for name in scores}, "format": "lowerbound-evaluation", "version": 4} == scores


def test_constant_pixels_are_warned_of_in_a_sentence(begun: list[TrainingRun], tmp_path: Path) -> None:
    images = small_images(30)
    images[:, 0, 0] = 7
    np.save(tmp_path / "x.npy", images)
    result = good("train", tmp_path / "x.npy", *SMALL, "--out", tmp_path / "run")
    assert result.stderr.startswith(f"warning: {tmp_path / 'x.npy'}: 1 of 20 pixels never change: (0, 0) (always 7).")
    assert ".py:" not in result.stderr


# What is refused -----------------------------------------------------------------------------------------------------------


def _infinite(folder: Path) -> list[object]:
    np.save(folder / "infinite.npy", np.array([[0.0, 1.0], [np.inf, 2.0], [3.0, 4.0]]))
    return [folder / "infinite.npy"]


def _one_row(folder: Path) -> list[object]:
    np.save(folder / "one.npy", np.ones((1, 4)))
    return [folder / "one.npy"]


def _text(folder: Path) -> list[object]:
    rows = "".join(f"{number % 7},{number}\n" for number in range(5, 35))
    (folder / "table.csv").write_text(f"a,b\n1,2\n3,four\n{rows}")
    return [folder / "table.csv"]


def _torn(folder: Path) -> list[object]:
    np.save(folder / "torn.npy", small_images())
    (folder / "torn.npy").write_bytes((folder / "torn.npy").read_bytes()[:500])
    return [folder / "torn.npy"]


def _corrupt_image(folder: Path) -> list[object]:
    for index in range(3):
        PIL.Image.fromarray(small_images(1)[0]).save(folder / f"{index}.png")
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])
    return [folder]


def _outside(folder: Path) -> list[object]:
    np.save(folder / "x.npy", small_images(30))
    return [folder / "x.npy", "--set", "likelihood.name=bernoulli"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["digitz"], 1, r"the data set 'digitz' does not exist.* Did you mean 'digits'\?"),
        ([""], 2, r"DATA is empty; expected a named data set or a path\. An unset variable of the shell looks like this"),
        (["nowhere.npy"], 1, r"there is no file nowhere\.npy"),
        (["--recipe", "fases"], 2, r"recipe is 'fases', which does not exist\. Did you mean 'faces'\?"),
        (["--recipe", "nowhere.toml"], 2, r"there is no configuration file nowhere\.toml"),
        (["--set", "model.latent_dimm=3"], 2, r"'latent_dimm', which does not exist\. Did you mean 'latent_dim'\?"),
        (["--set", "modle.latent_dim=3"], 2, r"'modle', which does not exist\. Did you mean 'model'\?"),
        (["--set", "latent_dim=3"], 2, r"'latent_dim' is in no section\. Did you mean model\.latent_dim\?"),
        (["--set", "model.latent_dim"], 2, r"has no '='; expected section\.key=value"),
        (["--set", "model.latent_dim=many"], 2, r"model\.latent_dim is 'many' \(text\); expected an integer >= 1"),
        (["--set", "likelihood.name=gausian"], 2, r"'gausian', which does not exist\. Did you mean 'gaussian'\?"),
        (["--epochs", "0"], 2, r"training\.epochs is 0 .*; expected an integer >= 1"),
        (["--seed", "-1"], 2, r"--seed is -1 .*; expected an integer from 0"),
        (["--set", "data.validation=0"], 2, r"early_stopping_patience is \d+ but data\.validation is 0"),
        (_infinite, 1, r"contains 1 infinite of 6 values.* the first is inf at index \(1, 0\)"),
        (_one_row, 1, r"has only one row"),
        (_text, 1, r"table\.csv: line 3, column 'b' is the text 'four', but 0\.96\d+ of the column's cells are numbers"),
        (_torn, 1, r"torn\.npy is torn"),
        (_corrupt_image, 1, r"the image .*1\.png could not be read"),
        (
            _outside,
            1,
            r"'bernoulli', whose support is \{0, 1\}.* Likelihoods that fit these data: gaussian, .*discretized-logistic",
        ),
    ],
)
def test_bad_input_is_explained_and_leaves_nothing(
    arguments: Any, status: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, out = tmp_path / "given", tmp_path / "here"
    given.mkdir()
    out.mkdir()
    monkeypatch.chdir(out)
    result = command("train", *(arguments if isinstance(arguments, list) else arguments(given)))
    assert result.status == status
    assert re.search(message, result.error, re.DOTALL)
    assert result.stdout == ""
    assert list(out.iterdir()) == []


def test_a_folder_that_is_not_empty_is_left_alone(images_run: Path, tmp_path: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in images_run.rglob("*"))
    result = command("train", "digits", "--out", images_run)
    assert result.status == 2
    assert f"the run folder {images_run} is not empty; nothing was touched" in result.error
    assert f"lowerbound train --resume {images_run}" in result.error
    assert sorted((path, path.stat().st_mtime_ns) for path in images_run.rglob("*")) == before
    (tmp_path / "file").write_text("mine")
    result = command("train", "digits", "--out", tmp_path / "file")
    assert (result.status, (tmp_path / "file").read_text()) == (2, "mine")
    assert "is a file" in result.error
    result = command("train", "digits", "--out", tmp_path / "file" / "run")
    assert result.status == 1
    assert "A part of that path is a file; save to a path whose parents are folders." in result.error


@pytest.mark.parametrize(
    ("options", "named"),
    [(["digits"], "DATA"), (["--seed", 0], "--seed"), (["--set", "model.latent_dim=3"], "--set"), (["--out", "x"], "--out")],
)
def test_resume_takes_no_other_configuration(images_run: Path, options: list[object], named: str) -> None:
    result = command("train", *options, "--resume", images_run)
    assert result.status == 2
    assert f"{named} cannot be given with it" in result.error
