"""Intervals of hidden elements hold on fresh rows whatever the model, and are narrow where columns tell of each other."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import scipy.stats
from support.chance import RATE, STANDARD_ERRORS

from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation import Imputation, impute
from lowerbound.evaluation.hidden_cells import HiddenCells, hide_and_fill, hidings_like
from lowerbound.evaluation.intervals import ColumnCoverage, Intervals, levels_of
from lowerbound.models import SingleLayer
from lowerbound.verification.linear_gaussian import TRUTH

INTERVAL, NUM_ROWS, NUM_FRESH = 0.9, 150, 500
LEVELS = levels_of(INTERVAL)
SPEC = describe(TRUTH.draw(1000, seed=9))
MODELS = {
    "right": TRUTH.model(),
    "far too sure": TRUTH.model(log_scale_error=-1.3),
    "too unsure": TRUTH.model(log_scale_error=0.5),
}


def holes(count: int, seed: int) -> np.ndarray:
    """Each element missing with a probability of .3, in rows from complete to empty."""
    return np.random.default_rng(seed).random((count, 6)) < 0.3


@functools.cache
def fresh_rows() -> tuple[np.ndarray, np.ndarray]:
    """Rows, and what is missing in them."""
    return TRUTH.draw(NUM_FRESH, seed=20), holes(NUM_FRESH, seed=21)


def cells_of(model: SingleLayer, *, with_own_holes: bool, seed: int = 1) -> HiddenCells:
    x = TRUTH.draw(NUM_ROWS, seed=seed)
    own = holes(NUM_ROWS, seed=seed + 1)
    data = Example(np.where(own, np.nan, x).astype(np.float32), observed=~own) if with_own_holes else Example(x)
    return hide_and_fill(model, SPEC, data, fresh_rows()[1], levels=LEVELS, num_samples=100)


@functools.cache
def imputed(name: str) -> Imputation:
    x, missing = fresh_rows()
    data = Example(np.where(missing, np.nan, x).astype(np.float32), observed=~missing)
    return impute(MODELS[name], data, num_samples=100, levels=(LEVELS[0], 0.5, LEVELS[1]), seed=3)


def ends_of(rule: Intervals, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Low, high and truth of all that is missing in the fresh rows, and the number of each one's column."""
    x, missing = fresh_rows()
    row, element = np.nonzero(missing)
    found, share = imputed(name), missing.mean(axis=1)
    low, high = (found.quantile(level)[row, element].astype(np.float64) for level in LEVELS)
    return *rule.around(low, high, element, share[row]), x[row, element], element


def is_in_exact_band(covered: int, num_fresh: int, num_known: int) -> bool:
    """Whether so many of the fresh cells of a column lie inside, which is beta-binomial over cells and calibration rows both."""
    place = int(np.ceil((num_known + 1) * INTERVAL - 1e-9))
    law = scipy.stats.betabinom(num_fresh, place, num_known + 1 - place)
    return bool(min(law.cdf(covered), law.sf(covered - 1)) > RATE / 2)


@pytest.mark.parametrize("with_own_holes", [False, True], ids=["complete", "with holes"])
@pytest.mark.parametrize("name", MODELS)
def test_intervals_of_each_column_hold_on_fresh_rows(name: str, with_own_holes: bool) -> None:
    cells = cells_of(MODELS[name], with_own_holes=with_own_holes)
    rule = Intervals(cells, SPEC, INTERVAL)
    low, high, truth, element = ends_of(rule, name)
    inside = (low <= truth) & (truth <= high)
    for column in range(6):
        own = element == column
        assert is_in_exact_band(int(inside[own].sum()), int(own.sum()), rule.coverage[column].num_cells)


def test_quantiles_that_are_not_corrected_do_not_hold() -> None:
    """The control: of a model that is too sure, its own intervals are out of the same band."""
    rule = Intervals(cells_of(MODELS["far too sure"], with_own_holes=False), SPEC, INTERVAL)
    x, missing = fresh_rows()
    found = imputed("far too sure")
    inside = (found.quantile(LEVELS[0]) <= x) & (x <= found.quantile(LEVELS[1]))
    for column in range(6):
        own = missing[:, column]
        assert not is_in_exact_band(int(inside[own, column].sum()), int(own.sum()), rule.coverage[column].num_cells)
        assert rule.coverage[column].own_coverage < 0.75


