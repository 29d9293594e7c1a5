"""The page of made-up points: its tables, its figures, and what it says is missing."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from made_up import DIGITS, FACES, NOTHING, OTHER_SPLIT, SMALL, point, trials
from PIL import Image

from lowerbound.reproduction.lines import lines_of
from lowerbound.reproduction.page import write_page
from lowerbound.reproduction.record import Home

FOUND = dataclasses.replace(
    NOTHING,
    points=(
        point(DIGITS, 10**5, -190.0),
        point(DIGITS, 10**6, -152.4),
        point(FACES, 10**6, 760.0),
        point(OTHER_SPLIT, 10**6, 780.0),
    ),
    trials=trials(DIGITS, -195.0, -191.0, None),
    failures={OTHER_SPLIT.name: "the loss became <nan> at step 7"},
    seconds=90.0,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("paper & page"))
    write_page(SMALL, FOUND, home)
    return home


@pytest.fixture(scope="module")
def text(home: Home) -> str:
    """The page as a person reads it."""
    page = (home.path / "index.html").read_text()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("<body>") :]))


def test_ours_stand_beside_the_papers_with_their_difference(text: str) -> None:
    assert "−152.4 ± 0.3 paper −153.0 (+0.6)" in text
    # What was not trained yet shows the paper's alone.
    assert "– paper −133.4" in text


def test_splits_are_one_line_with_the_error_over_them(text: str) -> None:
    (_, faces) = lines_of(SMALL, FOUND, 2)
    assert faces.points[0].test == (770.0, pytest.approx(10.0))
    assert faces.points[0].num_splits == 2
    assert "770.0 ± 10.0 paper 754.0 (+16.0)" in text
    assert "at 1e6, 2 splits" in text


def test_it_says_what_is_missing_and_what_goes_on(text: str, home: Home) -> None:
    assert "4 of 9 points are there, after 1 min 30 s" in text
    assert re.search(r"3 of 9 points, which would take about .* on this machine", text)
    place = str(home.path).replace("&", "&amp;")
    assert re.search(rf"lowerbound reproduce kingma-2014 --figure 2 --out &#x27;{place}&#x27; --minutes \d+", text)
    assert "the loss became &lt;nan&gt; at step 7" in text
    assert "not finite" in text


def test_what_the_paper_does_not_say_is_said_as_the_recipe_has_it(text: str) -> None:
    assert "Here their standard deviation is 0.01." in text
    assert "Where Adagrad's sums of squared gradients begin. Here at 0." in text.replace("&#x27;", "'")


def test_the_page_holds_its_figures_and_they_lie_beside_it(home: Home) -> None:
    page = (home.path / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert "http" not in re.sub(r'"data:[^"]*"', "", page)
    with Image.open(home.path / "figure-2.png") as picture:
        assert (picture.width, picture.height > 1000) == (2240, True)


def test_a_figure_of_pictures_without_a_model_says_so(tmp_path: Path) -> None:
    plan = dataclasses.replace(SMALL, curves=(dataclasses.replace(DIGITS, figures=(5,)),))
    page = write_page(plan, dataclasses.replace(NOTHING, figures=(5,)), Home(tmp_path)).read_text()
    assert "None of its models has been trained yet." in page
    assert not (tmp_path / "figure-5.png").exists()
