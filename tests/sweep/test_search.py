"""`lowerbound tune`: what is asked for, what is told, and going on after a stop."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lowerbound.errors import ConfigurationError
from lowerbound.sweep.calls import check_search, search
from lowerbound.sweep.search import at_the_end, clock, open_study, sqlite_in
from lowerbound.sweep.space import USUAL, Range, parse_space
from lowerbound.sweep.table import Table

pytest.importorskip("optuna")
SMALL = ["network.hidden_widths=[6]", "model.latent_dim=2", "prior.name=standard-normal", "training.batch_size=20"]
RATE = "training.learning_rate=1e-3:3e-2"


def test_ranges_choices_and_what_is_usual():
    space, axes, single = parse_space([RATE, "model.latent_dim=2:5", "prior.name=standard-normal,vamp", "training.epochs=5"])
    assert space["training.learning_rate"] == Range(1e-3, 3e-2, False, True)
    assert space["model.latent_dim"] == Range(2, 5, True, False)
    assert space["prior.name"] == ("standard-normal", "vamp")
    assert {axis.key for axis in axes} == set(space)
    assert single == ["training.epochs=5"]
    usual, _, _ = parse_space(["training.batch_size=100"])
    assert set(usual) == {each.partition("=")[0] for each in USUAL} - {"training.batch_size"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.learning_rate=1:1", "no range"),
        ("training.learning_rate=2:1", "no range"),
        ("training.learning_rte=1:2", "learning_rate"),
        ("training.seed=1:5", "--seed"),
    ],
)
def test_what_cannot_be_searched_is_refused(override: str, message: str):
    with pytest.raises(ConfigurationError, match=message):
        parse_space([override])


def test_both_ends_of_a_range_are_checked_before_anything_is_written(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="learning_rate"):
        check_search(tmp_path / "t", "digits", None, ["training.learning_rate=-1:1"], None, 0, None, 10)
    assert not (tmp_path / "t").exists()


def test_a_database_that_cannot_be_opened_is_refused():
    with pytest.raises(ConfigurationError, match="--storage"):
        open_study("nosuch://here", 0)


def _never(page: Path, table: Table) -> None:
    raise AssertionError("left in the middle")


def _tune(out: Path, data: Path, trials: int, stop_after: int = 10**6, jobs: int = 1) -> Table:
    call, space = check_search(out, str(data), None, [*SMALL, RATE], 4, 0, jobs, 10)
    looks = iter(range(10**6))

    def should_stop() -> str | None:
        return "stop" if next(looks) >= stop_after else None

    page, table = search(call, space, None, 10, jobs, 10.0, trials, None, "", should_stop, lambda text: None, _never)
    assert page.exists()
    return table


def test_a_search_goes_on_after_a_stop_and_finds_what_it_was_told(tmp_path: Path):
    data, out = tmp_path / "rows.npy", tmp_path / "tuned"
    rng = np.random.default_rng(0)
    np.save(data, rng.normal(size=(120, 1)) * [1.0, 2.0, -1.0] + 0.3 * rng.normal(size=(120, 3)))
    stopped = _tune(out, data, trials=2, stop_after=4)
    assert stopped.missing == 1
    # The trial that was begun is finished first, and one is added.
    resumed = _tune(out, data, trials=1)
    assert (resumed.missing, len(resumed.rows)) == (0, 2)
    study = open_study(sqlite_in(out), 0)
    best = resumed.best
    assert best is not None
    assert study.best_value == best.log_evidence_nats
    with pytest.raises(ConfigurationError, match="whose search is over"):
        check_search(out, str(data), None, [*SMALL, "training.learning_rate=1e-3:1e-2"], 4, 0, 1, 10)


def test_minutes_beyond_any_clock_are_waited_for_without_an_error():
    before = threading.active_count()
    with at_the_end(clock(1e300), lambda: None):
        time.sleep(0.1)
        # The clock's thread has not ended with an error.
        assert threading.active_count() == before + 1


# Steps that nothing interrupts, as those of an absurdly large model are; some of them after a first checkpoint.
_ENDLESS = """
import sys, time
from pathlib import Path
from lowerbound.sweep import search, work

def endless(self, member, *_):
    if STATE == "saved":
        (self.home.run(member) / "checkpoints" / "step-00000001").mkdir(parents=True)
    time.sleep(600)

search.GRACE_SECONDS = 0.5
work.Worker.do = endless
out = Path(sys.argv[1])
sys.argv = ["lowerbound", "tune", sys.argv[2], "--minutes", "0.15", "--out", str(out), "--json", "--jobs", "1"]
from lowerbound.cli.main import main
main()
"""


def test_steps_that_do_not_end_are_left_when_the_minutes_are_over(tmp_path: Path):
    data = tmp_path / "rows.npy"
    np.save(data, np.random.default_rng(0).normal(size=(120, 3)))
    # Both at once: each of them waits for the clock.
    programs = {
        state: subprocess.Popen(
            [sys.executable, "-c", _ENDLESS.replace("STATE", repr(state)), str(tmp_path / state), str(data)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for state in ("unsaved", "saved")
    }
    try:
        said = {state: program.communicate(timeout=120)[1] for state, program in programs.items()}
    finally:
        for program in programs.values():
            program.kill()
    for state, text in said.items():
        assert "the time is over, and the running steps were left" in text, text
        (trial,) = open_study(sqlite_in(tmp_path / state), 0).get_trials()
        # What never came to a checkpoint has failed, or it would be begun again for ever; the other one is gone on with.
        assert trial.state.name == {"unsaved": "FAIL", "saved": "RUNNING"}[state]
        is_lost = state == "unsaved"
        assert ("its first steps were not done" in text) == is_lost == bool(programs[state].returncode)
        assert (tmp_path / state / "index.html").exists()
