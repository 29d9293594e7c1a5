"""What `lowerbound reproduce` refuses, and how it says so; nothing is trained and nothing written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import requests
from commands import command
from made_up import DIGITS, NOTHING, SMALL, point

from lowerbound.errors import ConfigurationError, MissingDataError, ModelFolderError
from lowerbound.reproduction.calls import check_call
from lowerbound.reproduction.record import Home


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory of a machine without a network."""

    def retrieve(*_: object, **__: object) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr("pooch.retrieve", retrieve)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["kingma-2013"], "PAPER is 'kingma-2013', which does not exist. Did you mean 'kingma-2014'?"),
        (["kingma-2014", "--figure", 6], "--figure is 6; expected one of 2, 3, 4, 5, or leave it out for all of them."),
        (["kingma-2014", "--minutes", 0], "--minutes is 0.0 (a number); expected a number > 0."),
        (["kingma-2014", "--seed", -1], "--seed is -1 (an integer); expected an integer"),
    ],
)
def test_wrong_options_are_answered_with_what_works(arguments: list[object], text: str, tmp_path: Path) -> None:
    result = command("reproduce", *arguments, "--out", tmp_path / "paper")
    assert (result.status, result.stdout) == (2, "")
    assert result.error.startswith(text)
    assert not (tmp_path / "paper").exists()


def test_minutes_too_short_for_one_point_are_refused_with_what_one_takes(tmp_path: Path) -> None:
    result = command("reproduce", "kingma-2014", "--minutes", 0.1, "--out", tmp_path / "paper")
    assert result.status == 2
    assert result.error == (
        "--minutes is 0.1, but one point takes about 1 minute here (the next: Frey faces, 2 latents, AEVB, split 0, 100,000 "
        "training samples); nothing was trained. Give --minutes 1 or more."
    )
    assert not (tmp_path / "paper").exists()


def test_minutes_are_held_to_what_points_took_before(tmp_path: Path) -> None:
    plan = dataclasses.replace(SMALL, curves=(DIGITS,))
    home = Home(tmp_path / "paper")
    home.write(dataclasses.replace(NOTHING, points=(point(DIGITS, 10**5, training=100.0, around=20.0),)))
    with pytest.raises(ConfigurationError, match=r"takes about 16 minutes here \(the next: MNIST, 3 latents, AEVB, 1,000,000"):
        check_call("kingma-2014", home.path, 2, 15.0, None, None, plan)


def test_missing_data_are_named_with_their_place_and_the_figures_that_do_without(tmp_path: Path, data_dir: Path) -> None:
    result = command("reproduce", "kingma-2014", "--figure", 4, "--out", tmp_path / "paper", "--data-dir", data_dir)
    assert result.status == 1
    assert "the data set 'binarized-mnist' is not in" in result.error
    assert f"{data_dir}/binarized_mnist_static/binarized_mnist_train.amat  from  http" in result.error
    assert not (tmp_path / "paper").exists()
    faces = dataclasses.replace(SMALL, curves=SMALL.curves[1:])
    whole = dataclasses.replace(SMALL, curves=(dataclasses.replace(DIGITS, figures=(5,)), *faces.curves))
    with pytest.raises(MissingDataError) as caught:
        check_call("kingma-2014", tmp_path / "paper", 2, 30.0, None, data_dir, whole)
    assert f"{data_dir}/frey_faces/frey_rawface.mat  from  https://" in str(caught.value)
    assert str(caught.value).endswith(" The figures that do without frey-faces: --figure 3 or 4 or 5.")


@pytest.mark.parametrize("content", ["a file", "other files", "another record"])
def test_what_is_not_ours_is_not_touched(content: str, tmp_path: Path) -> None:
    out = tmp_path / "paper"
    if content == "a file":
        out.write_text("mine")
        text = (
            f"--out is {out}, which is a file; nothing was touched. Give the folder of an earlier `lowerbound reproduce` to go on"
        )
    elif content == "other files":
        out.mkdir()
        (out / "thesis.tex").write_text("mine")
        text = f"--out is {out}, which is not empty and has no reproduction.json; nothing was touched."
    else:
        out.mkdir()
        (out / "reproduction.json").write_text('{"format": "theirs"}')
        text = f"--out is {out}, whose reproduction.json is not one of ours; nothing was touched. Give another folder."
    before = {path: path.read_bytes() for path in (out, *out.glob("*")) if path.is_file()}
    result = command("reproduce", "kingma-2014", "--out", out)
    assert result.status == 2
    assert result.error.startswith(text)
    assert {path: path.read_bytes() for path in (out, *out.glob("*")) if path.is_file()} == before


def test_it_goes_on_with_its_own_seed_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write(dataclasses.replace(NOTHING, seed=3))
    assert home.open("kingma-2014", None, (4,)).seed == 3
    assert home.open("kingma-2014", 3, (4,)).figures == (2, 4)
    with pytest.raises(ConfigurationError, match=r"--seed is 4, but the reproduction in .* was begun with seed 3"):
        home.open("kingma-2014", 4, (4,))


def test_a_damaged_record_is_said_to_be_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write(dataclasses.replace(NOTHING, points=(point(DIGITS, 10**5),)))
    assert home.open("kingma-2014", 0, (2,)).points == (point(DIGITS, 10**5),)
    home.record_file.write_text(home.record_file.read_text().replace("100000", "200000"))
    with pytest.raises(ModelFolderError, match="is damaged or was edited"):
        home.open("kingma-2014", 0, (2,))
