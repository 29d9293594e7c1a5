"""`impute` on a table of several kinds of columns, on plain arrays, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL, command, good

_NAMES = ["height", "weight", "city", "kids", "born", "note"]


def _rows(count: int, seed: int) -> list[list[str]]:
    """Heights, weights that follow them, a city that follows both, children, a day of birth, and a name of each row."""
    rng = np.random.default_rng(seed)
    height = rng.normal(170, 10, count)
    weight, kids = height - 100 + rng.normal(0, 2, count), rng.integers(0, 4, count)
    city = np.where(height + rng.normal(0, 2, count) > 170, "Oslo", "Rome")
    days = np.datetime64("1980-01-01") + rng.integers(0, 5000, count)
    return [
        [f"{h:.1f}", f"{w:.2f}", c, str(k), str(day), f"p{seed}-{row}"]
        for row, (h, w, c, k, day) in enumerate(zip(height, weight, city, kids, days, strict=True))
    ]


def _with_holes(rows: list[list[str]], seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[cell if column == 5 or rng.random() > 0.2 else "" for column, cell in enumerate(row)] for row in rows]


def _write(path: Path, rows: list[list[str]]) -> Path:
    path.write_text("\n".join(",".join(row) for row in [_NAMES, *rows]) + "\n", encoding="utf-8")
    return path


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("holes")
    _write(folder / "people.csv", _with_holes(_rows(300, 0), 1))
    _write(folder / "new.csv", _with_holes(_rows(60, 2), 3))
    _write(folder / "truth.csv", _rows(60, 2))
    options = ("--set", "data.validation=60", "--set", "data.test=0", "--epochs", 5, "--no-report")
    good("train", folder / "people.csv", "--set", "network.hidden_widths=[16]", *options, "--out", folder / "run")
    return folder / "run"


def test_a_table_comes_back_with_its_holes_filled_and_all_else_to_the_digit(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "filled.csv"
    shown = good("impute", run, run.parent / "new.csv", "--out", out, "--draws", 2, "--interval", 0.8, "--samples", 50)
    holes, filled = (_read(path) for path in (run.parent / "new.csv", out))
    ordered = ["height", "weight", "kids", "born"]
    assert filled[0] == [*_NAMES, *(f"{name}_{end}" for name in ordered for end in ("low", "high"))]
    for before, after in zip(holes[1:], filled[1:], strict=True):
        for column, name in enumerate(_NAMES):
            low, high = ("", "")
            if name in ordered:
                place = 6 + 2 * ordered.index(name)
                low, high = after[place : place + 2]
            if before[column]:
                assert after[column] == before[column], name
                assert (low, high) == ("", "")
                continue
            assert after[column], name
            if name in ("height", "weight", "kids"):
                assert float(low) <= float(high)
            if name == "height":
                assert len(after[column].partition(".")[2]) == 1
                assert 130 < float(after[column]) < 210
            if name == "born":
                assert str(np.datetime64(after[column])) == after[column]
                assert low <= high
            if name == "city":
                assert after[column] in ("Oslo", "Rome")
    drawn = [_read(tmp_path / f"filled-0{number}.csv") for number in (1, 2)]
    assert drawn[0][0] == _NAMES
    assert drawn[0] != drawn[1]
    assert all(all(row) for row in drawn[0])
    text = " ".join(shown.stdout.split())
    assert "Intervals of 80% are measured on 60 rows that were not trained on" in text
    assert "missing at random" in text
    assert "filled holes" in shown.stderr


def test_ends_of_intervals_have_names_that_no_column_has(run: Path, tmp_path: Path) -> None:
    head, *rows = _read(run.parent / "new.csv")
    data = tmp_path / "taken.csv"
    data.write_text("\n".join(",".join(row) for row in [[*head, "height_low"], *([*row, "1"] for row in rows)]) + "\n")
    good("impute", run, data, "--out", tmp_path / "filled.csv", "--interval", 0.8, "--samples", 50)
    names = _read(tmp_path / "filled.csv")[0]
    assert names[6:9] == ["height_low", "height_low_", "height_high"]
    assert len(set(names)) == len(names)


def test_the_same_seed_gives_the_same_file_and_json_says_what_the_table_does(run: Path, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("a.csv", "b.csv")]
    said = [good("impute", run, run.parent / "new.csv", "--out", out, "--samples", 50, "--json").stdout for out in outs]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    found = json.loads(said[0])
    assert found["num_rows"] == 60
    holes = sum(cell == "" for row in _read(run.parent / "new.csv")[1:] for cell in row)
    assert found["num_holes"] == holes == sum(column["num_holes"] for column in found["columns"])
    assert {column["name"] for column in found["columns"]} == set(_NAMES[:5])
    assert all(1 <= column["effective_sample_size"] <= 50.01 and column["coverage"] is None for column in found["columns"])


def test_a_table_without_holes_is_written_as_it_is(run: Path, tmp_path: Path) -> None:
    shown = good("impute", run, run.parent / "truth.csv", "--out", tmp_path / "same.csv")
    assert (tmp_path / "same.csv").read_bytes() == (run.parent / "truth.csv").read_bytes()
    assert "There is no hole in these rows." in shown.stdout


@pytest.mark.long
def test_arrays_and_models_of_numbers(table_run: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(30, 4))
    x[::3, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    arguments = ("--out", tmp_path / "out.npy", "--samples", 50, "--draws", 1, "--interval", 0.5)
    good("impute", table_run, tmp_path / "x.npy", *arguments)
    filled, drawn, low, high = (np.load(tmp_path / f"out{part}.npy") for part in ("", "-01", "-low", "-high"))
    hole = np.isnan(x)
    for array in (filled, drawn):
        np.testing.assert_array_equal(array[~hole], x[~hole])
        assert np.isfinite(array).all()
    assert (filled[hole] != drawn[hole]).any()
    np.testing.assert_array_equal(np.isnan(low), ~hole)
    assert (low[hole] < high[hole]).all()
    # A table of numbers whose few values would be levels of another model's column.
    rows = np.random.default_rng(2).integers(0, 3, (40, 4)).astype(float)
    lines = [",".join("" if (row + column) % 7 == 0 else f"{rows[row, column]:g}" for column in range(4)) for row in range(40)]
    (tmp_path / "x.csv").write_text("a,b,c,d\n" + "\n".join(lines) + "\n")
    good("impute", table_run, tmp_path / "x.csv", "--out", tmp_path / "y.csv", "--samples", 20)
    found = np.asarray(_read(tmp_path / "y.csv")[1:], float)
    known = (np.arange(40)[:, None] + np.arange(4)) % 7 != 0
    np.testing.assert_array_equal(found[known], rows[known])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "x.png"), "expected .csv or .tsv or .parquet or .feather or .npy"),
        (("--out", "x.csv", "--interval", 90), "interval is 90"),
        (("--out", "x.csv", "--draws", -1), "--draws is -1"),
        (("--out", "x.csv", "--samples", 0), "--samples is 0"),
        (("--out", "x.csv", "--calibration", "y.csv"), "which is for intervals; add --interval 0.9, or leave it out"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = command("impute", run, run.parent / "new.csv", *options)
    assert failed.status == 2
    assert message in " ".join(failed.error.split())
    assert not list(tmp_path.iterdir())


def test_intervals_need_rows_that_were_held_out(files: Path, images_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ("--set", "data.validation=0", "--set", "data.test=0", "--epochs", 1, "--no-report")
    good("train", files / "table.npy", *SMALL, *options, "--out", folder)
    failed = command("impute", folder, files / "table.npy", "--out", tmp_path / "x.npy", "--interval", 0.9)
    assert failed.status == 1
    assert "held no rows out, so there are none to calibrate intervals with" in " ".join(failed.error.split())
    failed = command("impute", images_run, files / "images.npy", "--out", tmp_path / "x.csv")
    assert failed.status == 2
    assert "is no row. Give a .npy file" in " ".join(failed.error.split())
