"""`traverse` and `interpolate`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from commands import command, good


def test_walks_as_arrays_and_pictures(images_run: Path, table_run: Path, tmp_path: Path) -> None:
    array, picture, lines = tmp_path / "walk.npy", tmp_path / "strip.png", tmp_path / "lines.png"
    said = good("traverse", images_run, "--from", 2, "--latents", 1, "--columns", 4, "--out", array).stderr
    assert f"wrote traversals of 1 latents, 4 steps each, to {array}" in said
    assert np.load(array).shape[:2] == (1, 4)
    good("interpolate", images_run, "--from", 0, "--to", 1, "--steps", 3, "--spherical", "--out", picture)
    good("traverse", table_run, "--split", "validation", "--out", lines)
    for path in (picture, lines):
        with PIL.Image.open(path) as image:
            assert min(image.size) > 150
            assert len(np.unique(np.asarray(image.convert("L")))) > 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["interpolate", "--from", 0, "--to", 99, "--out", "x.png"],
            "--to is 99, but the test split has 12 examples; choose from",
        ),
        (["traverse", "--out", "x.jpg"], "--out is x.jpg, which ends in '.jpg'; expected .png or .npy."),
        (
            ["sample", "--seed", 2**64, "--out", "x.npy"],
            "--seed is 18446744073709551616 (an integer); expected an integer from 0 to",
        ),
    ],
)
def test_what_is_not_there(images_run: Path, words: list[object], message: str) -> None:
    result = command(words[0], images_run, *words[1:])
    assert result.status == 2
    assert message in result.error


@pytest.mark.parametrize("words", [["traverse", "--columns"], ["interpolate", "--from", 0, "--to", 1, "--steps"]])
def test_walks_that_no_memory_and_no_picture_holds_are_refused(
    images_run: Path, table_run: Path, words: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "x.png"
    result = command(words[0], images_run, *words[1:], 10**12, "--out", out)
    assert "1,000,000,000,000" in result.error
    assert "would fit" in result.error
    result = command(words[0], images_run, *words[1:], 20_000, "--out", out)
    assert "pixels is too large: a side has 32,000 at most; ask for fewer examples, steps or latents" in result.error
    assert not out.exists()
    # A walk is no table.
    refused = command("interpolate", table_run, "--split", "validation", "--from", 0, "--to", 1, "--out", out).error
    assert "Give a .npy file." in refused


def test_a_grid_that_no_memory_holds_is_refused(images_run: Path, tmp_path: Path) -> None:
    result = command("traverse", images_run, "--grid", "--columns", 10**7, "--out", tmp_path / "x.npy")
    assert "a grid of so many codes on each side would take" in result.error
