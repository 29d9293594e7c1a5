"""The page on tables runs as it stands, with few epochs: its commands, and by `make test-long` its Python too.

`make test` only parses the commands that `_ELSEWHERE` names, with what runs them on tables.
"""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from commands import good, parsed

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
_ELSEWHERE = {
    "fidelity": "test_cli_fidelity.py",
    "explain": "test_cli_effects.py",
    "doctor": "the report of the training",
    "classify": "test_cli_classify.py",
}


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of 200 people, of whom some things are not known."""
    random = np.random.default_rng(0)
    lines = ["row,colour,height,rain,day,visits"]
    for row in range(200):
        colour = random.choice(["red", "green", "blue"])
        height = f"{random.normal(160 + 10 * (colour == 'red'), 8):.1f}" if random.random() > 0.2 else ""
        rain = "0" if random.random() < 0.4 else f"{random.exponential(3):.2f}"
        lines.append(f"{row},{colour},{height},{rain},2024-03-{1 + row % 28:02d},{random.poisson(2)}")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("languages", ["sh", pytest.param("sh and python", marks=pytest.mark.long)])
def test_the_page_runs_as_it_stands(people: Path, languages: str) -> None:
    for language, text in re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        if language not in languages.split(" and "):
            continue
        if language == "python":
            with pytest.warns(UserWarning, match="left out"):
                exec(text, {})
            continue
        for line in text.splitlines():
            name, *rest = shlex.split(line)[1:]
            if languages == "sh" and name in _ELSEWHERE:
                parsed(name, *rest)
                continue
            quick = ["--epochs", "2", "--set", "network.hidden_widths=[8]"] if " train " in line else []
            good(name, *rest, *quick)
    with (people / "red.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert {row["colour"] for row in rows} == {"red"}
    assert "row" not in rows[0]
    with (people / "new.csv").open() as file:
        new = list(csv.DictReader(file))
    assert all(float(row["visits"]).is_integer() for row in new)
    assert any(not row["height"] for row in new)
    assert {row["day"][:8] for row in new} == {"2024-03-"}
    with (people / "filled.csv").open() as file:
        assert all(row["height"] for row in csv.DictReader(file))
    _check_how_holes_are_filled(people)


def _check_how_holes_are_filled(people: Path) -> None:
    """The report judges intervals of the column that has holes by the known cells of the rows that were held out."""
    page = (people / "runs" / "people" / "report.html").read_text(encoding="utf-8")
    rows = np.load(people / "runs" / "people" / "split.npz")["test"]
    with (people / "people.csv").open() as file:
        heights = [row["height"] for row in csv.DictReader(file)]
    known = sum(bool(heights[row]) for row in rows)
    section = page[page.index("How holes are filled") : page.index("How holes are filled") + 3000]
    lines = re.findall(r'<th scope="row">(\w+)</th><td>(\w+)</td><td class="value">(\d+)</td>', section)
    assert lines == [("height", "real", str(known))]
    assert "Known cells of test rows were hidden" in section
    assert len(re.findall(r'<td class="value">\d+\.\d%', section)) == 2
