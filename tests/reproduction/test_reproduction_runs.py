"""Small plans that are really trained: points, the minutes, a stop on the way, and going on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import good
from small_plan import DIGITS, small_plan

from lowerbound.reproduction.calls import check_call, go_on
from lowerbound.reproduction.plan import MONTE_CARLO_EM, Curve, Plan
from lowerbound.reproduction.record import Home, Point, Reproduction
from lowerbound.runs.folder import RunFolder

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning")]

PLAN = small_plan(1000)


class Stop:
    """Asks for a stop at its nth question."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self) -> str | None:
        self.left -= 1
        return "stopped" if self.left < 0 else None


def call(out: Path, plan: Plan = PLAN, stop: Callable[[], str | None] = lambda: None) -> Reproduction:
    checked = check_call("kingma-2014", out, None, 10.0, None, None, plan)
    go_on(checked, "lowerbound reproduce", stop, lambda text: None)
    return checked.found


def numbers(found: Reproduction) -> list[Point]:
    """The points without their times."""
    return [dataclasses.replace(point, training_seconds=0.0, around_seconds=0.0) for point in found.points]


def test_stopped_again_and_again_it_ends_with_the_numbers_of_one_call(tmp_path: Path) -> None:
    whole = call(tmp_path / "whole")
    assert [(point.curve, point.level) for point in whole.points] == [(job.curve.name, job.level) for job in PLAN.jobs]
    assert len(whole.trials) == 4
    out = tmp_path / "stopped"
    # In the first curve's first trial, in the second one's second, and in the first one's next level.
    found = [call(out, stop=Stop(number)) for number in (1, 4, 2)]
    assert [(len(each.trials), len(each.points)) for each in found] == [(0, 0), (3, 1), (4, 2)]
    assert numbers(call(out)) == numbers(whole)
    # Nothing is left: a further call only draws the page.
    assert numbers(call(out)) == numbers(whole)
    assert {path.name for path in out.iterdir() if path.suffix} >= {"index.html", "figure-2.png", "figure-4.png", "figure-5.png"}
    # Every point is an ordinary run.
    newest = whole.points_of(PLAN.curves[0].name)[-1]
    scores = json.loads(good("evaluate", Home(out).run(PLAN.curves[0], newest.step), "--samples", 1, "--json").stdout)
    assert scores["elbo_nats"] == pytest.approx(newest.test, abs=1e-3)
    # A point of fewer training examples is of them.
    assert whole.points_of(PLAN.curves[1].name)[-1].samples == 3000


def test_log_p_of_monte_carlo_em_is_estimated_and_its_batches_are_counted_once(tmp_path: Path) -> None:
    curve = Curve(DIGITS, MONTE_CARLO_EM, 2, (3,), (1000,), num_train=100)
    found = call(tmp_path / "paper", Plan((curve,), (0.02,), 1000))
    (point,) = found.points
    assert point.samples == 1000
    run = RunFolder.open(Home(tmp_path / "paper").run(curve, 0.02))
    # A batch of 100, seen 10 times, stays for five steps each time.
    assert run.metrics.read()["step"][-1] == 50
    assert run.split().sizes["train"] == 100
    # It is what `evaluate` prints of all 200 test examples.
    shown = json.loads(good("evaluate", run.path, "--method", "posterior-density", "--examples", 200, "--json").stdout)
    assert point.test == pytest.approx(shown["value"], abs=1e-3)
    assert (tmp_path / "paper" / "figure-3.png").exists()
