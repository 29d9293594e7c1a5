"""Which of several models explains the same examples better, by how much, and whether that could be chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DataError
from .estimates import Estimate, mean_and_error, plain_json

# Less than this many standard errors apart, two models are not ranked.
CLEAR_STANDARD_ERRORS = 2.0


@dataclasses.dataclass(frozen=True)
class Contender:
    """One model's place; nats per example.

    - `log_evidence_nats`, `standard_error`: the mean over examples. `is_enough`: whether its K samples are, by their verdict.
    - `behind_nats`: the mean over the same examples of the best model's log-evidence less its own, at least 0;
      `behind_standard_error`: of that mean, over examples. `is_clear`: whether it is beyond two of them; False for the best.
    """

    name: str
    log_evidence_nats: float
    standard_error: float
    is_enough: bool
    behind_nats: float
    behind_standard_error: float
    is_clear: bool


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The models, the best first; `verdict`: in words."""

    contenders: tuple[Contender, ...]
    num_examples: int
    num_samples: int
    measure: str
    verdict: str
    unit: str = "nats per example"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and text."""
        return plain_json(dataclasses.asdict(self))


def compare(evidence: Mapping[str, np.ndarray], records: Mapping[str, Estimate]) -> Comparison:
    """Rank models by the log-evidence of each of the same examples.

    The differences are taken example by example: examples that are hard are hard for every model, and what they share drops out.

    - `evidence`: for each model, log p(x) of each example, in the same order. `records`: the same numbers' records.

    Raises `DataError` for fewer than two models, or other numbers of examples.
    """
    if len(evidence) < 2:
        raise DataError(f"there are {len(evidence)} models to compare; give at least two.")
    columns = {name: np.asarray(values, np.float64) for name, values in evidence.items()}
    sizes = {len(values) for values in columns.values()}
    if len(sizes) > 1:
        raise DataError(f"the models were scored on {sorted(sizes)} examples; expected the same examples for each.")
    order = sorted(columns, key=lambda name: -columns[name].mean())
    best = columns[order[0]]
    contenders: list[Contender] = []
    for name in order:
        mean, error = mean_and_error(columns[name])
        behind, behind_error = mean_and_error(best - columns[name])
        is_clear = name != order[0] and behind > CLEAR_STANDARD_ERRORS * behind_error
        contenders.append(Contender(name, mean, error, records[name].is_enough, behind, behind_error, is_clear))
    record = records[order[0]]
    return Comparison(tuple(contenders), len(best), record.num_samples, record.measure, _verdict(contenders))


def _verdict(contenders: list[Contender]) -> str:
    best, *others = contenders
    tied = [other.name for other in others if not other.is_clear]
    second = others[0]
    gap = f"{second.behind_nats:.3g} ± {second.behind_standard_error:.2g} nats"
    if second.is_clear:
        text = f"{best.name} is better than {second.name} by {gap}."
    else:
        text = f"{best.name} is not told apart from {', '.join(tied)}: {gap} is within two standard errors."
    loose = [contender.name for contender in contenders if not contender.is_enough]
    if loose:
        text += (
            f" The samples are not enough for {', '.join(loose)}, so what is compared are lower bounds: raise --samples, or use "
            "--proposal refined."
        )
    return text
