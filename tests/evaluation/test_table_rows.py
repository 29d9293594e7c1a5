"""Rows that a model draws are rows that the table could have: their values, ranges, digits and holes are those of training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chance import agrees

from lowerbound.data import DataSpec
from lowerbound.data.columns import RawTable, infer_columns
from lowerbound.data.dataset import Dataset
from lowerbound.data.describe_dataset import describe_dataset
from lowerbound.data.transforms import Affine
from lowerbound.evaluation import table_rows
from lowerbound.evaluation.table_rows import as_table, sample_rows, with_holes
from lowerbound.masks import SelfMasking
from lowerbound.verification.linear_gaussian import TRUTH

NUM_DRAWN = 60
HUGE = 1e30


def described(count: int, decimals: int, spread: float, share: float, seed: int) -> tuple[RawTable, DataSpec]:
    """A table with a column of each kind and holes at random, as written and as a model knows it."""
    rng = np.random.default_rng(seed)
    cells: dict[str, np.ndarray] = {
        "real": np.round(spread * rng.normal(size=count), decimals),
        "positive": np.round(np.exp(1 + rng.normal(size=count)) + 1, decimals),
        "rain": np.where(rng.random(count) < 0.5, 0.0, np.round(np.exp(rng.normal(size=count)) + 1, decimals)),
        "count": rng.negative_binomial(3, 0.02, count).astype(float),
        "colour": rng.choice(np.asarray(["red", "green", "blue"], object), count),
        "mark": rng.integers(0, 5, count).astype(float),
        "sunny": rng.choice(np.asarray(["yes", "no"], object), count),
    }
    for column in cells.values():
        lost = rng.random(count) < share
        lost[:2] = False  # a column without a value is refused
        column[lost] = None if column.dtype == object else np.nan
    table = RawTable("t", tuple(cells), tuple(cells.values()))
    columns = infer_columns(table)
    kept = [column for column in columns if not column.is_left_out]
    examples = np.stack([column.encode(table) for column in kept], axis=1)
    dataset = Dataset("t", examples, feature_names=tuple(each.name for each in kept), table=table, columns=columns)
    return table, describe_dataset(dataset, np.arange(count))


# Few rounded numbers often have one far out, of which the description warns.
@pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning")
@settings(max_examples=30, deadline=None)
@given(
    st.integers(30, 90), st.integers(0, 3), st.sampled_from([1e-2, 1.0, 1e6]), st.sampled_from([0.0, 0.3]), st.integers(0, 999)
)
def test_drawn_rows_have_the_values_ranges_digits_and_holes_of_training(
    count: int, decimals: int, spread: float, share: float, seed: int
) -> None:
    table, spec = described(count, decimals, spread, share, seed)
    rng = np.random.default_rng(seed)

    def anything(model: object, size: int, *, condition: None, draw: bool, seed: int) -> np.ndarray:
        """What a bad model may draw: numbers of any size, and every code with the one for what training did not see."""
        drawn = rng.choice([-HUGE, -1.0, 0.0, 0.5, 3.25, HUGE], (size, len(spec.columns)))
        for place, column in enumerate(spec.columns):
            if column.is_coded:
                # One in twenty: else no row is left in so few turns.
                codes = rng.integers(0, column.num_codes - 1, size)
                drawn[:, place] = np.where(rng.random(size) < 0.05, column.num_codes - 1, codes)
        return spec.to_model(drawn)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_rows, "sample", anything)
        found = sample_rows(TRUTH.model(), spec, NUM_DRAWN, holes=True, seed=seed)
    written = as_table(found, spec)
    known = dict(zip(table.names, table.columns, strict=True))
    for column, drawn in zip(spec.columns, written.columns, strict=True):
        real = known[column.name]
        if column.has_texts:
            assert {cell for cell in drawn if cell is not None} <= {cell for cell in real if cell is not None}
            continue
        numbers = drawn[~np.isnan(drawn)]
        assert np.nanmin(real) <= numbers.min(initial=np.inf)
        assert numbers.max(initial=-np.inf) <= np.nanmax(real)
        if column.is_coded:
            assert set(numbers) <= set(real)
        assert (np.round(numbers, decimals) == numbers).all()
    patterns = set(spec.hole_patterns) or {()}
    assert {tuple(np.flatnonzero(row).tolist()) for row in np.isnan(found)} <= patterns
    if share == 0:
        assert not np.isnan(found).any()


def test_holes_of_drawn_rows_come_from_the_law_of_the_mask() -> None:
    """The rate of holes, and E[x] of what is missing, in a column with a law of its own; the other keeps training's patterns."""
    rng = np.random.default_rng(0)
    x, intercept, slope, count = rng.normal(2.0, 3.0, (4000, 2)), 0.5, -1.5, 4000
    missing = rng.random(x.shape) < 0.3
    table = RawTable("t", ("a", "b"), tuple(np.where(missing, np.nan, x).T))
    columns = infer_columns(table)
    dataset = Dataset("t", np.where(missing, np.nan, x), feature_names=("a", "b"), table=table, columns=columns)
    spec = describe_dataset(dataset, np.arange(count))
    unit = dataclasses.replace(TRUTH.model(), input_transform=spec_units(spec))
    by_law = dataclasses.replace(unit, mask=SelfMasking([intercept, 9.0], [slope, 9.0], (0,)))
    rows = rng.normal(2.0, 3.0, (count, 2))
    u = np.asarray(unit.input_transform.forward(np.asarray(spec.to_model(rows), np.float32)))[:, 0]
    rate = scipy.special.expit(-(intercept + slope * u))
    for model, is_law in ((by_law, True), (unit, False)):
        lost = np.isnan(with_holes(rows, spec, model, seed=3))
        error = np.sqrt((rate * (1 - rate)).mean() / count)
        mean_lost, own = rows[lost[:, 0], 0].mean(), (rate * rows[:, 0]).sum() / rate.sum()
        spread = rows[:, 0].std() / np.sqrt(lost[:, 0].sum())
        # The control, holes by patterns alone, has training's rate whatever the values.
        for found, truth, deviation in ((lost[:, 0].mean(), rate.mean(), error), (mean_lost, own, spread)):
            assert agrees(found, truth, deviation) == is_law
        assert agrees(lost[:, 1].mean(), missing[:, 1].mean(), np.sqrt(2 * 0.21 / count))
        if not is_law:
            assert agrees(lost[:, 0].mean(), missing[:, 0].mean(), np.sqrt(2 * 0.21 / count))
            assert agrees(mean_lost, rows[:, 0].mean(), spread)


def spec_units(spec: DataSpec) -> Affine:
    """Standard deviations from the mean, as encoders see numbers."""
    shift, scale = (np.asarray(each, np.float32) for each in (spec.mean, spec.std))
    return Affine(shift=shift, scale=scale)
