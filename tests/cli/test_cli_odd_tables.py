"""Tables that a stranger brings: what is written of them is right, and what cannot be done is said."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL_ALONE, command, good

from lowerbound.cli.outputs import _pairs_of
from lowerbound.errors import ConfigurationError

NAMES = ("colour", "+size", "visits")


def _rows(number: int = 60, seed: int = 0) -> list[list[str]]:
    """A category, a number and a count, with holes."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, number)
    columns = (
        np.array(["red", "@green", "blue"])[kinds],
        np.char.mod("%.3f", rng.normal(2.0 * kinds)),
        rng.poisson(3 + kinds).astype(str),
    )
    hidden = rng.random((number, 3)) < 0.2
    return [
        ["" if hides else str(cell) for cell, hides in zip(row, gone, strict=True)]
        for row, gone in zip(zip(*columns, strict=True), hidden, strict=True)
    ]


def _write(path: Path, rows: list[list[str]], names: tuple[str, ...] = NAMES) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def _read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("odd") / "table.csv", _rows())


@pytest.fixture(scope="module")
def run(table: Path) -> Path:
    good("train", table, *SMALL_ALONE, "--epochs", 1, "--out", table.parent / "run")
    return table.parent / "run"


@pytest.fixture(scope="module")
def conditional(table: Path) -> Path:
    options = ("--set", "data.condition=colour", "--epochs", 1)
    full = [row for row in _rows(90) if row[0]]
    data = _write(table.parent / "full.csv", full)
    good("train", data, *SMALL_ALONE, *options, "--out", table.parent / "conditional")
    return table.parent / "conditional"


def test_a_cell_without_a_value_has_no_share(run: Path, table: Path, tmp_path: Path) -> None:
    good("score", run, table, "--samples", 5, "--columns", "--out", tmp_path / "scores.csv")
    head, *lines = _read(tmp_path / "scores.csv")
    shares = np.asarray([[float(cell) for cell in line[-3:]] for line in lines])
    holes = np.asarray([[cell == "" for cell in row] for row in _rows()])
    assert head[-3].startswith("colour")
    np.testing.assert_array_equal(np.isnan(shares), holes)
    assert np.isfinite(shares[~holes]).all()


def test_names_and_texts_that_a_spreadsheet_would_run_are_written_with_an_apostrophe(
    run: Path, table: Path, tmp_path: Path
) -> None:
    good("sample", run, "-n", 30, "--out", tmp_path / "new.csv")
    good("score", run, table, "--samples", 2, "--columns", "--out", tmp_path / "scores.csv")
    good("fidelity", run, table, "--out", tmp_path / "fidelity.csv")
    good("explain", run, "--out", tmp_path / "effects.csv")
    cells = {
        name: {cell for row in _read(tmp_path / name) for cell in row}
        for name in ("new.csv", "scores.csv", "fidelity.csv", "effects.csv")
    }
    assert "'+size" in cells["new.csv"]
    assert "'@green" in cells["new.csv"]
    for name, found in cells.items():
        assert any("+size" in cell for cell in found), name
        assert not [cell for cell in found if cell[:1] in ("+", "@")], name


def test_a_conditional_model_of_a_table_draws_cells_and_not_codes(conditional: Path, tmp_path: Path) -> None:
    good("sample", conditional, "-n", 12, "--condition", "red", "--out", tmp_path / "new.csv")
    head, *rows = _read(tmp_path / "new.csv")
    assert (head, len(rows)) == (["'+size", "visits"], 12)
    assert all(row[1] == "" or row[1].isdigit() for row in rows)
    # More than any row of training has.
    words = ("--condition", "red", "--given", "+size=7.25", "--complete")
    answer = good("sample", conditional, "-n", 5, *words, "--out", tmp_path / "given.csv")
    assert "effective sample size" in answer.stderr
    assert [row[0] for row in _read(tmp_path / "given.csv")[1:]] == ["7.25"] * 5
    words = ("--condition", "all", "--given", "visits=4", "--out", tmp_path / "no.csv")
    error = command("sample", conditional, "-n", 5, *words).error
    assert error.startswith("values of columns are given together with a condition that differs from row to row; expected one")
    assert not (tmp_path / "no.csv").exists()


