"""`score` with a rate: flags by rows of the run that it was not trained on, in tables, arrays and JSON."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL_ALONE, command, good

from lowerbound.cli.anomalies import Judged, Rate, write_judged
from lowerbound.data.describe import describe

_SPLITS = ("--set", "data.validation=30", "--set", "data.test=100")


def rows(count: int, seed: int) -> np.ndarray:
    """Three columns that go together."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 1)) * [1.0, 2.0, -3.0] + 0.1 * rng.normal(size=(count, 3))


def write(path: Path, table: np.ndarray) -> Path:
    np.savetxt(path, table, delimiter=",", header="height,weight,age", comments="", fmt="%.5f")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """own.csv, its run, and new.csv: forty rows like them and three odd ones, of which the first two are odd in one column."""
    folder = tmp_path_factory.mktemp("anomalies")
    write(folder / "own.csv", rows(330, 0))
    new = rows(43, 1)
    new[40, 1] += 8.0
    new[41, 2] += 9.0
    new[42] = [1e4, -1e5, 3e3]
    write(folder / "new.csv", new)
    good("train", folder / "own.csv", *SMALL_ALONE, *_SPLITS, "--epochs", 30, "--out", folder / "run")
    return folder


def test_rows_are_flagged_with_the_columns_that_made_them_odd(folder: Path, tmp_path: Path) -> None:
    told = good("score", folder / "run", folder / "new.csv", "--false-alarm-rate", 0.05, "--out", tmp_path / "flags.csv").stderr
    with (tmp_path / "flags.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert list(table[0])[:5] == ["score", "p_value", "flag", "unlikely_columns", "log_evidence_nats"]
    p = np.array([float(row["p_value"]) for row in table])
    # On the lattice of a hundred calibration rows.
    np.testing.assert_allclose(p * 101, np.round(p * 101), atol=1e-9)
    assert [int(row["flag"]) for row in table] == (p <= 0.05).astype(int).tolist()
    np.testing.assert_allclose(p[40:] * 101, 1)
    assert [table[row]["unlikely_columns"].split(" (")[0] for row in (40, 41)] == ["weight", "age"]
    flagged = int((p <= 0.05).sum())
    words = " ".join(told.split())
    assert (
        f"flagged {flagged} of 43 rows, p <= 0.05. Of rows like the 100 rows of the test split, 0.0495 are flagged in the"
        in words
    )
    assert "area under the ROC curve, 30 held-out rows against the same rows made odd: joined" in words


def test_arrays_and_json_say_the_same(folder: Path, tmp_path: Path) -> None:
    option = ("--false-discovery-rate", 0.2)
    out = tmp_path / "flags.npy"
    result = good("score", folder / "run", folder / "new.csv", *option, "--out", out, "--json", "--samples", 10)
    found, array = json.loads(result.stdout), np.load(out)
    assert (found["num_calibration"], found["false_discovery_rate"], found["calibration"]) == (100, 0.2, "rows of the test split")
    assert found["score"] in found["reason"]
    for row, numbers in zip(found["rows"], array, strict=True):
        assert [row["score"], row["p_value"], row["flag"], row["log_evidence_nats"]] == [
            *numbers[:2],
            bool(numbers[2]),
            numbers[3],
        ]
    assert found["num_flagged"] == array[:, 2].sum()
    # Benjamini and Hochberg by hand.
    p = np.sort(array[:, 1])
    passed = np.flatnonzero(p <= 0.2 * np.arange(1, 44) / 43)
    assert found["num_flagged"] == (passed[-1] + 1 if len(passed) else 0)
    assert {column["name"] for column in found["rows"][40]["columns"]} >= {"weight"}
    assert "rows or more are flagged, or none" in " ".join(result.stderr.split())


def test_json_without_a_rate_needs_no_file(folder: Path) -> None:
    found = json.loads(good("score", folder / "run", folder / "new.csv", "--json", "--samples", 10).stdout)
    assert len(found["rows"]) == 43
    assert "flag" not in found["rows"][0]


def test_a_file_of_odd_rows_alone_is_flagged_and_not_taken_for_other_units(folder: Path, tmp_path: Path) -> None:
    far = write(tmp_path / "far.csv", rows(20, 2) + 1000)
    found = json.loads(good("score", folder / "run", far, "--false-alarm-rate", 0.01, "--json", "--samples", 10).stdout)
    assert found["num_flagged"] == 20
    assert command("score", folder / "run", far, "--json").status == 1


def test_one_part_that_is_held_out_chooses_and_calibrates_with_different_rows(folder: Path, tmp_path: Path) -> None:
    splits = ("--set", "data.validation=60", "--set", "data.test=0")
    good("train", folder / "own.csv", *SMALL_ALONE, *splits, "--epochs", 2, "--out", tmp_path / "run")
    found = json.loads(good("score", tmp_path / "run", folder / "new.csv", "--false-alarm-rate", 0.1, "--json").stdout)
    assert found["num_calibration"] == 40
    assert found["calibration"].startswith("rows of the validation split (the others of it chose the score), by which training")
    assert "20 held-out rows against" in found["reason"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--false-alarm-rate", 0.005),
            "--false-alarm-rate is 0.005, but there are 100 rows of the test split, and 199 are needed: the smallest p-value "
            "that 100 can give is 1/101. Hold out more rows, or take a rate of 0.01 or more.",
        ),
        (("--false-discovery-rate", 0.001), "--false-discovery-rate is 0.001, but there are 100 rows of the test split, and 999"),
        (("--false-alarm-rate", 0), "--false-alarm-rate is 0.0 (a number); expected a number > 0 and < 1."),
        (("--false-alarm-rate", 0.1, "--false-discovery-rate", 0.1), "are both given; expected one: a share of the normal rows"),
        ((), "--out is missing; give a .csv or .npy file, or --json for the standard output."),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    folder: Path, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    out = () if not options else ("--out", tmp_path / "out.csv")
    failed = command("score", folder / "run", folder / "new.csv", *options, *out)
    assert failed.status == 2
    assert message in " ".join(failed.error.split())
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_its_data_has_no_rows_to_calibrate_with(folder: Path) -> None:
    failed = command("score", folder / "run" / "model", folder / "new.csv", "--false-alarm-rate", 0.1, "--json")
    assert failed.status == 1
    assert "holds a model that was saved without its data" in failed.error


def test_scores_of_a_file_do_not_depend_on_its_other_rows(folder: Path, tmp_path: Path) -> None:
    table = np.loadtxt(folder / "new.csv", delimiter=",", skiprows=1)
    few = write(tmp_path / "few.csv", table[[41, 3]])
    options = ("--false-alarm-rate", 0.1, "--json", "--samples", 10)
    all_rows, own = (
        json.loads(good("score", folder / "run", file, *options).stdout)["rows"] for file in (folder / "new.csv", few)
    )
    assert [row["score"] for row in own] == pytest.approx([all_rows[41]["score"], all_rows[3]["score"]], rel=1e-5)


def test_a_column_s_name_that_a_spreadsheet_would_run_is_a_text(tmp_path: Path) -> None:
    spec = dataclasses.replace(describe(rows(20, 0)), feature_names=("=1+1", "weight", "age"))
    one = np.ones(1)
    judged = Judged("joined", "", Rate("--false-alarm-rate", 0.1), 100, "", one, one, one > 0, np.array([[9.0, 0.0, 3.0]]))
    write_judged(tmp_path / "out.csv", np.ones((1, 1)), ["log_evidence_nats"], judged, spec)
    assert "'=1+1 (9 nats); age (3 nats)" in (tmp_path / "out.csv").read_text(encoding="utf-8")
