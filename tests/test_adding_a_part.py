"""The worked example of docs/adding_a_part.md, run as it stands there, and parts that installed packages bring."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "adding_a_part.md"
COMMAND_LINE = """
import json
from pathlib import Path
from lowerbound.cli.main import main

def run(*words):
    sys.argv = ["lowerbound", *words]
    main()

small = ["--epochs", "1", "--no-report"]
for setting in ("data.validation=20", "training.batch_size=1000", "network.hidden_widths=[8]"):
    small += ["--set", setting]
run("train", "digits", "--set", "prior.name=laplace", "--set", "prior.scale=2", *small, "--out", "by_option")
Path("recipe.toml").write_text('[prior]\\nname = "laplace"\\nscale = 2.0\\n')
run("train", "digits", "--recipe", "recipe.toml", *small, "--out", "by_file")
for folder in ("by_option", "by_file"):
    loaded = VAE.load(folder)
    assert (type(loaded.model_.prior).__name__, loaded.model_.prior.scale) == ("LaplacePrior", 2.0)
assert Path("by_option/config.toml").read_text() == Path("by_file/config.toml").read_text()
run("cite", "by_option")

# Given as an object, it is saved under its name.
given = VAE(4, prior=LaplacePrior(4, 2.0), epochs=1, validation=20, batch_size=1000, hidden_widths=(8,)).fit(X)
given.save("given")
assert VAE.load("given").model_.prior == given.model_.prior
"""


def _installed(folder: Path, module: str, *points: str) -> None:
    """A module and its entry points, as an installer would have left them in `folder`."""
    (folder / "my_entries.py").write_text(module, encoding="utf-8")
    about = folder / "my_parts-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("\n".join(["[lowerbound.parts]", *points, ""]))


def _python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.long
def test_the_worked_example_runs(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    part, entry, use = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (point,) = re.findall(r'entry-points."lowerbound.parts"\]\n(.*?)\n', text)
    assert part.startswith("# my_parts.py")
    (tmp_path / "my_parts.py").write_text(part, encoding="utf-8")
    _installed(tmp_path, entry, point)
    (tmp_path / "use.py").write_text("\n".join([part, "import sys", entry, use, COMMAND_LINE]), encoding="utf-8")
    done = _python(tmp_path, "use.py")
    assert done.returncode == 0, done.stderr
    assert "nats per image under the new prior" in done.stdout


def test_parts_of_installed_packages_are_found_and_broken_ones_left_out(tmp_path: Path) -> None:
    module = (
        'from lowerbound.config import Entry, Integer, Key\nGOOD = Entry("mine:Good", {"size": Key(3, Integer(1), "of it")})\n'
    )
    points = ("prior.good=my_entries:GOOD", "prior.gone=nowhere:GONE", "prior.odd=my_entries:Key")
    _installed(tmp_path, module, *points, "prior.vamp=my_entries:GOOD", "good=my_entries:GOOD")
    done = _python(tmp_path, "-m", "lowerbound", "parts", "good", "--json")
    assert done.returncode == 0, done.stderr
    key = {"default": 3, "allowed": "an integer >= 1", "help": "of it"}
    assert json.loads(done.stdout) == {"prior": {"good": {"path": "mine:Good", "keys": {"size": key}, "papers": []}}}
    notes = sorted(done.stderr.strip().splitlines())
    assert len(notes) == 4
    of_package = r"of the package my-parts was left out"
    expected = "its name is '{}'; expected KIND.NAME with a kind among model, prior, .* and a name that is free"
    for note, pattern in zip(
        notes,
        [
            f"warning: the part 'good' {of_package}: ConfigurationError: {expected.format('good')}",
            f"warning: the part 'prior.gone' {of_package}: ModuleNotFoundError: No module named 'nowhere'",
            f"warning: the part 'prior.odd' {of_package}: .*my_entries:Key is a type; expected a lowerbound.config.Entry",
            f"warning: the part 'prior.vamp' {of_package}: ConfigurationError: {expected.format('prior.vamp')}",
        ],
        strict=True,
    ):
        assert re.fullmatch(pattern, note), note
