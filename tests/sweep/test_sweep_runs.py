"""Sweeps for real: members are runs like any other, side by side or alone, and what cannot be ranked is not."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from commands import weights

from lowerbound.data.datasets import load_configured
from lowerbound.errors import MissingDataError, ModelFolderError
from lowerbound.recipes import resolve_config
from lowerbound.runs.folder import RunFolder
from lowerbound.runs.training import TrainingRun
from lowerbound.sweep.calls import Call, check_call, go_on
from lowerbound.sweep.record import Home
from lowerbound.sweep.table import Table, tabulate

SMALL = ["network.hidden_widths=[6]", "model.latent_dim=2", "prior.name=standard-normal", "training.batch_size=20"]
# At the largest learning rate a first step takes so many layers beyond float32.
DEEP = [f"network.hidden_widths={[6] * 14}", *SMALL[1:]]
EPOCHS = 4


@pytest.fixture(scope="module")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "rows.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.normal(size=(120, 1)) * [1.0, 2.0, -1.0] + 0.3 * rng.normal(size=(120, 3)))
    return path


def call_of(out: Path, data: Path, overrides: Sequence[str], seeds: int = 1, model: Sequence[str] = SMALL) -> Call:
    return check_call(out, str(data), None, [*model, *overrides], EPOCHS, seeds, 0, None, None, 20)


def do(call: Call, jobs: int = 1, should_stop: Callable[[], str | None] = lambda: None) -> Table:
    page, table = go_on(call, None, 20, jobs, "lowerbound sweep", should_stop, lambda text: None)
    assert page.read_text().startswith("<!doctype html>")
    return table


def test_each_member_is_the_run_trained_alone_to_the_bit_and_side_by_side_to_1e_5(table_file: Path, tmp_path: Path):
    overrides = ["objective.beta=1,2"]
    alone = do(call_of(tmp_path / "alone", table_file, overrides, seeds=2))
    together = do(call_of(tmp_path / "together", table_file, overrides, seeds=2), jobs=2)
    config, recipe = resolve_config(
        str(table_file), None, [*SMALL, "objective.beta=2"], {"training": {"seed": 1, "epochs": EPOCHS}}
    )
    run = TrainingRun.begin(
        tmp_path / "run", config, load_configured(config.data), recipe=recipe.name, command="", given=recipe.given
    )
    run.run()
    name = "objective.beta=2_seed=1"
    assert weights(tmp_path / "alone" / "runs" / name / "model") == weights(tmp_path / "run" / "model")
    curves = [RunFolder(path).metrics.read()["validation_bound_nats"] for path in (
        tmp_path / "together" / "runs" / name, tmp_path / "run"
    )]  # fmt: skip
    np.testing.assert_allclose(*curves, rtol=1e-5)
    assert [row.setting for row in alone.rows] == [row.setting for row in together.rows]
    assert alone.missing == 0
    assert alone.refusal == ""
    best, second = alone.rows
    assert best.behind_nats == 0
    assert second.behind_nats is not None
    assert best.log_evidence_nats is not None
    assert second.log_evidence_nats is not None
    assert best.log_evidence_nats - second.log_evidence_nats == pytest.approx(second.behind_nats)
    assert best.seed_spread > 0


def test_as_one_program_each_member_has_the_curve_of_the_run_trained_alone(
    table_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # What accelerators do.
    overrides = ["training.learning_rate=0.001,0.01"]
    do(call_of(tmp_path / "alone", table_file, overrides, seeds=2))
    monkeypatch.setattr("lowerbound.sweep.work.train_as_one", lambda: True)
    do(call_of(tmp_path / "one", table_file, overrides, seeds=2), jobs=4)
    for run in (tmp_path / "alone" / "runs").iterdir():
        alone, one = (RunFolder(path).metrics.read()["validation_bound_nats"] for path in (run, tmp_path / "one/runs" / run.name))
        np.testing.assert_allclose(one, alone, rtol=1e-5)


def test_a_sweep_that_was_stopped_goes_on_and_ends_with_the_same_numbers(table_file: Path, tmp_path: Path):
    whole = do(call_of(tmp_path / "whole", table_file, ["objective.beta=1,2"]))
    looks = iter(range(10**6))
    stopped = do(
        call_of(tmp_path / "stopped", table_file, ["objective.beta=1,2"]),
        should_stop=lambda: "stopped" if next(looks) >= 3 else None,
    )
    assert stopped.missing > 0
    resumed = do(call_of(tmp_path / "stopped", table_file, ["objective.beta=1,2"]))
    assert resumed.missing == 0
    assert [row.log_evidence_nats for row in resumed.rows] == [row.log_evidence_nats for row in whole.rows]


def test_a_member_that_fails_does_not_end_the_others(table_file: Path, tmp_path: Path):
    # A rate at which nothing stays finite.
    overrides = ["training.learning_rate=0.01,1000", "training.skip_spikes=false", "training.gradient_clip=0"]
    table = do(call_of(tmp_path / "s", table_file, overrides, model=DEEP), jobs=2)
    fine, broken = table.rows
    assert fine.log_evidence_nats is not None
    assert broken.models == []
    assert "became" in broken.failures[0] or "finite" in broken.failures[0]
    assert "failed" in (tmp_path / "s" / "index.html").read_text()


def test_what_is_about_different_things_is_not_ranked(table_file: Path, tmp_path: Path):
    table = do(call_of(tmp_path / "rows", table_file, ["data.split_seed=0,1"]))
    assert "not the same ones" in table.refusal
    assert table.best is None
    assert "Not ranked" in (tmp_path / "rows" / "index.html").read_text()
    codes = do(call_of(tmp_path / "codes", table_file, ["objective.name=autoencoder", "posterior.name=deterministic"]))
    assert "deterministic" in codes.refusal or "density" in codes.refusal


def test_results_are_read_from_the_folder_alone(table_file: Path, tmp_path: Path):
    call = call_of(tmp_path / "s", table_file, ["objective.beta=1,2"])
    table = do(call)
    assert tabulate(Home(tmp_path / "s"), call.members) == table
    assert table.to_json()[0]["setting"] == dict(table.rows[0].setting.values)
    file = tmp_path / "s" / "results" / "objective.beta=1_seed=0.npy"
    whole, other = file.read_bytes(), np.load(file)
    other[0, 0] += 1.0
    content = io.BytesIO()
    np.save(content, other)
    for changed in (whole[:-8], whole[:60], b"", b"cos\nsystem\n.", content.getvalue()):
        file.write_bytes(changed)
        with pytest.raises(
            ModelFolderError, match=r"beta=1_seed=0.npy does not hold log p\(x\) of the validation examples \(.*Remove it"
        ):
            tabulate(Home(tmp_path / "s"), call.members)


def test_what_another_process_trains_is_left_to_it(table_file: Path, tmp_path: Path):
    call = call_of(tmp_path / "s", table_file, ["objective.beta=1,2"])
    looks = iter(range(10**6))
    do(call, should_stop=lambda: "stopped" if next(looks) >= 2 else None)
    with RunFolder(tmp_path / "s" / "runs" / call.members[0].name).locked():
        table = do(call_of(tmp_path / "s", table_file, ["objective.beta=1,2"]))
    assert table.missing == 1
    assert not any(row.failures for row in table.rows)
    assert do(call_of(tmp_path / "s", table_file, ["objective.beta=1,2"])).missing == 0


def test_data_that_cannot_be_read_are_no_members_failure_and_leave_nothing(tmp_path: Path):
    call = call_of(tmp_path / "s", tmp_path / "nosuch.npy", ["objective.beta=1,2"])
    with pytest.raises(MissingDataError, match="no file"):
        do(call)
    assert not (tmp_path / "s").exists()


def test_a_sweep_of_which_all_fails_says_so(table_file: Path, tmp_path: Path):
    overrides = ["training.learning_rate=999,1000", "training.skip_spikes=false", "training.gradient_clip=0"]
    table = do(call_of(tmp_path / "s", table_file, overrides, model=DEEP))
    assert table.has_failed
    assert "nothing to rank" in table.verdict
