"""What the README shows is run, its commands through the command line's own parser.

`make test` runs it with few epochs, few samples and small networks, `make test-long` as it stands.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import parsed
from typer.testing import CliRunner

from lowerbound.cli.main import app

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)

# No coverage: the tests of the command line and of the estimator run the same code.
pytestmark = [pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning"), pytest.mark.no_cover]


FEW = " --set data.validation=20 --set data.test=20 --set network.hidden_widths=[16] "
SMALL = "VAE(hidden_widths=(16,), "
# What takes longest to compile, and has tests of its own: `make test` looks only whether the command line takes these commands
# (`test_cli_methods.py` has the gap, `tests/diagnosis` and `test_cli_saved.py` the doctor), and leaves out the example with a
# flow, whose parts `test_parts.py` and `test_combinations.py` compile.
LONG_COMMAND = re.compile(r"--method gap|runs/flat")
LONG_EXAMPLE = "inverse-autoregressive"


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def as_it_stands(text: str) -> str:
    return text


def shortened(text: str) -> str:
    """The same with an epoch instead of up to five and two instead of more, few samples and examples, and small networks."""
    text = re.sub(r"(epochs[ =])(\d+)", lambda found: found[1] + str(min(1 + int(found[2]) // 6, 2)), text)
    text = re.sub(r"(samples[ =])(\d+)", lambda found: found[1] + str(min(int(found[2]), 10)), text)
    text = re.sub(r"(--examples )(\d+)", r"\g<1>2", text)
    text = re.sub(r"VAE\((\s*)(\d+),", r"VAE(\1latent_dim=\2,", text)
    text = re.sub(r"VAE\((?=\s*latent_dim)", SMALL, text)
    # Every run ends with its evaluation, by thousands of draws for each example.
    return text.replace("lowerbound train digits ", "lowerbound train digits" + FEW)


# Twenty epochs of several models take two minutes more and compile nothing that two do not.
lengths = pytest.mark.parametrize("length", [shortened, pytest.param(as_it_stands, marks=pytest.mark.long)])


def test_shortened_are_the_same_commands_with_smaller_numbers() -> None:
    assert shortened(README) != README
    plain = README.replace("VAE(8,", "VAE(latent_dim=8,").replace("VAE(\n    8,", "VAE(\n    latent_dim=8,")
    assert re.sub(r"\d+", "", plain) == re.sub(r"\d+", "", shortened(README).replace(FEW, " ").replace(SMALL, "VAE("))
    assert shortened(README).count(SMALL) == README.count("VAE(latent_dim") + 2
    # What is resumed has an epoch to go.
    assert [shortened(f"--epochs {epochs}, samples={epochs} --examples 20") for epochs in (5, 8, 30)] == [
        "--epochs 1, samples=5 --examples 2",
        "--epochs 2, samples=8 --examples 2",
        "--epochs 2, samples=10 --examples 2",
    ]


@lengths
@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.splitlines()[-1][:30])
def test_the_python_examples_run(
    code: str, length: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    if length is shortened and LONG_EXAMPLE in code:
        pytest.skip("run by `make test-long`")
    exec(compile(length(code), "README.md", "exec"), names)
    assert "vae" in names


@lengths
def test_the_commands_run_in_order(length: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("lowerbound ")]
    assert len(commands) >= 8
    assert sum(bool(LONG_COMMAND.search(command)) for command in commands) == 3
    for command in commands:
        if length is shortened and LONG_COMMAND.search(command):
            parsed(*shlex.split(command)[1:])
            continue
        result = CliRunner().invoke(app, shlex.split(length(command))[1:])
        assert result.exit_code == 0, f"{command}\n{result.output}\n{result.exception!r}"
    for name in ("new_digits.png", "pairs.png", "codes.csv", "runs/digits/report.html", "runs/two/model/weights.safetensors"):
        assert (tmp_path / name).stat().st_size > 0


def test_arguments_that_the_command_line_does_not_take_are_noticed() -> None:
    """The negative control of what is parsed and not run."""
    for wrong in ("evaluate runs/digits --methods gap", "evaluate runs/digits --samples many", "doctor"):
        with pytest.raises(Exception, match=r"No such option|valid integer|Missing parameter"):
            parsed(*shlex.split(wrong))


@pytest.mark.parametrize("page", ["README.md", "docs/ladder.md"])
def test_what_a_page_links_to_is_there(page: str) -> None:
    file = Path(__file__).parent.parent / page
    links = re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert local
    assert not [link for link in local if not (file.parent / link).exists()]
