"""`metrics.csv`: what a kill or a full disk may leave in it, and what is made of that."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
from limits import file_size_limit

from lowerbound.errors import ModelFolderError, SavingError
from lowerbound.runs.metrics import COLUMNS, MetricsFile
from lowerbound.training import Record


def _record(step: int) -> Record:
    values = dict.fromkeys(COLUMNS, step + 1 / 3)
    of_its_own = {"step": step, "skipped_steps": step, "validation_elbo_nats": math.nan}
    return Record(**{**values, **of_its_own}, monitors={"fraction_at_floor": 0.25})


@pytest.fixture
def metrics(tmp_path: Path) -> MetricsFile:
    file = MetricsFile(tmp_path / "metrics.csv")
    for step in (4, 8, 12):
        file.append(_record(step))
    return file


def test_what_is_written_is_read_back_bit_for_bit(metrics: MetricsFile) -> None:
    columns = metrics.read()
    assert tuple(columns) == (*COLUMNS, "monitor/fraction_at_floor")
    assert columns["monitor/fraction_at_floor"].tolist() == [0.25] * 3
    np.testing.assert_array_equal(columns["step"], [4, 8, 12])
    np.testing.assert_array_equal(columns["loss"], [4 + 1 / 3, 8 + 1 / 3, 12 + 1 / 3])
    assert np.isnan(columns["validation_elbo_nats"]).all()
    assert len(MetricsFile(metrics.path.with_name("none.csv")).read()["step"]) == 0


def test_rows_after_the_checkpoint_are_dropped(metrics: MetricsFile) -> None:
    metrics.keep_until(8)
    np.testing.assert_array_equal(metrics.read()["step"], [4, 8])
    metrics.append(_record(12))
    np.testing.assert_array_equal(metrics.read()["step"], [4, 8, 12])


@pytest.mark.parametrize("kept", range(0, 2400, 53))
def test_a_file_torn_anywhere_is_mended(metrics: MetricsFile, kept: int) -> None:
    whole = metrics.path.read_bytes()
    rows_left = max(whole[:kept].count(b"\n") - 1, 0)
    metrics.path.write_bytes(whole[:kept])
    metrics.keep_until(12)
    metrics.append(_record(16))
    np.testing.assert_array_equal(metrics.read()["step"], [*[4, 8, 12][:rows_left], 16])


def test_a_full_disk_says_what_to_do(metrics: MetricsFile) -> None:
    size = metrics.path.stat().st_size
    message = rf"could not add to {re.escape(str(metrics.path))}: .* Free some space and resume the run\."
    with file_size_limit(size + 10), pytest.raises(SavingError, match=message):
        metrics.append(_record(16))
    # The row is torn; the next resume mends it.
    metrics.keep_until(12)
    np.testing.assert_array_equal(metrics.read()["step"], [4, 8, 12])


def test_a_foreign_file_is_refused(metrics: MetricsFile) -> None:
    metrics.path.write_text("a,b\n1,2\n")
    with pytest.raises(ModelFolderError, match=r"has the columns \['a', 'b'\]; expected \['epoch', "):
        metrics.read()


def test_a_file_of_other_columns_goes_on(metrics: MetricsFile) -> None:
    """An earlier release knew one monitor, under another name, and fewer columns; a likelihood of one's own has others."""
    lines = metrics.path.read_text().replace("monitor/fraction_at_floor", "fraction_at_floor").splitlines()
    rows = [line.split(",") for line in lines]
    without = rows[0].index("skipped_steps")
    metrics.path.write_text("".join(",".join(row[:without] + row[without + 1 :]) + "\n" for row in rows))
    metrics.append(dataclasses.replace(_record(16), monitors={"fraction_of_mine": 0.5}))
    columns = metrics.read()
    np.testing.assert_array_equal(columns["step"], [4, 8, 12, 16])
    np.testing.assert_array_equal(columns["skipped_steps"], [np.nan, np.nan, np.nan, 16])
    np.testing.assert_array_equal(columns["monitor/fraction_at_floor"], [0.25, 0.25, 0.25, np.nan])
    np.testing.assert_array_equal(columns["monitor/fraction_of_mine"], [np.nan, np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(columns["loss"], [4 + 1 / 3, 8 + 1 / 3, 12 + 1 / 3, 16 + 1 / 3])
    assert metrics.path.read_text().splitlines()[-1].split(",")[1] == "16", "whole numbers stay whole"
