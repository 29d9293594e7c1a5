"""A semi-supervised run on the command line: labels with holes in, classes out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL, SMALL_ALONE, command, good

_MODEL = ("--set", "model.name=semi-supervised", "--set", "objective.name=semi-supervised", "--set", "objective.labelled_batch=4")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On a table of two far groups, of whose rows every second has its kind."""
    folder = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 120)
    rows = rng.normal(size=(120, 3)) + 8 * group[:, None]
    kinds = [("cat", "dog")[number] if row % 2 == 0 else "" for row, number in enumerate(group)]
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{kind}" for (a, b, c), kind in zip(rows, kinds, strict=True)]
    (folder / "own.csv").write_text("a,b,c,kind\n" + "\n".join(lines) + "\n", encoding="utf-8")
    # Rows to be labelled, without a column of labels.
    (folder / "new.csv").write_text("a,b,c\n0,0.1,0.2\n8,8.1,7.9\n0.5,0,0\n", encoding="utf-8")
    options = ("--epochs", 20, "--set", "data.condition=kind", "--set", "data.validation=20", "--set", "data.test=0")
    good("train", folder / "own.csv", *SMALL_ALONE, *_MODEL, *options, "--out", folder / "run")
    return folder / "run"


def test_classes_of_new_rows_and_errors_of_known_ones(run: Path, tmp_path: Path) -> None:
    good("classify", run, run.parent / "new.csv", "--out", tmp_path / "classes.csv")
    with (tmp_path / "classes.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["class", "q(cat|x)", "q(dog|x)"]
    assert [row[0] for row in rows] == ["cat", "dog", "cat"]
    for row in rows:
        shares = [float(value) for value in row[1:]]
        assert sum(shares) == pytest.approx(1)
        assert ("cat", "dog")[int(np.argmax(shares))] == row[0]
    found = json.loads(good("classify", run, "--split", "train", "--json").stdout)
    # All that have a label are trained on, and no others are counted.
    model, trees, shares = (found[name] for name in ("model", "gradient boosting", "class shares"))
    assert model["num_rows"] == trees["num_rows"] == 60
    assert model["accuracy"] >= 0.95 > shares["accuracy"]
    # p(y|x) by Bayes' rule, from p(x|y) of each class, of the same rows.
    bayes = json.loads(good("classify", run, "--split", "train", "--by", "bayes", "--samples", 20, "--json").stdout)
    assert bayes["by"] == "bayes"
    assert bayes["model"]["accuracy"] >= 0.95
    stored = json.loads((run / "classification.json").read_text(encoding="utf-8"))
    assert stored["labels"]["kind"] == bayes
    assert "calibration error" in good("classify", run, "--split", "train").stdout


def test_examples_without_a_label_are_not_counted(run: Path) -> None:
    for arguments in ((run.parent / "new.csv",), ("--split", "validation")):
        assert "have no labels to compare with; write their classes" in good("classify", run, *arguments).stderr


def test_it_is_a_model_like_any_other(run: Path, tmp_path: Path) -> None:
    score = json.loads(good("evaluate", run, "--split", "validation", "--samples", 50, "--json").stdout)
    assert score["elbo_nats"] <= score["log_evidence_nats"]
    for options in ((), ("--condition", "cat"), ("--condition", "all")):
        good("sample", run, "-n", 6, *options, "--out", tmp_path / "new.csv", "--overwrite")
    cats = tmp_path / "cats.npy"
    good("sample", run, "-n", 50, "--condition", "cat", "--out", cats)
    # The other group lies at 8.
    assert np.load(cats).mean() < 4
    good("reconstruct", run, run.parent / "new.csv", "--out", tmp_path / "pairs.csv")
    good("encode", run, run.parent / "new.csv", "--out", tmp_path / "codes.csv", "--std")


@pytest.mark.long
def test_it_is_examined_and_has_its_page(run: Path) -> None:
    good("train", "--resume", run)
    good("doctor", run)
    assert (run / "report.html").exists()


def test_a_run_goes_on_to_the_bit(run: Path, tmp_path: Path) -> None:
    # Nothing that depends on how long a run is to be.
    free = ("training.learning_rate_schedule=constant", "training.early_stopping_patience=0")
    settings = ("data.condition=kind", "data.validation=20", "data.test=0", *free)
    options = ("--no-report", *(part for setting in settings for part in ("--set", setting)))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    good("train", run.parent / "own.csv", *SMALL, *_MODEL, *options, "--epochs", 4, "--out", whole)
    good("train", run.parent / "own.csv", *SMALL, *_MODEL, *options, "--epochs", 2, "--out", parts)
    good("train", "--resume", parts, "--epochs", 4, "--no-report")
    weights = [(folder / "model" / "weights.safetensors").read_bytes() for folder in (whole, parts)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "data.condition=kind", "--set", "data.labelled=1"), "of 2 classes; expected a number from 2 to"),
        (("--set", "data.condition=b"), "which is no class; expected whole numbers or texts"),
        ((), "model.name is 'semi-supervised', but the examples have no classes; expected two or more"),
    ],
)
def test_what_cannot_be_is_refused(run: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    own = tmp_path / "own.csv"
    rows = (run.parent / "own.csv").read_text(encoding="utf-8")
    own.write_text(
        rows if "data.condition=kind" in options else rows.replace("cat", "1").replace("dog", "2").replace(",\n", ",0\n")
    )
    failed = command("train", own, *SMALL, *_MODEL, *options, "--out", tmp_path / "run")
    assert failed.status in (1, 2), failed.stderr
    assert message in " ".join(failed.stderr.split())


def test_models_that_take_conditions_for_known_are_told_no_labels(tmp_path: Path) -> None:
    for options, message in (
        (("data.labelled=9",), "data.labelled is 9, but the model 'single-layer' takes the condition of each example for known"),
        (("model.name=semi-supervised", "data.condition=labels"), "set objective.name=semi-supervised"),
    ):
        words = [part for option in options for part in ("--set", option)]
        failed = command("train", "digits", *SMALL, *words, "--out", tmp_path / "run")
        assert failed.status == 2, failed.stderr
        assert message in " ".join(failed.stderr.split())


def test_labels_that_training_never_saw(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b,c,kind\n0,0,0,cat\n8,8,8,horse\n", encoding="utf-8")
    failed = command("classify", run, tmp_path / "other.csv")
    assert failed.status == 1
    assert "the label 'horse' of example 1 is none of the classes" in " ".join(failed.stderr.split())


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of texts, numbers and holes; the colour, which a third of the rows lack, follows from size and town."""
    file = tmp_path_factory.mktemp("people") / "people.csv"
    rng = np.random.default_rng(0)
    red = rng.random(240) < 0.4
    size = np.where(red, 10.0, 4.0) + rng.normal(size=240)
    town = np.where(rng.random(240) < np.where(red, 0.9, 0.2), "Ulm", "Bonn")
    lines = ["size,town,colour"]
    for row in range(240):
        cells = (f"{size[row]:.3f}", town[row], "red" if red[row] else "blue")
        lacks = rng.random(3) < (0.1, 0.1, 0.33)
        lines.append(",".join("" if lack else cell for cell, lack in zip(cells, lacks, strict=True)))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


# So small a network, trained so shortly, learns nothing beside dropout.
_TABLE = (
    *("--epochs", 40, "--set", "training.batch_size=20", "--set", "network.hidden_widths=[16]", "--set", "model.latent_dim=2"),
    *("--set", "network.dropout=0"),
)
_SPLIT = ("--set", "data.validation=20", "--set", "data.test=60", "--no-report")


def test_a_column_with_holes_is_predicted_and_its_calibration_measured(people: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "colours.csv"
    good("train", people, *_TABLE, *_SPLIT, "--out", run)
    found = json.loads(good("classify", run, people, "--column", "colour", "--out", out, "--samples", 50, "--json").stdout)
    with out.open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["class", "p(blue|x)", "p(red|x)"]
    assert len(rows) == 240, "a row for each of DATA, those that were trained on too"
    assert found["rows"] == "the test split", "but labels are compared where they were not"
    assert 25 <= found["model"]["num_rows"] < 60
    assert found["model"]["accuracy"] > found["class shares"]["accuracy"]
    assert "missing at random" in found["assumed"]
    assert json.loads((run / "classification.json").read_text(encoding="utf-8"))["labels"]["colour"] == found
    # Rows without the column, by another name of file: nothing to compare with, and the same answers.
    bare = tmp_path / "bare.csv"
    cells = [line.rsplit(",", 1)[0] for line in people.read_text(encoding="utf-8").splitlines()]
    bare.write_text("\n".join(cells) + "\n", encoding="utf-8")
    assert "no labels to compare with" in good("classify", run, bare, "--column", "colour", "--samples", 50).stderr
    for column, message in (
        ("size", "--column is 'size', which is real and no category"),
        ("color", r"--column is 'color', which does not exist. Did you mean 'colour'?"),
    ):
        failed = command("classify", run, "--column", column)
        assert failed.status == 2
        assert message in " ".join(failed.stderr.split())
    failed = command("classify", run, "--column", "colour", "--by", "bayes")
    assert "'colour' is a column among others" in " ".join(failed.stderr.split())
    assert "--column is missing: expected the name" in " ".join(command("classify", run).stderr.split())


def test_a_table_of_several_kinds_is_drawn_by_class_and_classified_by_bayes_rule(people: Path, tmp_path: Path) -> None:
    run, reds = tmp_path / "run", tmp_path / "reds.csv"
    model = ("--set", "model.name=semi-supervised", "--set", "objective.name=semi-supervised", "--set", "data.condition=colour")
    options = ("--set", "data.labelled=60", "--set", "objective.labelled_batch=20")
    good("train", people, *_TABLE, *_SPLIT, *model, *options, "--out", run)
    good("sample", run, "-n", 200, "--condition", "red", "--complete", "--out", reds)
    with reds.open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["size", "town"]
    # Of all rows four in ten are red: the mean size would be 6.4, and the share of Ulm below a half.
    assert np.mean([float(row[0]) for row in rows]) > 8
    assert np.mean([row[1] == "Ulm" for row in rows]) > 0.6
    for by in ("classifier", "bayes"):
        found = json.loads(good("classify", run, "--by", by, "--samples", 50, "--json").stdout)
        assert found["model"]["num_rows"] > 20
        assert found["model"]["accuracy"] > found["class shares"]["accuracy"]
        assert found["gradient boosting"]["num_rows"] == found["model"]["num_rows"]
