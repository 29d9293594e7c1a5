"""The grid of a sweep: what its options mean, and what they may not be."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lowerbound.errors import ConfigurationError
from lowerbound.sweep.calls import check_call
from lowerbound.sweep.grid import Setting, members_of, parse_axes, shard_of
from lowerbound.sweep.page import settings_table
from lowerbound.sweep.record import Result
from lowerbound.sweep.table import Row, Table
from lowerbound.sweep.work import in_words


def test_a_grid_has_every_value_with_every_other_and_every_seed():
    axes, single = parse_axes(["objective.beta=1,4", "network.hidden_widths=[8,8],[4]", "training.epochs=5"])
    members = members_of(axes, seeds=3, first_seed=7)
    assert single == ["training.epochs=5"]
    assert len(members) == len({member.name for member in members}) == 12
    assert members[0].overrides == ["objective.beta=1", "network.hidden_widths=[8,8]"]
    assert [member.seed for member in members[:3]] == [7, 8, 9]
    assert members[0].name == "objective.beta=1_network.hidden_widths=-8-8_seed=7"


def test_values_in_quotes_are_not_split():
    axes, single = parse_axes(['data.query="select a, b from t"'])
    assert (axes, single) == ([], ['data.query="select a, b from t"'])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["objective.beta"], "has no '='"),
        (["objective.bta=1,2"], "beta"),
        (["training.seed=1,2"], "--seeds"),
        (["objective.beta=1,1"], "a value twice"),
        (["objective.beta=1,,2"], "an empty value"),
        (["objective.beta=1,2", "objective.beta=3,4"], "given twice"),
    ],
)
def test_what_cannot_be_swept_is_refused(overrides: list[str], message: str):
    with pytest.raises(ConfigurationError, match=message):
        parse_axes(overrides)


def test_settings_whose_folders_would_be_the_same_are_refused():
    axes, _ = parse_axes(["network.hidden_widths=[8,4],[8 , 4]"])
    with pytest.raises(ConfigurationError, match="same folder"):
        members_of(axes, seeds=1, first_seed=0)


def test_shards_share_the_settings_among_them():
    axes, _ = parse_axes(["objective.beta=1,2,4"])
    members = members_of(axes, seeds=2, first_seed=0)
    parts = [shard_of(members, f"{i}/2") for i in (1, 2)]
    assert [len(part) for part in parts] == [4, 2]
    assert {member.name for part in parts for member in part} == {member.name for member in members}
    for wrong in ("0/2", "3/2", "1-2", "1/0"):
        with pytest.raises(ConfigurationError, match="I/N"):
            shard_of(members, wrong)


def test_every_setting_is_checked_before_anything_is_written(tmp_path: Path):
    out = tmp_path / "sweep"
    options: dict[str, Any] = {
        "data": "digits",
        "recipe": None,
        "epochs": None,
        "seeds": 1,
        "first_seed": 0,
        "shard": None,
        "jobs": None,
        "samples": 9,
    }
    with pytest.raises(ConfigurationError, match=r"objective\.beta"):
        check_call(out, overrides=["objective.beta=1,-3"], **options)
    with pytest.raises(ConfigurationError, match=r"data\.validation"):
        check_call(out, overrides=["data.validation=0", "objective.beta=1,3"], **options)
    with pytest.raises(ConfigurationError, match="10,000 at most"):
        check_call(out, overrides=["objective.beta=1,3"], **{**options, "seeds": 10**6})
    with pytest.raises(ConfigurationError, match="--seed is -1"):
        check_call(out, overrides=["objective.beta=1,3"], **{**options, "first_seed": -1})
    assert not out.exists()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="nothing was touched"):
        check_call(tmp_path, overrides=["objective.beta=1,3"], **options)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_more_values_and_seeds_may_be_added_and_nothing_else_changed(tmp_path: Path):
    options: dict[str, Any] = {
        "recipe": None,
        "epochs": 2,
        "seeds": 1,
        "first_seed": 0,
        "shard": None,
        "jobs": None,
        "samples": 9,
    }
    first = check_call(tmp_path / "s", data="digits", overrides=["objective.beta=1,2"], **options)
    first.home.write_record(first.sweep)
    call = check_call(tmp_path / "s", data="digits", overrides=["objective.beta=2,4"], **{**options, "seeds": 2})
    assert call.sweep.axes[0].values == ("1", "2", "4")
    assert (len(call.own), len(call.members)) == (4, 6)
    for changed, message in (
        ({"epochs": 3}, "--epochs 2"),
        ({"overrides": ["model.latent_dim=1,2"]}, r"is over objective\.beta"),
        ({"data": "faces"}, "is of digits"),
        ({"first_seed": 5}, "--seed"),
    ):
        asked: dict[str, Any] = {"data": "digits", "overrides": ["objective.beta=1,2"], **options} | changed
        with pytest.raises(ConfigurationError, match=message):
            check_call(tmp_path / "s", **asked)


def test_log_densities_given_the_total_are_not_called_log_p_of_x():
    setting = Setting((("likelihood.library_size", "true"),))
    result = Result({}, 0, log_evidence_nats=-3.5, elbo_nats=-4.0, measure="counting", given="total as size")
    table = Table((Row(setting, {0: result}, -3.5, -4.0),), "", 0)
    assert table.density == "log p(x | total)"
    assert "log p(x | total) by importance sampling" in settings_table(table, ())
    assert "log p(x)" not in settings_table(table, ())
    assert (table.to_json()[0]["measure"], table.to_json()[0]["given"]) == ("counting", "total as size")
    assert in_words(result).startswith("log p(x | total) of validation -3.500")
    both = dataclasses.replace(table, rows=(*table.rows, Row(setting, {0: dataclasses.replace(result, given=None)}, -5.0)))
    assert both.density == "log p(x | total) or log p(x)"
