"""The options of `evaluate`: proposals, the bound against the number of samples, and how far to trust the number."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from commands import command, good

from lowerbound.evaluation import Unfinished, evidence


def test_the_number_says_how_far_to_trust_it(bits_run: Path) -> None:
    text = good("evaluate", bits_run, "--samples", 20).stdout
    assert "importance sampling from the posterior, 20 samples" in text
    assert "Monte Carlo error [nats]" in text
    assert "nothing dequantised" in text
    assert "K = 20 is " in text
    assert "effective sample size" in text
    assert "the bound against the number of samples" in text


def test_other_proposals_and_the_figure(bits_run: Path, tmp_path: Path) -> None:
    refined = ("--proposal", "refined", "--refine-steps", 30, "--refine-rate", 0.1, "--widen", 1.1, "--prior-share", 0.1)
    figure = tmp_path / "bound.png"
    result = good("evaluate", bits_run, "--samples", 20, *refined, "--bound-figure", figure, "--json")
    assert f"wrote the bound against the number of samples to {figure}" in result.stderr
    with PIL.Image.open(figure) as picture:
        assert picture.size == (1360, 900)
    scores = json.loads(result.stdout)
    plain = json.loads(good("evaluate", bits_run, "--samples", 20, "--json").stdout)
    evidence = scores["evidence"]
    assert evidence["method"] == (
        "importance sampling from the posterior refined for each example by 30 steps, widened 1.1 times, with 0.1 of the draws "
        "from the prior"
    )
    assert evidence["value"] == scores["log_evidence_nats"]
    assert evidence["not_finite_weights"] == 0
    # Another estimate of the same number.
    assert scores["log_evidence_nats"] != plain["log_evidence_nats"]
    assert scores["log_evidence_nats"] == pytest.approx(plain["log_evidence_nats"], abs=0.2)
    assert scores["active_units"] == plain["active_units"]
    assert scores["bounds"]["num_samples"] == [1, 2, 4, 8, 16, 20]
    assert scores["bounds"]["nats"][-1] == scores["log_evidence_nats"]


class _Stopped(Exception):
    """As if the process was gone."""


@pytest.mark.parametrize("name", ["evaluate", "compare"])
def test_one_that_was_stopped_goes_on(bits_run: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[object] = [name, bits_run, "--split", "train", "--samples", 64, "--json"]
    if name == "compare":
        shutil.copytree(bits_run, tmp_path / "other")
        words.insert(2, tmp_path / "other")
    whole = good(*words)
    monkeypatch.setattr(Unfinished, "is_due", True)
    batches, real = itertools.count(), evidence._estimate_batch

    def stopping(*arguments: Any) -> Any:
        if next(batches) == 2:
            raise _Stopped
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(evidence, "_estimate_batch", stopping)
        with pytest.raises(_Stopped):
            good(*words)
    again = good(*words)
    assert re.search(r"going on with an evaluation that was stopped: [1-9]\d* of ", again.stderr)
    assert again.stdout == whole.stdout
    assert not (bits_run / "unfinished").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--proposal", "refind"], "--proposal is 'refind', which does not exist. Did you mean 'refined'?"),
        (["--proposal", "widened", "--widen", 0], "--widen is 0.0 (a number); expected a number > 0."),
        (["--proposal", "refined", "--refine-rate", -1], "--refine-rate is -1.0 (a number); expected a number > 0."),
        (
            ["--proposal", "refined", "--refine-steps", 0],
            "--refine-steps is 0 (an integer); expected an integer >= 1.",
        ),
        (["--prior-share", 1], "--prior-share is 1.0 (a number); expected a number > 0 and < 1."),
        (["--refine-steps", 5], "--refine-steps is read with --proposal refined alone; got --proposal posterior."),
        (["--widen", 2], "--widen spreads a proposal, and --proposal posterior is taken as it is. Use --proposal widened, or"),
        (["--bound-figure", "x.jpg"], "--bound-figure is x.jpg, which ends in '.jpg'; expected .png."),
    ],
)
def test_wrong_options_are_explained(bits_run: Path, options: list[object], message: str) -> None:
    result = command("evaluate", bits_run, *options)
    assert result.status == 2
    assert message in result.error
