"""The plan of a paper, the time that it takes, and what comes next; nothing is trained."""

from __future__ import annotations

import dataclasses

import pytest
from made_up import DIGITS, FACES, LEVELS, NOTHING, OTHER_SPLIT, SMALL, point, trials

from lowerbound.config import RunConfig
from lowerbound.recipes import resolve_config
from lowerbound.reproduction.budget import cost_of, next_jobs, open_jobs, samples_of, seconds_left
from lowerbound.reproduction.plan import Curve, Job, kingma_2014
from lowerbound.reproduction.published import BOUNDS, EVIDENCES

PLAN = kingma_2014()


def config_of(curve: Curve) -> RunConfig:
    return resolve_config(None, curve.source.recipe, curve.settings)[0]


def test_every_curve_has_a_name_of_its_own() -> None:
    assert len({curve.name for curve in PLAN.curves}) == len(PLAN.curves)


def test_every_line_that_the_paper_prints_is_planned() -> None:
    planned = {id(curve.published) for curve in PLAN.curves}
    assert {id(each) for each in (*BOUNDS.values(), *EVIDENCES.values())} <= planned
    # Five splits of the faces for each number of latents.
    splits = [curve.split for curve in PLAN.curves if curve.source.name == "frey" and curve.method.title == "AEVB"]
    assert sorted(splits) == sorted([*range(5)] * 4)


@pytest.mark.parametrize(("figure", "latents"), [(4, [2, 2]), (5, [2, 5, 10, 20])])
def test_the_figures_of_pictures_need_the_models_of_the_paper(figure: int, latents: list[int]) -> None:
    assert [curve.latents for curve in PLAN.of_figures([figure]).curves] == latents


def test_every_curve_is_trained_as_the_paper_says() -> None:
    for curve in PLAN.curves:
        config = config_of(curve)
        hidden = 100 if curve.quantity == "evidence" else 500 if curve.source.name.startswith("mnist") else 200
        assert config.network.hidden_widths == (hidden,)
        assert config.network.activations == "tanh"
        assert (config.network.initial_scale, config.network.output_bias) == (0.01, "zero")
        assert (config.training.weight_prior, config.training.adagrad_start) == (1.0, 0.0)
        assert config.model.latent_dim == curve.latents
        assert (config.training.optimizer, config.training.batch_size) == ("adagrad", 100)
        assert config.objective.name == curve.method.objective
        assert config.data.name == curve.source.dataset
        if curve.source.name == "frey":
            assert (config.likelihood.name, config.likelihood.mean) == ("gaussian", "sigmoid")
            assert config.data.split_seed == curve.split


def test_fewest_samples_come_first_and_what_tells_less_waits() -> None:
    jobs = [(job.level, job.curve.name) for job in SMALL.jobs]
    assert jobs[:3] == [(10**5, DIGITS.name), (10**5, FACES.name), (10**5, OTHER_SPLIT.name)]
    assert jobs.index((10**7, DIGITS.name)) < jobs.index((10**7, OTHER_SPLIT.name))


def test_a_level_goes_on_from_the_one_before() -> None:
    found = dataclasses.replace(NOTHING, points=(point(DIGITS, 10**5),))
    assert [(job.curve, job.level) for job in next_jobs(SMALL, found)] == [
        (FACES, 10**5),
        (OTHER_SPLIT, 10**5),
        (DIGITS, 10**6),
    ]


def test_a_curve_that_failed_is_left() -> None:
    found = dataclasses.replace(NOTHING, failures={DIGITS.name: "not finite"})
    assert {job.curve for job in open_jobs(SMALL, found)} == {FACES, OTHER_SPLIT}


def test_trials_are_counted_among_the_samples() -> None:
    first, later = Job(DIGITS, 10**5), Job(DIGITS, 10**6)
    assert samples_of(first, SMALL, NOTHING) == 3 * 10**5
    assert samples_of(later, SMALL, NOTHING) == 3 * 10**5 + 9 * 10**5
    tried = dataclasses.replace(NOTHING, trials=trials(DIGITS, -5.0, -4.0, -6.0)[:2])
    assert samples_of(first, SMALL, tried) == 10**5
    assert samples_of(later, SMALL, dataclasses.replace(NOTHING, points=(point(DIGITS, 10**5),))) == 9 * 10**5


def test_a_curve_takes_as_long_as_it_took() -> None:
    # 40 seconds for a million samples, and 5 around each point.
    found = dataclasses.replace(NOTHING, points=(point(DIGITS, 10**6, training=40.0),))
    assert cost_of(Job(DIGITS, 10**7), SMALL, found).seconds == pytest.approx(9 * 40 + 5)


def test_a_curve_without_points_is_guessed_from_the_others() -> None:
    # The digits took twice their guess, so the faces are thought to.
    found = dataclasses.replace(NOTHING, points=(point(DIGITS, 10**6, training=2 * DIGITS.source.seconds),))
    assert cost_of(Job(FACES, 10**5), SMALL, found).training == pytest.approx(2 * 0.3 * FACES.source.seconds)


def test_what_is_left_counts_the_training_of_each_level_once() -> None:
    plan = dataclasses.replace(SMALL, curves=(DIGITS,))
    found = dataclasses.replace(NOTHING, points=(point(DIGITS, 10**5, training=4.0),))
    assert seconds_left(plan, found) == pytest.approx(40 * (10 - 0.1) + 2 * 5)


def test_the_step_of_the_best_trial_is_chosen_and_none_where_all_failed() -> None:
    assert dataclasses.replace(NOTHING, trials=trials(DIGITS, -5.0, -4.0, None)).best_step(DIGITS.name) == 0.02
    assert dataclasses.replace(NOTHING, trials=trials(DIGITS, None, None, None)).best_step(DIGITS.name) is None
    assert LEVELS[0] == SMALL.trial
