"""The figures of synthetic rows against closed forms, other programs, and laws that are known."""

from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import normalized_mutual_info_score
from support.chance import agrees, differs

from lowerbound.data.columns import Column
from lowerbound.errors import DataError
from lowerbound.evaluation.fidelity import (
    Fidelity,
    LatentClasses,
    PairFigures,
    boosted_two_sample,
    column_shapes,
    downstream,
    fidelity,
    independent_columns,
    information_agreement,
    nearest_rows,
    num_copies,
)
from lowerbound.evaluation.fidelity.coding import Grouping, as_numbers, features
from lowerbound.evaluation.fidelity.jackknife import NUM_GROUPS, groups_of, jackknife_error, with_error
from lowerbound.evaluation.fidelity.shapes import mean_shape

A = Column("a", "binary", categories=("no", "yes"))
B = Column("b", "categorical", categories=("x", "y", "z"))
O = Column("o", "ordinal", categories=(1.0, 2.0, 10.0))  # noqa: E741
X = Column("x", "real")
COLUMNS = (A, B, O, X)
# Errors of twenty groups.
DRAWS = NUM_GROUPS


def planted(size: int, seed: int, holes: float = 0.0) -> np.ndarray:
    """a is fair; b is x with 0.8 if a is no, else z with 0.8; x ~ N(3 a, 1); o tells nothing."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, size)
    b = np.where(rng.random(size) < 0.8, 2 * a, 1)
    rows = np.stack([a, b, rng.integers(0, 3, size), rng.normal(3.0 * a, 1.0)], axis=1).astype(np.float64)
    return np.where(rng.random(rows.shape) < holes, np.nan, rows)


def test_the_shape_of_a_category_is_one_less_the_total_variation_over_cells_with_a_value() -> None:
    real = np.array([[0.0], [0], [1], [2], [np.nan]])
    other = np.array([[0.0], [1], [1], [3], [np.nan], [np.nan], [3]])
    # (1/2, 1/4, 1/4, 0) and (1/5, 2/5, 0, 2/5)
    expected = 1 - 0.5 * (0.3 + 0.15 + 0.25 + 0.4)
    np.testing.assert_allclose(column_shapes(real, other, [B]), [expected], rtol=1e-12)
    np.testing.assert_allclose(column_shapes(real, real, [B]), [1.0])
    assert np.isnan(column_shapes(real, np.full((3, 1), np.nan), [B])).all()


def test_the_shape_of_numbers_is_one_less_the_kolmogorov_smirnov_distance() -> None:
    rng = np.random.default_rng(0)
    # Ties too.
    real, other = np.round(rng.normal(size=(300, 1)), 1), np.round(rng.normal(0.5, 2, size=(200, 1)), 1)
    expected = np.asarray(scipy.stats.ks_2samp(real[:, 0], other[:, 0]))[0]
    np.testing.assert_allclose(column_shapes(real, other, [X]), [1 - expected], rtol=1e-12)


def test_the_jackknife_of_a_mean_is_that_of_its_groups() -> None:
    values = np.random.default_rng(0).exponential(size=400)
    value, error = with_error(lambda kept: float(values[kept].mean()), 400)
    means = [values[groups_of(400) == group].mean() for group in range(NUM_GROUPS)]
    assert value == pytest.approx(values.mean())
    assert error == pytest.approx(np.std(means, ddof=1) / NUM_GROUPS**0.5)
    # Which is the standard error of the mean of all, known to a sixth.
    assert error == pytest.approx(1 / 20, rel=0.9)
    assert jackknife_error(np.ones((20, 3))).tolist() == [0, 0, 0]


def test_pairs_are_what_other_programs_say_of_rows_that_have_both() -> None:
    rows, others = planted(500, 0, holes=0.1), planted(400, 1, holes=0.2)
    figures = PairFigures(planted(1000, 2), COLUMNS)
    own, other = figures.counts(rows), figures.counts(others)
    groups, other_groups = (figures._grouping.groups(each) for each in (rows, others))
    trends = figures.trends(own, other)
    for j in range(4):
        assert np.isnan(trends[j, j])
        for k in range(j):
            both, other_both = (~np.isnan(each[:, j] + each[:, k]) for each in (rows, others))
            expected = normalized_mutual_info_score(groups[both, j], groups[both, k])
            assert own.information[j, k] == pytest.approx(expected, abs=1e-10)
            if (j, k) == (3, 2):
                r, s = (
                    np.corrcoef(as_numbers(each[kept], COLUMNS)[:, [2, 3]].T)[0, 1]
                    for each, kept in ((rows, both), (others, other_both))
                )
                expected = 1 - abs(r - s) / 2
            else:
                tables = [np.zeros((12, 12)), np.zeros((12, 12))]
                for table, each, kept in zip(tables, (groups, other_groups), (both, other_both), strict=True):
                    np.add.at(table, (each[kept, j], each[kept, k]), 1 / kept.sum())
                expected = 1 - 0.5 * np.abs(tables[0] - tables[1]).sum()
            assert (trends[j, k], trends[k, j]) == pytest.approx((expected, expected), abs=1e-10)
    # Groups of rows are taken off exactly.
    whole, without = figures.by_group(rows, 3)
    np.testing.assert_allclose(whole.joint, own.joint, atol=1e-9)
    np.testing.assert_allclose(without[4].sums, figures.counts(rows[groups_of(500, 3) != 4]).sums, atol=1e-9)


def test_information_is_kept_whole_lost_whole_or_invented() -> None:
    figures, rows = PairFigures(planted(2000, 0), COLUMNS), planted(20_000, 1)
    own = figures.counts(rows)
    assert information_agreement(own, own) == 1.0
    assert information_agreement(own, figures.counts(independent_columns(rows, 20_000))) == pytest.approx(0.0, abs=0.01)
    # A pair that tells nothing has no weight, so that inventing costs where there is something to lose alone.
    invented = rows.copy()
    invented[:, 2] = rows[:, 1]
    assert information_agreement(own, figures.counts(invented)) > 0.99
    assert np.isnan(information_agreement(figures.counts(np.zeros((30, 4))), own))


def test_groups_are_of_equal_counts_and_rare_categories_are_one() -> None:
    many = Column("m", "categorical", categories=tuple(f"c{number:03}" for number in range(300)))
    rng = np.random.default_rng(0)
    reference = np.stack([rng.geometric(0.2, 2000) - 1, rng.normal(size=2000)], axis=1).astype(np.float64)
    grouping = Grouping(reference, [many, X])
    assert grouping.sizes.tolist() == [20, 10]
    found = grouping.groups(np.array([[0.0, -9.0], [299, 9.0], [300, np.nan]]))
    assert found.tolist() == [[0, 0], [19, 9], [19, -1]]
    counts = np.bincount(grouping.groups(reference)[:, 1])
    assert counts.min() >= 195
    # A number that most rows share is a group of its own, and no group is empty.
    mostly_zero = np.where(np.arange(100) < 80, 0.0, np.arange(100.0))[:, None]
    grouping = Grouping(mostly_zero, [X])
    assert np.bincount(grouping.groups(mostly_zero)[:, 0]).min() > 0
    # Trees take 255 categories: the commonest keep a number of their own.
    reduced, categories = features(reference, [many, X], reference)
    assert categories.tolist() == [True, False]
    top, _ = features(np.array([[0.0, 0], [300, 0], [np.nan, 0]]), [many, X], reference)
    assert top[0, 0] == 0
    assert top[1, 0] == 254
    assert np.isnan(top[2, 0])
    assert reduced[:, 0].max() <= 254


def test_trees_cannot_tell_two_samples_of_one_law_and_tell_a_planted_dependence() -> None:
    """The AUC of two samples of one law is 1/2 within errors; columns drawn each by itself, with the same shapes, are told."""
    same = boosted_two_sample(planted(600, 0, 0.05), planted(600, 1, 0.05), COLUMNS)
    assert agrees(same.auc, 0.5, same.auc_error, num_draws=DRAWS)
    assert same.score > 0.8
    assert same.num_rows == 600
    shuffled = independent_columns(planted(600, 2, 0.05), 800)
    told = boosted_two_sample(planted(600, 0, 0.05), shuffled, COLUMNS)
    assert differs(told.auc, 0.5, told.auc_error)
    assert told.score < 0.65
    shapes = [mean_shape(planted(600, 0), each, COLUMNS) for each in (planted(600, 1), shuffled)]
    # Which no column by itself shows.
    assert agrees(shapes[0][0], shapes[1][0], np.hypot(shapes[0][1], shapes[1][1]), num_draws=DRAWS)


def test_the_score_is_two_less_twice_the_area_and_never_above_one() -> None:
    # Gaussians a distance of 2 apart: the best area is Phi(2 / sqrt 2) = 0.921, and the score 0.157.
    rng = np.random.default_rng(0)
    found = boosted_two_sample(rng.normal(size=(1500, 1)), rng.normal(2, 1, size=(1500, 1)), [X])
    best = scipy.stats.norm.cdf(2**0.5)
    assert best - 0.04 < found.auc < best + 5.5 * found.auc_error
    assert found.score == pytest.approx(2 - 2 * found.auc)
    assert dataclasses.replace(found, auc=0.4).score == 1.0


def test_what_is_learnt_is_measured_on_real_rows() -> None:
    test = planted(1000, 9)
    # P(a | b, x) is known: log odds 6 x / 2 - 4.5 and b's, which says all but where it is y.
    truth = np.where(test[:, 1] == 1, 3 * test[:, 3] - 4.5, 20 * (test[:, 1] - 1))
    best = _area(test[:, 0] == 1, truth)
    real = downstream(planted(1500, 1), test, COLUMNS, "a")
    assert real.measure == "AUC"
    assert best - 0.03 < real.value < best + 1e-9
    blind = downstream(independent_columns(planted(1500, 1), 1500), test, COLUMNS, "a")
    assert blind.value < 0.8
    constant = planted(300, 2)
    constant[:, 0] = 1
    assert downstream(constant, test, COLUMNS, "a").value == 0.5
    # Of three values each against the rest: y is told by nothing, of x and z the area is (0.5 + 0.1 / 2) / 0.6.
    several = downstream(planted(1500, 1), test, COLUMNS, "b")
    assert agrees(several.value, 0.2 * 0.5 + 0.8 * 0.55 / 0.6, several.error, slack=0.02, num_draws=DRAWS)
    # Of numbers R2, at most 1 - 1 / Var(x) = 1 - 1 / 3.25.
    number = downstream(planted(1500, 1), test, COLUMNS, "x")
    assert number.measure == "R2"
    assert agrees(number.value, 1 - 1 / 3.25, number.error, slack=0.08, num_draws=DRAWS)
    assert downstream(planted(1500, 1), test, COLUMNS, "o").measure == "R2"


def _area(label: np.ndarray, looks: np.ndarray) -> float:
    ranks = scipy.stats.rankdata(looks)
    positive = label.sum()
    return float((ranks[label].sum() - positive * (positive + 1) / 2) / (positive * (~label).sum()))


def test_the_distance_between_rows_is_gowers_with_ranks_and_copies_are_counted() -> None:
    training = np.array([[0.0, 0, 0, 10], [1, 2, 2, 20], [1, 1, np.nan, 30], [0, 0, 1, 40]])
    # The nearest is the second: a and b alike, o a hole, x between the second (3/8) and the third: 1/2.
    row = np.array([[1.0, 2, np.nan, 25]])
    found = nearest_rows(np.repeat(row, 30, axis=0), training, COLUMNS)
    assert found.median == pytest.approx((0 + 0 + 1 + 1 / 8) / 4)
    assert found.median_error == 0.0
    assert num_copies(row, training) == 0
    # A hole is a value like any other, and minus zero is zero.
    assert num_copies(np.concatenate([row, training, training * np.where(training == 0, -1, 1)]), training) == 8


def test_latent_classes_learn_a_law_of_two_classes_with_holes() -> None:
    training = planted(4000, 0)
    rng = np.random.default_rng(1)
    # The number is missing in a quarter of the rows in which a is yes.
    training[(training[:, 0] == 1) & (rng.random(4000) < 0.25), 3] = np.nan
    model = LatentClasses(training, COLUMNS, 2)
    assert (np.diff(model.log_likelihoods) > -1e-9).all()
    drawn = model.sample(20_000, seed=3)
    yes = drawn[:, 0] == 1
    error = 0.5 / 4000**0.5
    assert agrees(yes.mean(), 0.5, error, slack=0.01)
    assert agrees((drawn[yes, 1] == 2).mean(), 0.8, 1.5 * error, slack=0.01)
    assert agrees(np.isnan(drawn[yes, 3]).mean(), 0.25, 1.5 * error, slack=0.01)
    assert np.isnan(drawn[~yes, 3]).mean() < 0.01
    assert agrees(np.nanmean(drawn[yes, 3]) - np.nanmean(drawn[~yes, 3]), 3.0, 0.05, slack=0.1)
    assert set(np.unique(drawn[:, 2])) == {0.0, 1.0, 2.0}
    # One class is independent columns.
    alone = LatentClasses(training, COLUMNS, 1).sample(20_000)
    assert differs((alone[alone[:, 0] == 1, 1] == 2).mean(), 0.8, error)


@functools.cache
def _found() -> Fidelity:
    """Of rows of the planted law itself, with holes in real rows alone."""
    return fidelity(planted(700, 0, 0.1), planted(500, 1, 0.1), planted(600, 2), COLUMNS, target="a")


def test_the_law_itself_reaches_the_ceiling_and_independent_columns_do_not() -> None:
    found = _found()
    floor, model, ceiling = found.floors[0], found.model, found.ceiling
    assert [each.name for each in found.candidates] == ["independent columns", "10 latent classes", "model", "real rows"]
    assert (found.num_synthetic, found.num_taught, found.num_compared, found.num_training) == (600, 600, 500, 700)
    assert found.measure == "AUC"
    assert found.holes_given
    for name in ("shapes", "trends", "information", "two_sample", "downstream"):
        own, best, low = (getattr(each, name) for each in (model, ceiling, floor))
        assert agrees(own.value, best.value, np.hypot(own.error, best.error), num_draws=DRAWS), name
        if name != "shapes":
            assert low.value < own.value - 3 * own.error, name
    assert agrees(model.auc.value, 0.5, model.auc.error, num_draws=DRAWS)
    # The model's rows had no holes: their share is compared as they were drawn.
    assert model.holes.value == pytest.approx(1 - found.missing.mean())
    assert model.missing.tolist() == [0, 0, 0, 0]
    text = str(found)
    assert "two-sample test: 1 - (2 max(AUC, .5) - 1)" in text
    assert "They prove no privacy" in text
    assert "was given the" not in text
    assert "its rows were given the holes of rows of training" in text


def test_what_falls_short_is_named() -> None:
    worse = planted(300, 2)
    worse[:, 3] = np.random.default_rng(0).permutation(worse[:, 3]) + 2
    found = fidelity(planted(400, 0), planted(300, 1), worse, COLUMNS)
    assert found.target == ""
    assert not found.has_holes
    assert found.columns_table()[1][0][0] == "x"
    told = "\n".join(found.sentences)
    assert "Columns farthest from real ones: x (" in told
    assert "a and x" in told
    assert "No better than a floor in: two-sample test" in told
    copied = fidelity(planted(100, 0), planted(60, 1), planted(100, 0), COLUMNS)
    assert any(each.startswith("100 of 100 rows of the model are rows of training, cell by cell; ") for each in copied.sentences)


def test_the_record_is_plain_numbers_and_lines() -> None:
    found = _found()
    fields = json.loads(json.dumps(found.to_json(), allow_nan=False))
    model = fields["candidates"][2]
    assert model["two_sample"]["value"] == found.model.two_sample.value
    assert model["pair_trends"][0][0] is None
    assert fields["columns"] == ["a", "b", "o", "x"]
    head, lines = found.lines()
    assert {len(line) for line in lines} == {len(head)}
    shapes = [line for line in lines if line[0] == "column shape" and line[2] == "model"]
    np.testing.assert_allclose([float(line[3]) for line in shapes], found.model.column_shapes, rtol=1e-5)
    assert sum(line[0] == "pair trend" for line in lines) == 4 * 6


def test_one_column_has_no_pairs() -> None:
    rng = np.random.default_rng(0)
    first, second, third = rng.normal(size=(3, 60, 1))
    found = fidelity(first, second, third, [X])
    assert found.model.trends is None
    assert len(found.table()[1]) == 4
    assert found.model.to_json()["information"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "aa"}, "target is 'aa'"),
        ({"held_out": planted(19, 0)}, "held_out has 19 rows; expected 20 or more"),
        ({"synthetic": planted(30, 0)[:, :3]}, r"synthetic has the shape \(30, 3\); expected \(rows, 4\)"),
        ({"training": np.where(planted(30, 0) == 2, np.inf, 0)}, "training is infinite in row"),
        ({"columns": (A, B, O, Column("t", "text"))}, "none that is left out"),
        ({"target": "a", "held_out": np.zeros((30, 4))}, "fewer than two values of 'a'"),
    ],
)
def test_rows_that_do_not_fit_are_refused(change: dict[str, object], words: str) -> None:
    whole: dict[str, object] = {"columns": COLUMNS, "target": ""}
    whole |= {name: planted(30, seed) for seed, name in enumerate(("training", "held_out", "synthetic"))}
    with pytest.raises(DataError, match=words):
        fidelity(**{**whole, **change})  # pyright: ignore[reportArgumentType]


def test_a_target_needs_another_column() -> None:
    with pytest.raises(DataError, match="'x', the only column"):
        downstream(np.zeros((30, 1)), np.zeros((30, 1)), [X], "x")
