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
    ],
)
def test_what_is_not_there(images_run: Path, words: list[object], message: str) -> None:
    result = command(words[0], images_run, *words[1:])
    assert result.status == 2
    assert message in result.error
