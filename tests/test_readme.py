"""What the README shows is run: its Python as it stands, its commands through the command line's own parser."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lowerbound.cli.main import app

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)

# No coverage: the tests of the command line and of the estimator run the same code.
pytestmark = [pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning"), pytest.mark.no_cover]


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.splitlines()[-1][:30])
def test_the_python_examples_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert "vae" in names


def test_the_commands_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("lowerbound ")]
    assert len(commands) >= 8
    for command in commands:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}\n{result.output}\n{result.exception!r}"
    for name in ("new_digits.png", "pairs.png", "codes.csv", "runs/digits/report.html", "runs/two/model/weights.safetensors"):
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("page", ["README.md", "docs/ladder.md"])
def test_what_a_page_links_to_is_there(page: str) -> None:
    file = Path(__file__).parent.parent / page
    links = re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert local
    assert not [link for link in local if not (file.parent / link).exists()]
