"""The settings of a sweep beside each other: means over seeds, what they are behind the best by, and what cannot be ranked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ConfigurationError
from ..evaluation import Subject, check_comparable
from ..evaluation.comparison import CLEAR_STANDARD_ERRORS
from ..evaluation.estimates import mean_and_error, name_of_density
from .grid import Member, Setting
from .record import Home, Result


@dataclasses.dataclass(frozen=True)
class Row:
    """A setting; nats per validation example, means over the seeds that have a model.

    - `results`: of its members that ended, by seed. `log_evidence_nats`, `elbo_nats`: None where no model has a density.
    - `error`: the standard error of `log_evidence_nats`: over seeds where there are two or more, else over examples.
    - `seed_spread`: the standard deviation of one model over seeds; NaN of a single seed.
    - `behind_nats`: the best setting's log p(x) less its own, over the same examples; `behind_error`: its standard error, of the
      examples (paired) and of the seeds together. `is_clear`: whether it is beyond two of them. None where nothing is ranked.
    """

    setting: Setting
    results: Mapping[int, Result]
    log_evidence_nats: float | None = None
    elbo_nats: float | None = None
    error: float = math.nan
    seed_spread: float = math.nan
    behind_nats: float | None = None
    behind_error: float = math.nan
    is_clear: bool = False

    @property
    def models(self) -> list[Result]:
        """Of the members that have one."""
        return [result for result in self.results.values() if not result.failure]

    @property
    def failures(self) -> dict[int, str]:
        """Why members have no model, by seed."""
        return {seed: result.failure for seed, result in self.results.items() if result.failure}


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows, the best first where they are ranked, else in the order of the grid; `refusal`: why they are not, or ""."""

    rows: tuple[Row, ...]
    refusal: str
    missing: int

    @property
    def best(self) -> Row | None:
        """The best setting; None where there is no ranking."""
        return self.rows[0] if self.rows and self.rows[0].behind_nats is not None else None

    @property
    def density(self) -> str:
        """What is laid beside each other, as a formula: "log p(x)", or what the models give of x in its place."""
        names = {name_of_density(result.given): None for row in self.rows for result in row.models}
        return " or ".join(names) or "log p(x)"

    @property
    def has_failed(self) -> bool:
        """Whether all that was trained has failed."""
        return any(row.failures for row in self.rows) and not any(row.models for row in self.rows)

    @property
    def verdict(self) -> str:
        """Which setting is the best, and whether that could be chance."""
        ranked = [row for row in self.rows if row.behind_nats is not None]
        if not ranked:
            return self.refusal
        best, *others = ranked
        name = best.setting.words
        if not others:
            return f"Only {name} has a model."
        tied = [row.setting.words for row in others if not row.is_clear]
        few = " How much another seed would differ is not known: sweep the best with --seeds 3."
        few = "" if math.isfinite(best.seed_spread) else few
        if not tied:
            second = others[0]
            gap = f"{second.behind_nats:.3g} ± {second.behind_error:.2g} nats"
            return f"{name} is better than all others, by {gap} at least.{few}"
        shown = "; ".join(tied[:4]) + (f" and {len(tied) - 4} more" if len(tied) > 4 else "")
        return f"{name} is the best, but within two standard errors of it: {shown}.{few}"

    def to_json(self) -> list[dict[str, Any]]:
        """The rows as plain values; what is not a finite number is None."""

        def finite(value: float | None) -> float | None:
            return value if value is not None and math.isfinite(value) else None

        return [
            {
                "setting": dict(row.setting.values),
                "measure": row.models[0].measure if row.models else None,
                "given": row.models[0].given if row.models else None,
                "seeds": sorted(result.seed for result in row.models),
                "log_evidence_nats": row.log_evidence_nats,
                "standard_error": finite(row.error),
                "seed_spread_nats": finite(row.seed_spread),
                "elbo_nats": row.elbo_nats,
                "behind_nats": row.behind_nats,
                "behind_standard_error": None if row.behind_nats is None else finite(row.behind_error),
                "is_clear": row.is_clear,
                "failures": {str(seed): reason for seed, reason in row.failures.items()},
            }
            for row in self.rows
        ]


def tabulate(home: Home, members: Sequence[Member]) -> Table:
    """What is known of the members; raises `ModelFolderError` when a result is damaged."""
    found = {member: result for member in members if (result := home.result(member)) is not None}
    settings = list(dict.fromkeys(member.setting for member in members))
    rows, means = [], {}
    for setting in settings:
        own = {member: result for member, result in found.items() if member.setting == setting}
        row, evidence = _row(home, setting, own)
        rows.append(row)
        if evidence is not None:
            means[setting] = evidence
    missing = len(members) - len(found)
    subjects = {
        setting.words: subject_of(result)
        for setting, result in ((row.setting, row.models[0]) for row in rows if row.setting in means)
    }
    refusal = "" if subjects else "no setting has a model with a density yet, so there is nothing to rank."
    if any(model.log_evidence_nats is None for row in rows for model in row.models):
        refusal = "some of the models are deterministic codes, which have no log p(x) to rank."
    try:
        if len(subjects) > 1:
            check_comparable(subjects)
    except ConfigurationError as error:
        refusal = str(error)
    if refusal:
        return Table(tuple(rows), refusal, missing)
    return Table(_ranked(rows, means), "", missing)


def subject_of(result: Result) -> Subject:
    """What a result's log p(x) is about; the rows are known by their digest alone."""
    rows = (int(result.split[:15], 16),)
    return Subject(result.measure, result.given, result.data, "validation", rows, result.condition, result.masses)


def _row(home: Home, setting: Setting, own: Mapping[Member, Result]) -> tuple[Row, np.ndarray | None]:
    """A setting's row before it is ranked; and the mean over seeds of each example's log p(x), with the examples' weights."""
    results = {member.seed: result for member, result in own.items()}
    with_number = {
        member: result for member, result in own.items() if not result.failure and result.log_evidence_nats is not None
    }
    if not with_number:
        return Row(setting, results), None
    means = np.array([result.log_evidence_nats for result in with_number.values()])
    elbo = float(np.mean(np.array([result.elbo_nats for result in with_number.values()], np.float64)))
    spread = float(means.std(ddof=1)) if len(means) > 1 else math.nan
    error = spread / math.sqrt(len(means)) if len(means) > 1 else next(iter(with_number.values())).standard_error
    row = Row(setting, results, float(means.mean()), elbo, math.nan if error is None else error, spread)
    return row, np.mean([home.evidence(member) for member in with_number], axis=0)


def _ranked(rows: Sequence[Row], means: Mapping[Setting, np.ndarray]) -> tuple[Row, ...]:
    with_number = [row for row in rows if row.log_evidence_nats is not None]
    ordered = sorted(with_number, key=lambda row: -(row.log_evidence_nats or 0.0))
    best = ordered[0]
    ranked = []
    for row in ordered:
        (of_best, weight), (own, _) = means[best.setting], means[row.setting]
        behind, of_examples = mean_and_error(of_best - own, weight)
        of_seeds = [each.seed_spread**2 / len(each.models) for each in (best, row) if math.isfinite(each.seed_spread)]
        error = math.sqrt((of_examples if math.isfinite(of_examples) else 0.0) ** 2 + (sum(of_seeds) if row is not best else 0.0))
        is_clear = row is not best and behind > CLEAR_STANDARD_ERRORS * error
        ranked.append(dataclasses.replace(row, behind_nats=behind, behind_error=error, is_clear=is_clear))
    return (*ranked, *[row for row in rows if row.log_evidence_nats is None])
