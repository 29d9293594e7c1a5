"""`explain`: what each latent moves, of pictures and of tables with categories; and what of a label is in the codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL_ALONE, command, good


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On a table in which two kinds have different sizes and colours, trained until a latent tells them apart."""
    folder = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 300)
    colours = np.array(["red", "green", "blue"])[np.where(rng.random(300) < 0.9, 2 * kind, 1)]
    lines = [f"{('cat', 'dog')[k]},{rng.normal(6 * k):.3f},{colour}" for k, colour in zip(kind, colours, strict=True)]
    (folder / "own.csv").write_text("kind,size,colour\n" + "\n".join(lines) + "\n", encoding="utf-8")
    options = ("--epochs", 40, "--set", "data.test=60", "--set", "training.learning_rate=0.01")
    good("train", folder / "own.csv", *SMALL_ALONE, *options, "--out", folder / "run")
    return folder / "run"


def test_a_latent_moves_the_columns_that_go_together(run: Path, tmp_path: Path) -> None:
    found = json.loads(good("explain", run, "--json", "--label", "kind").stdout)
    first = found["latents"][0]
    moved = {each["what"]: each for each in first["moves"]}
    assert {what.split(" = ")[0] for what in moved} == {"kind", "size", "colour"}
    dog, size = moved["kind = dog"], moved["size"]
    # From one kind to the other: an indicator's standard deviation is 1/2, a size's about 3.2.
    assert min(abs(dog["effect"]), abs(size["effect"])) > 1
    assert np.sign(dog["effect"]) == np.sign(size["effect"])
    assert size["interval"][0] <= size["effect"] <= size["interval"][1]
    # The kind is told from size and colour alone.
    assert found["probe"]["label"] == "'kind'"
    assert found["probe"]["num_rows"] == 60
    assert found["probe"]["codes"] > 0.9 > 0.7 > found["probe"]["majority"]
    good("explain", run, "--latents", 1, "--out", tmp_path / "effects.csv")
    with (tmp_path / "effects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["what"] for row in rows} >= {"kind = dog", "size", "colour = red", "colour = blue", "colour = green"}
    text = good("explain", run).stdout
    assert "kind = dog" in text
    assert "standard deviations" in text
    assert "straight line" not in text


def test_pictures_and_labels_that_came_with_the_data(images_run: Path, tmp_path: Path) -> None:
    text = good("explain", images_run, "--columns", 2).stdout
    assert "pixels moved" in text
    assert "Pixels moved: the share that moves by 0.2" in text
    good("explain", images_run, "--out", tmp_path / "effects.npy")
    assert np.load(tmp_path / "effects.npy").shape == (2, 20)
    good("train", "digits", *SMALL_ALONE, "--epochs", 1, "--out", tmp_path / "run")
    found = json.loads(good("explain", tmp_path / "run", "--json").stdout)["probe"]
    assert found["label"] == "the label"
    assert found["num_classes"] == 10
    assert found["inputs"] > 0.85 > found["components"]


def test_wrong_use_is_told(run: Path, images_run: Path) -> None:
    assert "--label is 'kidn'" in command("explain", run, "--label", "kidn").error
    assert "a column of many numbers" in command("explain", run, "--label", "size").error
    assert "no columns with names" in command("explain", images_run, "--label", "size").error
    assert "--seed is -1" in command("explain", run, "--seed", -1).error
    assert "--latents is 0" in command("explain", run, "--latents", 0).error
