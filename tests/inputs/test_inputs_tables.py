"""Tables made at random, with odd cells, names and holes, given to all commands that take one."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import SMALL, SMALL_ALONE, good
from hypothesis import given
from hypothesis import strategies as st
from judging import answers, few_generated, generated
from odd_tables import COLUMNS, FORMATS, NAMES, PLAIN, OddTable, odd_tables, with_holes

KINDS = ("real", "positive", "zero-inflated", "count", "binary", "categorical", "ordinal", "date-time", "constant", "text", "x")
# The columns that the model of these tests knows, and what their cells are.
KNOWN = {"w": "real", "x": "category", "y": "count", "z": "day", "v": "many zeros"}
# Commands that take a run and a table; what is written has a row for each of the table's.
WITH_A_ROW_EACH = (
    *(("score",), ("score", "--columns"), ("score", "--false-alarm-rate", "0.5"), ("score", "--false-discovery-rate", "0.5")),
    *(("impute",), ("impute", "--draws", "2"), ("impute", "--interval", "0.5"), ("encode",), ("encode", "--std")),
)
OTHERS = (("reconstruct",), ("fidelity",), ("evaluate",), ("classify",))
TAKE_SAMPLES = ("score", "impute", "evaluate")


@generated
@given(table=odd_tables(), form=st.sampled_from(FORMATS), kind=st.sampled_from(KINDS))
def test_the_schema_of_any_table_is_found_and_taken_back(table: OddTable, form: str, kind: str, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("tables")
    words, path = table.write(folder, form), folder / "s.toml"
    result = answers("schema", *words, "--out", path)
    assert path.exists() == (result.status == 0), result
    if path.exists():
        good("schema", *words, "--schema", path)
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r'^kind = "[^"]*"', f'kind = "{kind}"', text, count=1, flags=re.MULTILINE), encoding="utf-8")
        answers("schema", *words, "--schema", path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("known")
    table = with_holes(OddTable(tuple(KNOWN), tuple(COLUMNS[kind](rng, 60) for kind in KNOWN.values())), 0.1, rng)
    good("train", *table.write(folder, "csv"), *SMALL_ALONE, "--epochs", 1, "--out", folder / "run")
    return folder / "run"


@st.composite
def _tables_for_a_model(draw: Any) -> OddTable:
    """The columns that a model knows in any order, some odd, one missing perhaps, and others beside them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    size = draw(st.sampled_from((1, 2, 30)))
    known = draw(st.permutations(sorted(KNOWN)))[draw(st.sampled_from((0, 0, 0, 1))) :]
    odd = draw(st.sets(st.sampled_from(known), max_size=2))
    more = draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))
    kinds = {
        name: draw(st.sampled_from(sorted(COLUMNS))) if name in odd or name in more else KNOWN[name] for name in (*known, *more)
    }
    table = OddTable(tuple(kinds), tuple(COLUMNS[kind](rng, size) for kind in kinds.values()))
    return with_holes(table, draw(st.sampled_from((0.0, 0.2, 1.0))), rng)


@generated
@given(
    table=_tables_for_a_model(),
    form=st.sampled_from([form for form in FORMATS if form != "database"]),
    words=st.sampled_from([*WITH_A_ROW_EACH, *WITH_A_ROW_EACH, *OTHERS]),
    ending=st.sampled_from(("csv", "csv", "npy")),
)
def test_a_model_answers_about_any_table(
    table: OddTable, form: str, words: tuple[str, ...], ending: str, run: Path, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("new")
    out, data = folder / f"out.{ending}", table.write(folder, form)
    name, *options = words
    samples = ["--samples", 3] if name in TAKE_SAMPLES else []
    written = [] if name == "evaluate" else ["--out", out]
    result = answers(name, run, *data, *options, *samples, *written)
    if result.status != 0:
        assert [path.name for path in folder.iterdir()] == [Path(data[0]).name], result
    elif words in WITH_A_ROW_EACH:
        assert _rows_of(out) == len(table.columns[0]), result


def _rows_of(path: Path) -> int:
    if path.suffix == ".npy":
        return len(np.load(path))
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert len(set(head)) == len(head), head
    assert {len(row) for row in rows} == {len(head)}
    return len(rows)


_VALUES = st.sampled_from(
    ["0", "1", "-1", "1e30", "nan", "inf", "", "red", "violet", "2020-05-05", "9999-12-31", "x", "=1", "0,5"]
)


@generated
@given(
    known=st.lists(st.tuples(st.sampled_from([*KNOWN, *KNOWN, "nope", ""]), _VALUES), max_size=3),
    options=st.sets(st.sampled_from(("--complete", "--mean", "--condition=red")), max_size=1),
    ending=st.sampled_from(("csv", "tsv", "parquet", "npy", "png", "CSV", "")),
)
def test_rows_are_drawn_under_any_values(
    known: list[tuple[str, str]], options: set[str], ending: str, run: Path, tmp_path_factory: Any
) -> None:
    out = tmp_path_factory.mktemp("drawn") / f"out.{ending}"
    given_words = [word for name, value in known for word in ("--given", f"{name}={value}")]
    result = answers("sample", run, "-n", 5, *given_words, *options, "--out", out)
    assert out.exists() == (result.status == 0), result


@pytest.mark.long
@few_generated
@given(
    table=odd_tables(sizes=(60,), most=5),
    names=st.permutations([name for name in NAMES if name not in ("Unnamed: 0", "__index_level_0__")]),
    form=st.sampled_from([form for form in FORMATS if form != "database"]),
)
def test_any_table_is_trained_on_or_refused(table: OddTable, names: list[str], form: str, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("trained")
    data, run = dataclasses.replace(table, names=tuple(names[: len(table.names)])).write(folder, form), folder / "run"
    result = answers("train", *data, *SMALL, "--epochs", 1, "--out", run)
    if result.status != 0:
        return
    assert (run / "report.html").exists()
    for words in (
        ("impute", run, *data, "--samples", 3, "--interval", "0.5", "--out", folder / "filled.csv"),
        ("sample", run, "-n", 5, "--complete", "--out", folder / "new.csv"),
        ("score", run, *data, "--samples", 3, "--columns", "--out", folder / "scores.csv"),
        ("encode", run, *data, "--out", folder / "codes.csv"),
    ):
        good(*words)
    for name in ("doctor", "explain", "latents", "report"):
        answers(name, run)


def test_a_plain_table_is_answered_with_results(run: Path, tmp_path: Path) -> None:
    # The tests above would pass where everything is refused.
    rng = np.random.default_rng(1)
    table = with_holes(OddTable(tuple(KNOWN), tuple(COLUMNS[kind](rng, 30) for kind in KNOWN.values())), 0.2, rng)
    data = table.write(tmp_path, "csv")
    assert set(PLAIN) >= set(KNOWN.values())
    for number, words in enumerate((("score", "--columns"), ("impute",), ("encode",))):
        name, *options = words
        out = tmp_path / f"{number}.csv"
        good(name, run, *data, *options, *(("--samples", 3) if name in TAKE_SAMPLES else ()), "--out", out)
        assert _rows_of(out) == 30
