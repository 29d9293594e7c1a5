"""The advice of every finding: it changes something, stays in the data's measure, and is not given twice."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support_report import CONFIG, examination, healthy_faces, history, settled_bound, table

from lowerbound.assembly.automatic import choose, with_choices
from lowerbound.config import RunConfig, parse_overrides
from lowerbound.config.catalogue import CATALOGUE, class_of
from lowerbound.data.describe import describe
from lowerbound.diagnosis import Finding, diagnose
from lowerbound.diagnosis.diagnosis import CHECKS
from lowerbound.evaluation import Reconstruction
from lowerbound.likelihoods.remedies import data_measure
from lowerbound.summaries import RunSummary

FACES, ROWS = healthy_faces(), table()
COUNTS = np.random.default_rng(0).poisson(3, (200, 5)).astype(np.int64)
# What the default recipe makes of the faces, with all that it chooses.
AUTOMATIC = with_choices(RunConfig(), {}, choose(RunConfig(), {}, FACES.spec, FACES.real))


def counts(likelihood: str, **predictive: Any) -> RunSummary:
    """A run on five columns of counts."""
    spec = describe(COUNTS, ("a", "b", "c", "d", "e"))
    arrays = dict.fromkeys(("samples", "real"), COUNTS) | dict.fromkeys(("originals", "reconstructions"), COUNTS[:40])
    config = CONFIG.updated({"likelihood": {"name": likelihood}})
    measure = class_of("likelihood", likelihood).measure
    return table(spec=spec, config=config, measure=measure, examination=examination(5, **predictive), **arrays)


def faces_in(config: RunConfig, **changes: Any) -> RunSummary:
    """The healthy run, as if it had been trained by this configuration."""
    block = FACES.latent_blocks[0]._replace(has_normal_prior=config.prior.name == "standard-normal")
    return healthy_faces(config=config, latent_blocks=(block,), **changes)


AWAY = FACES.latent_means * [3, 1, 1, 1]
DEAD = {"latent_means": np.zeros((120, 4)), "latent_is_active": np.zeros(4, bool), "scores": (), "kl_by_latent_nats": np.zeros(4)}
COPIES = np.repeat(FACES.real[:1].astype(np.float32), 60, axis=0)
FALLEN = settled_bound() - np.maximum(np.arange(100) - 60, 0) * 100.0
PAST = settled_bound() - 2 - np.maximum(np.arange(100) - 50, 0) * 0.4
IN_THE_FLOOR = {"history": {**history(settled_bound()), "monitor/fraction_at_floor": np.full(100, 0.5)}}
SATURATED = {"history": {**history(settled_bound()), "monitor/fraction_saturated": np.full(100, 0.5)}}
DEAF = dataclasses.replace(examination(560), sensitivity=np.where(np.arange(560) < 5, 0.0, 1.0))
RESIDUE = {"num_directions": 3, "leading_share": 0.4}

# For each check a run that has the finding, by the configuration that it was trained with.
TROUBLES: dict[str, Callable[[RunConfig], RunSummary]] = {
    "divergence": lambda config: faces_in(config, history=history(FALLEN)),
    "posterior-collapse": lambda config: faces_in(config, **DEAD),
    "samples-alike": lambda config: faces_in(config, samples=COPIES),
    "overfitting": lambda config: faces_in(config, history=history(settled_bound(), gap=200.0), scores=()),
    "past-best": lambda config: faces_in(config, history=history(settled_bound(), validation_elbo_nats=PAST)),
    "stopped": lambda config: faces_in(config, stop_reason="stopped by SIGINT", epochs_run=40.0),
    "under-training": lambda config: faces_in(config, history=history(-4000 + 20.0 * np.arange(100))),
    "scale-floor": lambda config: faces_in(config, **IN_THE_FLOOR),
    "likelihood-support": faces_in,
    "likelihood-fit": lambda config: faces_in(
        config, examination=examination(560, distance=np.full(560, 0.4), excess_kurtosis=np.full(560, 9.0))
    ),
    "monitors": lambda config: faces_in(config, **SATURATED),
    "prior-hole": lambda config: faces_in(config, examination=examination(560, far=0.9, p_value=0.001)),
    "codes-outside-prior": lambda config: faces_in(config, latent_means=AWAY),
    "unused-latents": lambda config: faces_in(
        config, latent_means=np.zeros((120, 20)), latent_is_active=np.arange(20) < 3, kl_by_latent_nats=np.arange(20) < 3.0
    ),
    "too-few-latents": lambda config: faces_in(config, examination=examination(560, **RESIDUE)),
    "kl-weight": faces_in,
    "no-bound": lambda config: faces_in(config, reconstruction=Reconstruction("test", 30, 9.0, 0.8)),
    "constant-inputs": lambda config: table(config=config),
    "ignored-inputs": lambda config: faces_in(config, examination=DEAF),
    "skewed-columns": lambda config: table(
        config=config,
        spec=dataclasses.replace(ROWS.spec, element_low=(0.1,) * 5, element_high=(9e9,) * 5),
        real=ROWS.real ** np.array([1, 5, 1, 1, 1], np.float32),
    ),
}
# What is set from the start where it is the trouble.
SET: dict[str, dict[str, dict[str, Any]]] = {"kl-weight": {"objective": {"beta": 4.0}}}
# What else may be wrong with counts, and by which likelihood they were taken.
OF_COUNTS: dict[str, tuple[str, dict[str, Any]]] = {
    "outside the support": ("beta", {}),
    "a density": ("gaussian", {}),
    "scattered": ("poisson", {"distance": np.full(5, 0.4), "dispersion": np.full(5, 4.0)}),
    "more zeros": ("poisson", {"distance": np.full(5, 0.4), "zeros": np.full(5, 0.4)}),
    "heavy tails": ("gaussian", {"distance": np.full(5, 0.4), "excess_kurtosis": np.full(5, 9.0)}),
    "all tried": ("zero-inflated-negative-binomial", {"distance": np.full(5, 0.4)}),
}
_LIKELIHOODS = re.compile(rf"(?<![\w-])({'|'.join(sorted(CATALOGUE['likelihood'], key=len, reverse=True))})(?![\w-])")


def finding_of(summary: RunSummary, check: str) -> Finding | None:
    return dict(diagnose(summary).findings).get(check)


def settings_of(finding: Finding) -> list[str]:
    """The settings of a command to train again; none of one to go on."""
    words = shlex.split(finding.command)
    return [after for word, after in itertools.pairwise(words) if word == "--set"]


def values_of(config: RunConfig, settings: list[str]) -> list[Any]:
    whole = config.to_dict()
    return [whole[key.partition(".")[0]].get(key.partition(".")[2]) for key in (each.partition("=")[0] for each in settings)]


def test_every_check_has_a_run_with_its_finding() -> None:
    assert set(TROUBLES) == {check.name for check in CHECKS}


@pytest.mark.parametrize("config", [CONFIG, AUTOMATIC], ids=["by hand", "automatic"])
@pytest.mark.parametrize("check", TROUBLES)
def test_advice_changes_something_and_is_not_given_again(check: str, config: RunConfig) -> None:
    make = TROUBLES[check]
    first = make(config.updated(SET.get(check, {})))
    finding = finding_of(first, check)
    if finding is None:
        # The measure, the prior or what is on already takes the cause away.
        assert config is AUTOMATIC
        assert check in {"likelihood-support", "codes-outside-prior", "past-best"}
        return
    asked = settings_of(finding)
    if not asked:
        return
    assert values_of(first.config, asked) != values_of(first.config.updated(parse_overrides(asked)), asked), asked
    followed = dataclasses.replace(make(first.config.updated(parse_overrides(asked))), tried=(first.config,))
    again = finding_of(followed, check)
    if again is None:
        return
    of_again = settings_of(again)
    assert of_again != asked, "the same settings twice"
    for setting in of_again:
        key, _, value = setting.partition("=")
        assert values_of(followed.config, [setting]) != [value], f"{key} has that value already"
    # A third run, after two that did not help, is not told the first thing.
    third = finding_of(dataclasses.replace(followed, tried=(first.config, followed.config)), check)
    assert third is None or settings_of(third) != asked


def test_a_table_with_too_few_latents_is_told_the_number_of_the_default() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 20)).astype(np.float32)
    arrays = {"samples": rows, "real": rows, "originals": rows[:40], "reconstructions": rows[:40]}
    few = table(spec=describe(rows), examination=examination(20, num_directions=1, leading_share=0.4), **arrays)
    finding = finding_of(few, "too-few-latents")
    assert finding is not None
    # Four are tripled or become five in pictures.
    assert settings_of(finding) == ["model.latent_dim=20"]


@pytest.mark.parametrize("what", OF_COUNTS)
def test_advice_stays_in_the_measure_of_the_data(what: str) -> None:
    likelihood, predictive = OF_COUNTS[what]
    summary = counts(likelihood, **predictive)
    findings = [finding for name, finding in diagnose(summary).findings if name.startswith(("likelihood", "scale"))]
    assert findings or what == "a density", "counts of no known limit may be taken for numbers"
    named = {name for finding in findings for text in (finding.advice, finding.command) for name in _LIKELIHOODS.findall(text)}
    assert data_measure(summary.spec) == "counting"
    assert {class_of("likelihood", name).measure for name in named} <= {"counting"}, named
    assert summary.config.likelihood.name not in named
