"""Small plans that are really trained: points, the minutes, a stop on the way, and going on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import good

from lowerbound.reproduction.calls import check_call, go_on
from lowerbound.reproduction.plan import AEVB, Curve, Plan, Source
from lowerbound.reproduction.record import Home, Reproduction

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning")]

DIGITS = Source(
    "mnist",
    "Digits",
    "digits",
    "kingma-2014-mnist",
    20.0,
    ("data.name=digits", "data.binarize=fixed", "data.validation=200", "data.test=200", "network.hidden_widths=[8]"),
    has_split=False,
)
LEVELS = (1000, 3000)
PLAN = Plan((Curve(DIGITS, AEVB, 2, (2, 4, 5), LEVELS), Curve(DIGITS, AEVB, 2, (2,), LEVELS, num_train=200)), (0.02, 0.1), 1000)


def call(out: Path, plan: Plan = PLAN, minutes: float = 10.0) -> Reproduction:
    checked = check_call("kingma-2014", out, None, minutes, None, None, plan)
    go_on(checked, "lowerbound reproduce", lambda: None, lambda text: None)
    return checked.found


def test_a_small_plan_is_done_whole_and_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "paper"
    first = Plan(PLAN.curves[:1], PLAN.steps, PLAN.trial)
    told: list[str] = []

    def stop() -> str | None:
        # After the two trials and the first point.
        return "stopped" if told else None

    checked = check_call("kingma-2014", out, None, 10.0, None, None, first)
    go_on(checked, "lowerbound reproduce", stop, told.append)
    assert [point.level for point in checked.found.points] == [1000]
    assert len(checked.found.trials) == 2
    # A call with more to do keeps what is there.
    found = call(out)
    assert found.points[0] == checked.found.points[0]
    assert {(point.curve, point.level) for point in found.points} == {(job.curve.name, job.level) for job in PLAN.jobs}
    # The trials on 200 examples, and all of them, are of other steps.
    assert len(found.trials) == 4
    small, large = (found.points_of(curve.name)[-1] for curve in PLAN.curves)
    assert small.train < 0
    assert large.samples == 3000
    # Nothing is left: a further call only draws the page.
    assert call(out).points == found.points
    assert {path.name for path in out.iterdir() if path.suffix} >= {"index.html", "figure-2.png", "figure-4.png", "figure-5.png"}
    # Every point is an ordinary run.
    run = Home(out).run(PLAN.curves[0], small.step)
    scores = json.loads(good("evaluate", run, "--samples", 1, "--json").stdout)
    assert scores["elbo_nats"] == pytest.approx(small.test, abs=1e-3)
