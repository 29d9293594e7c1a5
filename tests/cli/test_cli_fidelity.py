"""`fidelity`: rows of a run beside real ones, for tables of several kinds and of numbers alone; refused for pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL_ALONE, command, good


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On a table of a text, a number and levels, with holes, 40 of its 240 rows held out."""
    folder = tmp_path_factory.mktemp("fidelity")
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 240)
    size = np.where(rng.random(240) < 0.1, "", np.round(rng.normal(4 * kind, 1), 2).astype(str))
    lines = [f"{('cat', 'dog')[k]},{s},{g}" for k, s, g in zip(kind, size, rng.integers(0, 4, 240), strict=True)]
    (folder / "own.csv").write_text("kind,size,grade\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (folder / "new.csv").write_text("size,grade,kind\n" + "4.1,2,dog\n,1,cat\n" * 15, encoding="utf-8")
    options = ("--epochs", 2, "--set", "data.test=40", "--set", "data.validation=20")
    good("train", folder / "own.csv", *SMALL_ALONE, *options, "--out", folder / "run")
    return folder / "run"


def test_the_tables_and_every_figure_in_a_file(run: Path, tmp_path: Path) -> None:
    result = good("fidelity", run, "--target", "kind", "-n", 100, "--out", tmp_path / "figures.csv")
    assert "comparing 10 latent classes" in result.stderr
    for words in ("two-sample test", "independent columns", "real rows", "AUC for 'kind'", "They prove no privacy", "ordinal"):
        assert words in result.stdout, words
    assert "100 rows drawn, 40 of each kind beside real rows of the test split" in result.stdout
    with (tmp_path / "figures.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["figure", "of", "rows", "value", "standard_error"]
    assert {row[1] for row in rows if row[0] == "column shape"} == {"kind", "size", "grade"}
    found = json.loads(good("fidelity", run, "--target", "kind", "-n", 100, "--json").stdout)
    value = next(row[3] for row in rows if row[0].startswith("two-sample") and row[2] == "model")
    assert float(value) == pytest.approx(found["candidates"][2]["two_sample"]["value"], rel=1e-5)
    assert found["kinds"] == ["binary", "real", "ordinal"]
    assert found["real_rows"] == "the test split"


def test_the_rows_of_training_are_the_run_s_own(run: Path) -> None:
    result = command("fidelity", run, run.parent / "new.csv", "--training", run.parent / "own.csv")
    assert (result.status, "knows its own rows of training; leave it out" in result.error) == (2, True)


def test_other_real_rows_by_the_names_of_their_columns(run: Path) -> None:
    found = json.loads(good("fidelity", run, run.parent / "new.csv", "-n", 60, "--json").stdout)
    assert found["num_compared"] == 30
    assert found["num_synthetic"] == 60
    # Of kind, size and grade.
    assert found["missing"] == [0, 0.5, 0]
    assert found["target"] == ""


def test_a_table_of_numbers_alone(table_run: Path, files: Path) -> None:
    found = json.loads(good("fidelity", table_run, files / "table.npy", "-n", 80, "--target", "x2", "--json").stdout)
    assert found["columns"] == ["x0", "x1", "x2", "x3"]
    assert set(found["kinds"]) == {"real"}
    assert found["measure"] == "R2"
    # The rows of training are among them: that copies are seen.
    real = found["candidates"][3]
    assert real["num_copies"] > 0.5 * real["num_rows"]


def test_wrong_use_is_told(run: Path, table_run: Path, images_run: Path, tmp_path: Path) -> None:
    assert "columns of a table, but the examples are pictures" in command("fidelity", images_run).error
    assert "the test split of" in command("fidelity", table_run).error
    few = command("fidelity", table_run, "--split", "validation").error
    assert few.startswith("the validation split has 8 rows; expected 20 real rows or more, which new ones are compared with.")
    wrong = command("fidelity", run, "--target", "kidn")
    assert wrong.status == 1
    assert "target is 'kidn'" in wrong.error
    assert "'kind'" in wrong.error
    assert "ends in '.txt'" in command("fidelity", run, "--out", tmp_path / "x.txt").error
    assert "--seed is -1" in command("fidelity", run, "--seed", -1).error
    assert "-n is -3" in command("fidelity", run, "-n", -3).error