def test_what_stands_for_a_mean_of_categories_is_said_and_is_a_value_of_training(tmp_path: Path) -> None:
    # Each text is so rare that the chance of one that training did not see is larger than that of each of them.
    rows = [[f"k{number}", f"{number / 7:.3f}", str(number % 5)] for number in range(20) for _ in range(3)]
    rows += [[f"only{number}", "2.5", "3"] for number in range(10)]
    data = _write(tmp_path / "rare.csv", rows)
    good("train", data, *SMALL_ALONE, "--epochs", 1, "--out", tmp_path / "run")
    answer = good("reconstruct", tmp_path / "run", "--out", tmp_path / "pairs.csv")
    assert "E[x | z = E[z|x]] (of coded columns the most probable value)" in answer.stderr
    assert {row[0] for row in _read(tmp_path / "pairs.csv")[1:]} <= {row[0] for row in rows}


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (1, "has no column to learn from: 'colour' (constant: every cell is 'red')"),
        (3, "take 1 and 1 of 3 examples, which leaves 1 to train on; expected at least 2. Give more examples, or 0 for none."),
    ],
)
def test_a_table_of_too_few_rows_is_refused_once(number: int, message: str, tmp_path: Path) -> None:
    rows = [["red", "1.5", "2"], ["blue", "2.5", "3"], ["red", "3.25", "5"]][:number]
    answer = command("train", _write(tmp_path / "few.csv", rows), *SMALL_ALONE, "--epochs", 1, "--out", tmp_path / "run")
    assert message in answer.error
    assert number > 1 or answer.error.endswith("Give more rows.")
    assert answer.stderr.count("every cell is 'red'") <= 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "likelihood.name=gaussian",
            "likelihood.name is 'gaussian', whose support is any number, but column 'colour' (categorical) is of another kind. "
            "Likelihoods that fit these data: mixed",
        ),
        ("likelihood.name=multinomial", "but columns 'colour' (categorical), '+size' (real) are of other kinds."),
        ("prior.name=vamp", "the categories of a table cannot be learned so. Set prior.name=standard-normal."),
    ],
)
def test_parts_that_do_not_suit_columns_of_several_kinds_are_refused(
    setting: str, message: str, table: Path, tmp_path: Path
) -> None:
    words = (*SMALL_ALONE, "--set", setting, "--epochs", 1, "--out", tmp_path / "run")
    assert message in command("train", table, *words).error


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("+size=wide", "the given value of '+size' is 'wide'; expected any number."),
        ("+size=1e30", "the given value of '+size' is '1e30', far outside the training data, which lie from -"),
        ("+size=inf", "the given value of '+size' is 'inf'; expected any number."),
        (
            "colour=violet",
            "the given value of 'colour' is 'violet', which training did not see; expected one of @green, blue, red.",
        ),
    ],
)
def test_given_values_that_no_row_has_are_refused(given: str, message: str, run: Path, tmp_path: Path) -> None:
    assert message in command("sample", run, "-n", 2, "--given", given, "--out", tmp_path / "x.csv").error
    assert not (tmp_path / "x.csv").exists()


def test_a_given_column_is_the_longest_name_that_fits() -> None:
    names = ["a", "a=b", "x"]
    assert _pairs_of(["a=b=c", "a=d", "x=1=2", "y=3"], names) == {"a=b": "c", "a": "d", "x": "1=2", "y": "3"}
    with pytest.raises(ConfigurationError, match=r"--given is 'a=b=d'; expected COLUMN=VALUE, each column once"):
        _pairs_of(["a=b=c", "a=b=d"], names)


def test_what_is_filled_leaves_every_other_cell_to_the_letter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        [
            f"{rng.normal():.3f}",
            ("TRUE", "FALSE")[row % 2],
            ("True", "False")[row % 3 > 0],
            ("yes", "no")[row % 2],
            f"00{row % 5}.50",
        ]
        for row in range(60)
    ]
    rows[3][1] = rows[4][2] = rows[5][0] = ""
    data = _write(tmp_path / "t.csv", rows, ("a", "b", "c", "d", "e"))
    good("train", data, *SMALL_ALONE, "--epochs", 1, "--out", tmp_path / "run")
    good("impute", tmp_path / "run", data, "--samples", 5, "--out", tmp_path / "filled.csv")
    filled = _read(tmp_path / "filled.csv")[1:]
    assert [row for number, row in enumerate(filled) if number not in (3, 4, 5)] == rows[:3] + rows[6:]
    assert filled[3][1] in ("TRUE", "FALSE")
    assert filled[4][2] in ("True", "False")


@pytest.mark.parametrize("name", ["t.csv/x.csv", "t.csv/deeper/x.csv", "run/run.json/x.csv"])
def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(name: str, run: Path, table: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x")
    out = (run.parent if name.startswith("run") else tmp_path) / name
    error = command("score", run, table, "--samples", 10**8, "--out", out).error
    assert f"--out is {out}, but" in error
    assert "is no folder; nothing was touched. Give another place." in error
