"""`lowerbound schema`: shown, as JSON, as a file to edit, and taken back."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import SMALL_ALONE, command, good


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rows = "".join(f"{row},{('red', 'green', '?')[row % 3]},{1.5 + row**2 / 900:.3f}\n" for row in range(30))
    path = tmp_path / "people.csv"
    path.write_text(f"id,colour,height\n{rows}")
    return path


def test_kinds_and_their_reasons_are_shown(people: Path) -> None:
    shown = good("schema", people).stdout
    # A long path is broken over lines.
    assert "people.csv:30rows" in "".join(shown.split())
    for text in ("identifier (left out)", "the rows are numbered from 0 to 29", "two values: green, red", "33.3%"):
        assert text in shown


def test_json_holds_each_column(people: Path) -> None:
    found = json.loads(good("schema", people, "--json").stdout)
    assert (found["rows"], [column["kind"] for column in found["columns"]]) == (30, ["identifier", "binary", "real"])
    assert found["columns"][1]["categories"] == ["green", "red"]
    assert found["columns"][1]["counts"] == [10, 10]
    assert found["columns"][0]["left_out"] is True


def test_a_file_is_written_edited_and_taken_back(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "people.toml"
    said = good("schema", people, "--out", out).stderr
    assert f"wrote {out}; edit it, and use it: lowerbound train {people} --schema {out}" in said
    assert command("schema", people, "--out", out).error.startswith("--out is")
    out.write_text(out.read_text().replace('"identifier"', '"count"'))
    shown = good("schema", people, "--schema", out).stdout
    assert "count" in shown
    assert "stated in" in shown
    result = command("schema", people, "--schema", tmp_path / "none.toml")
    assert (result.status, "there is no schema" in result.error) == (1, True)
    assert command("schema", people, "--out", tmp_path / "x.txt").error.endswith("expected .toml.")


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        ("gausian", "'gausian', which does not exist. Did you mean 'gaussian'? Available: bernoulli, beta,"),
        ("categories", "'categories', but the column is real; expected a likelihood of numbers,"),
    ],
)
def test_a_likelihood_that_cannot_be_is_refused_with_the_file_and_the_column(
    people: Path, tmp_path: Path, likelihood: str, message: str
) -> None:
    stated = tmp_path / "people.toml"
    stated.write_text(f'[columns.height]\nkind = "real"\nlikelihood = "{likelihood}"\n')
    result = command("schema", people, "--schema", stated)
    assert (result.status, f"{stated}: the likelihood of the column 'height' is {message}" in result.error) == (2, True)


def test_the_keys_of_data_are_heeded(people: Path) -> None:
    found = json.loads(good("schema", people, "--json", "--set", "data.missing=red", "--set", "data.condition=height").stdout)
    assert [(column["name"], column["kind"]) for column in found["columns"]] == [("id", "identifier"), ("colour", "constant")]
    assert command("schema", "digits").status == 1


def test_no_jax_is_imported(people: Path) -> None:
    program = (
        "import sys\nfrom lowerbound.cli.main import main\n"
        f"sys.argv = ['lowerbound', 'schema', {str(people)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('jax', 'equinox', 'sklearn') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_the_page_on_tables_runs(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "reading_tables.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", page, flags=re.DOTALL)
    for language, text in blocks:
        if language == "sh":
            for line in text.splitlines():
                good(*shlex.split(line)[1:])
        elif language == "python":
            exec(text, {})
    assert (tmp_path / "copy.csv").read_text().splitlines()[1:4] == ["0,red,1.5", "1,green,1.501", "2,,1.504"]
    stated = next(text for language, text in blocks if language == "toml")
    (tmp_path / "t.csv").write_text("age,size\n1,small\n2,large\n30,medium\n4,small\n")
    (tmp_path / "t.toml").write_text(stated)
    found = json.loads(good("schema", "t.csv", "--schema", "t.toml", "--json").stdout)["columns"]
    assert [(each["kind"], each["categories"]) for each in found] == [("count", []), ("ordinal", ["small", "medium", "large"])]
    assert people.exists()


def test_a_database_is_trained_on_by_a_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative URL and a relative schema are found again from another folder, and other data may be a file."""
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect("people.db")
    connection.execute("CREATE TABLE people (id INTEGER, size TEXT, stars INTEGER)")
    rows = [(row, (None, "small", "large", "medium")[row % 4], row % 5) for row in range(60)]
    connection.executemany("INSERT INTO people VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    url, query = "sqlite:///people.db", ("--query", "SELECT size, stars FROM people ORDER BY id")
    Path("kinds.toml").write_text('[columns.size]\nkind = "ordinal"\ncategories = ["small", "medium", "large"]\n')
    small = [each.replace("likelihood.name=auto", "likelihood.name=mixed") for each in SMALL_ALONE]
    good("train", url, *query, "--schema", "kinds.toml", *small, "--epochs", 1, "--out", "run")
    config = tomllib.loads(Path("run/config.toml").read_text())["data"]
    assert config["name"] == f"sqlite:///{tmp_path}/people.db"
    assert config["schema"] == str(tmp_path / "kinds.toml")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Path("other.csv").write_text("stars,size\n3,huge\n,medium\n")
    good("encode", tmp_path / "run", "other.csv", "--out", "codes.csv")
    assert len(Path("codes.csv").read_text().splitlines()) == 3
    good("train", "--resume", tmp_path / "run", "--epochs", 2, "--no-report")
    refused = command("train", "--resume", tmp_path / "run", "--query", "SELECT 1")
    assert (refused.status, "--query cannot be given with it" in refused.error) == (2, True)
