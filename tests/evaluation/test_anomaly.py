"""Scores of oddness: what each is, that it is one of the row alone, and that the choice is made by its rule."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
import scipy.stats
from sklearn.neighbors import NearestNeighbors
from support.built import build_model
from support.chance import is_likely

from lowerbound.config import RunConfig
from lowerbound.data.columns import Column
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation import (
    SCORES,
    AnomalyScorer,
    estimate_evidence,
    fit_scorer,
    flags_at_false_discovery_rate,
    own_streams,
    p_values,
    posterior_means,
)
from lowerbound.evaluation.anomaly import EVIDENCE, IN_CODES, IN_DATA, JOINED
from lowerbound.evaluation.corruptions import STRENGTH, corrupted
from lowerbound.evaluation.neighbours import FARTHEST, Neighbours

RNG = np.random.default_rng(0)
ROWS = (RNG.normal(size=(90, 1)) * [1.0, 20.0, -300.0] + RNG.normal(size=(90, 3)) * [0.1, 2.0, 30.0]).astype(np.float32)
TRAIN, HELD_OUT, NEW = ROWS[:50], ROWS[50:70], ROWS[70:]


def scorer_of(model: Any, held_out: np.ndarray = HELD_OUT, **options: Any) -> AnomalyScorer:
    both = np.concatenate([TRAIN, held_out])
    return fit_scorer([model], describe(both), [Example(both)], [np.arange(len(TRAIN), len(both))], **options)


def nearest(rows: np.ndarray, new: np.ndarray) -> np.ndarray:
    """By hand: the mean of the five smallest of all distances."""
    distances = np.sqrt(np.square(new[:, None].astype(float) - rows[None]).sum(axis=-1))
    return np.sort(distances, axis=1)[:, :5].mean(axis=1)


def untrained(seed: int) -> Any:
    sections = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [8]}, "likelihood": {"name": "gaussian"}}
    return build_model(RunConfig.from_dict(sections), describe(TRAIN), jax.random.key(seed))


@pytest.fixture(scope="module")
def model() -> Any:
    return untrained(0)


@pytest.fixture(scope="module")
def another() -> Any:
    return untrained(1)


@pytest.fixture(scope="module")
def scorer(model: Any) -> AnomalyScorer:
    return scorer_of(model)


def test_each_score_is_what_its_name_says(model: Any, scorer: AnomalyScorer) -> None:
    found = scorer.all([Example(NEW)])
    assert tuple(found) == SCORES
    evidence = estimate_evidence(model, NEW, 100, streams=own_streams(Example(NEW))).log_evidence
    np.testing.assert_allclose(found[EVIDENCE], -evidence, rtol=1e-6)

    both = np.concatenate([TRAIN, HELD_OUT])
    mean, std = both.mean(axis=0, dtype=float), both.std(axis=0, dtype=float)
    np.testing.assert_allclose(found[IN_DATA], nearest((both - mean) / std, (NEW - mean) / std), rtol=1e-5)
    codes = [posterior_means(model, rows) for rows in (both, NEW)]
    np.testing.assert_allclose(found[IN_CODES], nearest(*codes), rtol=1e-4, atol=1e-5)
    units = [(found[name] - scorer.centre[name]) / scorer.spread[name] for name in (EVIDENCE, IN_DATA)]
    np.testing.assert_allclose(found[JOINED], np.maximum(*units), rtol=1e-9)
    np.testing.assert_array_equal(scorer([Example(NEW)]), found[scorer.score])


def test_the_units_of_the_joined_score_are_those_of_held_out_rows(model: Any, scorer: AnomalyScorer) -> None:
    evidence = -estimate_evidence(model, HELD_OUT, 100, streams=own_streams(Example(HELD_OUT))).log_evidence
    assert scorer.centre[EVIDENCE] == pytest.approx(np.median(evidence), rel=1e-6)
    above = evidence[evidence > np.median(evidence)]
    assert scorer.spread[EVIDENCE] == pytest.approx((above - np.median(evidence)).mean(), rel=1e-4)
    # A held-out row is searched itself, and is no neighbour of itself.
    both = np.concatenate([TRAIN, HELD_OUT]).astype(float)
    placed = (both - both.mean(axis=0)) / both.std(axis=0)
    distances = [nearest(np.delete(placed, row, axis=0), placed[[row]])[0] for row in range(len(TRAIN), len(both))]
    assert scorer.centre[IN_DATA] == pytest.approx(np.median(distances), rel=1e-5)


def test_several_models_are_a_mixture_and_each_is_judged_by_its_own_rows(model: Any, another: Any) -> None:
    models, parts = [model, another], [np.arange(20), np.arange(20, 40)]
    found = fit_scorer(models, describe(ROWS), [Example(ROWS)] * 2, parts, method=JOINED)

    def evidence(of: Any, rows: np.ndarray) -> np.ndarray:
        return np.asarray(estimate_evidence(of, rows, 100, streams=own_streams(Example(rows))).log_evidence, float)

    of_new = np.log(np.mean(np.exp([evidence(each, NEW) for each in models]), axis=0))
    scores = found.all([Example(NEW)] * 2)
    np.testing.assert_allclose(scores[EVIDENCE], -of_new, rtol=1e-5)
    own = np.concatenate([-evidence(each, ROWS[part]) for each, part in zip(models, parts, strict=True)])
    assert found.centre[EVIDENCE] == pytest.approx(np.median(own), rel=1e-5)
    codes = [np.concatenate([posterior_means(each, rows) for each in models], axis=1) for rows in (ROWS, NEW)]
    np.testing.assert_allclose(scores[IN_CODES], nearest(*codes), rtol=1e-4, atol=1e-5)


def test_calibration_rows_are_neighbours_and_their_p_values_are_those_of_full_conformal_prediction_or_larger(
    scorer: AnomalyScorer,
) -> None:
    """Full conformal prediction by hand: with each new row among the neighbours of the calibration rows."""
    rows, normal, new = np.concatenate([TRAIN, HELD_OUT]), NEW[:12], NEW[12:]
    by_data = dataclasses.replace(scorer, score=IN_DATA)
    wider, scores = by_data.calibrated([Example(rows)], [Example(normal)])

    def placed(values: np.ndarray) -> np.ndarray:
        return (values - scorer.in_data.centre) / scorer.in_data.scale

    known = placed(np.concatenate([rows, normal]))
    alone = [nearest(np.delete(known, len(rows) + row, axis=0), known[[len(rows) + row]])[0] for row in range(12)]
    np.testing.assert_allclose(scores, alone, rtol=1e-5)
    found = wider([Example(new)])
    np.testing.assert_allclose(found, nearest(known, placed(new)), rtol=1e-5)
    for score, row, p in zip(found, placed(new), p_values(scores, found), strict=True):
        with_it = np.concatenate([known, row[None]])
        full = [nearest(np.delete(with_it, len(rows) + each, axis=0), known[[len(rows) + each]])[0] for each in range(12)]
        assert p >= p_values(np.array(full), np.array([score]))[0] - 1e-12
    # Were they not taken out of their own neighbours, they would look more usual than new rows do.
    assert (wider([Example(normal)]) < scores).all()


def test_false_alarms_and_false_discoveries_stay_below_their_rates_with_calibration_rows_among_the_neighbours(model: Any) -> None:
    """400 calibrations of 39 rows beside 21; the control takes calibration rows for neighbours of themselves."""
    rng, rate = np.random.default_rng(7), 0.1
    shares: dict[str, list[tuple[float, float]]] = {"ours": [], "control": []}
    for _ in range(400):
        rows, normal, new = rng.normal(size=(21, 3)), rng.normal(size=(39, 3)), rng.normal(size=(50, 3))
        new[40:] += 4.0
        first = AnomalyScorer(IN_DATA, "", {}, (model,), Neighbours.of(rows), Neighbours.of(rows[:, :2]), {}, {})
        scorer, scores = first.calibrated([Example(rows)], [Example(normal)])
        found = scorer([Example(new)])
        for name, calibration in (("ours", scores), ("control", scorer([Example(normal)]))):
            p = p_values(calibration, found)
            flags = flags_at_false_discovery_rate(p, rate)
            shares[name].append((float((p[:40] <= rate).mean()), float(flags[:40].sum() / max(1, flags.sum()))))
    ours, control = (np.array(shares[name]) for name in ("ours", "control"))
    for place in range(2):
        error = ours[:, place].std() / len(ours) ** 0.5
        assert is_likely(float(scipy.stats.norm.sf((ours[:, place].mean() - rate) / error)))
    assert control[:, 0].mean() > rate + 11 * control[:, 0].std() / len(control) ** 0.5
    # Exchangeable rows: no more than a little is lost.
    assert ours[:, 0].mean() > 0.06


def test_where_rows_are_too_many_to_search_calibration_rows_are_no_neighbours(
    scorer: AnomalyScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lowerbound.evaluation.anomaly.MOST_ROWS", 80)
    same, scores = scorer.calibrated([Example(ROWS[:70])], [Example(NEW)])
    assert same is scorer
    np.testing.assert_array_equal(scores, scorer([Example(NEW)]))


def test_a_score_is_one_of_the_row_alone(model: Any, scorer: AnomalyScorer) -> None:
    whole = scorer.all([Example(NEW)])
    for name, values in scorer.all([Example(NEW[[7, 2]])]).items():
        np.testing.assert_allclose(values, whole[name][[7, 2]], rtol=1e-5, err_msg=name)


def test_a_hopeless_row_is_the_oddest_and_its_score_is_a_number(model: Any, scorer: AnomalyScorer) -> None:
    rows = np.concatenate([NEW, np.full((1, 3), 3e38, np.float32)])
    for name, values in scorer.all([Example(rows)]).items():
        assert np.isfinite(values).all()
        if name != IN_CODES:
            assert values.argmax() == len(NEW), name


@pytest.mark.parametrize("better", [EVIDENCE, IN_DATA, IN_CODES])
def test_another_score_than_the_joined_one_is_chosen_where_it_is_clearly_better(
    model: Any, monkeypatch: pytest.MonkeyPatch, better: str
) -> None:
    """Scores that are made up: the better one tells all odd rows, the others are noise; and where it is noise too, `joined`."""
    rng, calls = np.random.default_rng(1), []

    def told(of: str) -> Any:
        def held_out(self: AnomalyScorer, blocks: Any, own: Any) -> dict[str, np.ndarray]:
            count = len(own[0])
            calls.append(count)
            odd = 5.0 * (count > len(HELD_OUT))
            return {name: rng.normal(size=count) + odd * (name == of) for name in (EVIDENCE, IN_DATA, IN_CODES)}

        return held_out

    def of_noise(self: AnomalyScorer, components: Any, name: str) -> np.ndarray:
        return rng.normal(size=len(components[EVIDENCE])) if name == JOINED else components[name]

    monkeypatch.setattr(AnomalyScorer, "_of", of_noise)
    for of, chosen in ((better, better), ("none", JOINED)):
        monkeypatch.setattr(AnomalyScorer, "_held_out", told(of))
        found = scorer_of(model, seed=3)
        assert found.score == chosen
        assert f"{better} {found.areas[better]:.3f}" in found.reason
    assert calls == [20, 400, 20, 400]


def test_a_score_that_is_asked_for_is_taken(model: Any) -> None:
    found = scorer_of(model, method=IN_CODES)
    assert (found.score, found.reason, found.areas) == (IN_CODES, "it was asked for", {})
    with pytest.raises(ConfigurationError, match=r"method is 'best'; expected one of auto, joined, evidence, data-neighbours"):
        scorer_of(model, method="best")
    with pytest.raises(DataError, match="no held-out rows to choose a score by"):
        scorer_of(model, HELD_OUT[:0])


def test_a_row_is_made_odd_in_one_cell() -> None:
    normal = Example(np.array([[0.0, 5.0, np.nan], [1.0, 6.0, 7.0]]), np.ones((2, 1)))
    others = Example(np.stack([np.arange(100.0), np.full(100, 3.0), np.arange(100.0)], axis=1))
    made = corrupted(normal, others, np.array([True, False, True]), 300, np.random.default_rng(0))
    assert made.x.shape == (600, 3)
    assert made.condition is not None
    assert made.condition.shape == (600, 1)
    before = np.tile(normal.x, (300, 1))
    changed = (made.x != before) & ~(np.isnan(made.x) & np.isnan(before))
    assert (changed.sum(axis=1) <= 1).all()
    # The hole of every second row stays one.
    assert np.isnan(made.x[::2, 2]).all()
    assert changed[:, 1].any()
    assert set(made.x[changed[:, 1], 1]) == {3.0}
    moved = (made.x - before)[changed[:, 0], 0]
    # Some 200 normal numbers of deviation 3 * 28.9: within a quarter of it, five deviations of an estimate from so many.
    assert moved.std() == pytest.approx(STRENGTH * np.arange(100).std(), rel=0.25)
    np.testing.assert_array_equal(normal.x, [[0.0, 5.0, np.nan], [1.0, 6.0, 7.0]])


def test_odd_pictures_keep_their_type() -> None:
    pictures = Example(RNG.integers(0, 256, (6, 4, 5)).astype(np.uint8))
    made = corrupted(pictures, pictures, np.zeros(20, bool), 5, np.random.default_rng(0))
    assert (made.x.dtype, made.x.shape) == (np.uint8, (30, 4, 5))


def test_neighbours_of_pictures_have_one_scale_and_holes_count_as_the_mean() -> None:
    pictures = RNG.integers(0, 2, (20, 4, 5)).astype(np.uint8)
    pictures[:, 0] *= 200
    found = Neighbours.in_data(pictures, describe(pictures))
    assert np.ptp(found.scale) == 0
    rows = np.stack([np.arange(10.0), np.arange(10.0) ** 2], axis=1)
    table = Neighbours.in_data(rows, describe(rows))
    holes, filled = np.array([[4.0, np.nan]]), np.array([[4.0, rows[:, 1].mean()]])
    np.testing.assert_allclose(table.distance(holes), table.distance(filled))
    assert table.distance(np.array([[np.inf, 0.0]]))[0] == FARTHEST
    # A column without any value adds nothing.
    blank = np.concatenate([rows, np.full((10, 1), np.nan)], axis=1)
    wide = Neighbours.in_data(blank, dataclasses.replace(describe(rows), event_shape=(3,)))
    np.testing.assert_allclose(wide.distance(blank), table.distance(rows))


def test_codes_are_as_far_apart_whatever_their_numbers() -> None:
    """Two columns: a code of thirty, and a number. By hand: codes that are another are sqrt(2) away."""
    codes = np.concatenate([np.repeat(np.arange(22.0), 2), np.arange(22.0, 30.0)])
    number = RNG.normal(size=52)
    rows = np.stack([codes, number], axis=1)
    columns = (Column("kind", "categorical", categories=tuple(map(str, range(30)))), Column("number", "real"))
    spec = dataclasses.replace(describe(rows), columns=columns)
    placed = Neighbours.in_data(rows, spec)._placed(
        np.array([[3, 0.0], [17, 0.0], [29, 0.0], [28, 0.0], [30, 0.0], [np.nan, 0.0]])
    )
    apart = np.linalg.norm(placed[:, None] - placed[None], axis=-1)
    root = np.sqrt(2)
    # The two rare ones are one axis; the one that no row has is another; a hole is 1 from all.
    np.testing.assert_allclose(apart[0], [0, root, root, root, root, 1])
    np.testing.assert_allclose(apart[2], [root, root, 0, 0, root, 1])
    np.testing.assert_allclose(placed[:, 0], -number.mean() / number.std())


def test_of_very_many_rows_a_part_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowerbound.evaluation.neighbours.MOST_ROWS", 30)
    found = Neighbours.of(ROWS)
    assert isinstance(found.search, NearestNeighbors)
    assert found.search.n_samples_fit_ == 30