def test_they_are_narrower_than_the_columns_own_quantiles_where_columns_tell_of_each_other() -> None:
    rule = Intervals(cells_of(MODELS["right"], with_own_holes=False), SPEC, INTERVAL)
    low, high, _, element = ends_of(rule, "right")
    own = np.quantile(TRUTH.draw(20_000, seed=5), LEVELS, axis=0)
    # With a third of the other columns missing, the law of a column given the others is known: the widths of both are.
    width, own_width = np.mean(high - low), np.mean((own[1] - own[0])[element])
    exact = np.mean(2 * scipy.stats.norm.ppf(LEVELS[1]) * np.concatenate(_conditional_spreads()))
    assert width < 0.9 * own_width
    assert width == pytest.approx(exact, rel=0.1)
    measured = np.average([column.width for column in rule.coverage], weights=(own[1] - own[0]))
    assert measured == pytest.approx(width / own_width, rel=0.1)


def _conditional_spreads() -> list[np.ndarray]:
    x, missing = fresh_rows()
    return [np.sqrt(np.diag(TRUTH.hidden(row, ~lost)[1])) for row, lost in zip(x, missing, strict=True) if lost.any()]


def test_the_coverage_that_is_said_is_that_of_cells_that_did_not_count() -> None:
    """Each fifth of the rows is judged by the others, so that the coverage is the nominal one, though the model is wrong."""
    rule = Intervals(cells_of(MODELS["far too sure"], with_own_holes=False), SPEC, INTERVAL)
    covered = sum(column.coverage * column.num_cells for column in rule.coverage)
    total = sum(column.num_cells for column in rule.coverage)
    # Cells of a row are not independent: at most as if each row were one cell.
    assert abs(covered / total - INTERVAL) < STANDARD_ERRORS * np.sqrt(INTERVAL * (1 - INTERVAL) / NUM_ROWS)
    assert all(isinstance(column, ColumnCoverage) and column.coverage_error < 0.05 for column in rule.coverage)
    assert rule.coverage[0].to_json()["name"] == "0"


def test_rows_of_which_more_is_missing_have_corrections_of_their_own() -> None:
    rng = np.random.default_rng(0)
    count = 600
    share = rng.choice([0.2, 0.8], count)
    # The quantiles are those of a standard normal law, and half of the rows are three times as spread.
    truth = rng.normal(size=count) * np.where(share > 0.5, 3.0, 1.0)
    same = np.full(count, 1.645)
    cells = HiddenCells(np.arange(count), np.zeros(count, int), share, truth, 0 * truth, -same, same, LEVELS)
    rule = Intervals(cells, SPEC, INTERVAL)
    low, high = rule.around(-same[:2], same[:2], np.zeros(2, int), np.array([0.2, 0.8]))
    assert rule.coverage[0].num_groups == 2
    np.testing.assert_allclose(high - low, [2 * 1.645, 6 * 1.645], rtol=0.25)


def test_with_too_few_known_cells_nothing_is_said_of_a_column() -> None:
    few = np.arange(8)
    cells = HiddenCells(few, np.zeros(8, int), 0.2 + 0 * few, 1.0 * few, 1.0 * few, few - 1.0, few + 1.0, LEVELS)
    low, high = Intervals(cells, SPEC, INTERVAL).around(np.zeros(2), np.ones(2), np.array([0, 1]), np.array([0.2, 0.2]))
    assert (low == -np.inf).all()
    assert (high == np.inf).all()
    with pytest.raises(ConfigurationError, match="interval is 90"):
        levels_of(90)
    unknown = Example(np.full((3, 6), np.nan, np.float32), observed=np.zeros((3, 6), bool))
    with pytest.raises(DataError, match="has a value in an element that is missing elsewhere; expected"):
        hide_and_fill(MODELS["right"], SPEC, unknown, fresh_rows()[1], levels=LEVELS, num_samples=10)


def test_complete_rows_are_hidden_by_the_patterns_of_the_others_and_rows_with_holes_only_by_what_they_lack() -> None:
    rng = np.random.default_rng(1)
    # The first two columns go missing together, the third alone.
    pattern = np.zeros((400, 4), bool)
    pattern[:200, :2], pattern[200:, 2] = True, True
    found = hidings_like(np.ones((50, 4), bool), pattern, rng)
    assert {tuple(row) for row in found.hidden.tolist()} == {(True, True, False, False), (False, False, True, False)}
    np.testing.assert_array_equal(found.scored, found.hidden)
    # Each known element of the columns that are missing elsewhere is scored once in each row.
    assert len(found.row) == 100
    # Rows with holes of the same kind, each element at random, lose one element at a time.
    own = rng.random((300, 8)) < 0.3
    alone = hidings_like(~own, rng.random((2000, 8)) < 0.3, rng)
    assert alone.hidden.sum(axis=1).mean() < 1.25
    assert alone.scored.sum() == (~own).sum()
