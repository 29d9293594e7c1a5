"""Paired comparisons: what examples share drops out, and what may be chance is not ranked."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from support.chance import agrees

from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation import Comparison, Contribution, Estimate, Subject, check_comparable, compare

RECORD = Estimate(
    "log_evidence_nats", 0.0, "nats per example", "counting", None, "", 200, 1000, 1.0, 0.1, 50.0, 10.0, 0, True, ""
)
RNG = np.random.default_rng(0)
HARD = -100 + 10 * RNG.standard_normal(200)


def compared(evidence: dict[str, np.ndarray], records: dict[str, Estimate]) -> Comparison:
    return compare({name: Contribution(values, records[name]) for name, values in evidence.items()})


def test_a_difference_far_below_the_spread_of_examples_is_clear_when_paired() -> None:
    found = compared({"a": HARD, "b": HARD + 0.5 + 0.3 * RNG.standard_normal(200)}, {"a": RECORD, "b": RECORD})
    best, other = found.contenders
    assert (best.name, other.name) == ("b", "a")
    assert other.is_clear
    error = 0.3 / np.sqrt(200)
    assert agrees(other.behind_nats, 0.5, error)
    assert agrees(other.behind_standard_error / error, 1.0, 1 / np.sqrt(2 * 200))
    # Each by itself is known twenty times less well.
    assert best.standard_error > 20 * other.behind_standard_error
    assert found.verdict.startswith("b is better than a by 0.")


def test_chance_is_not_ranked_and_loose_bounds_are_named() -> None:
    noise = RNG.standard_normal(200)
    loose = dataclasses.replace(RECORD, is_enough=False)
    found = compared({"a": HARD, "b": HARD + noise - noise.mean() + 0.01}, {"a": loose, "b": RECORD})
    assert not found.contenders[1].is_clear
    assert "b is not told apart from a" in found.verdict
    assert "not enough for a, so what is compared are lower bounds" in found.verdict


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ({"measure": "lebesgue"}, "one gives log-probabilities, the other log-densities, and neither is larger for being better"),
        ({"rows": (2, 3)}, "their test examples are not the same ones. Train both with the same data.split_seed"),
        ({"rows": (2, 1)}, "their test examples come in another order"),
        ({"condition": "2"}, "one is told a condition that the other is not"),
        ({"masses": "1f"}, "they give probabilities to different values and densities to the others"),
        ({"data": "2"}, "they are about other data, or the same data in other units"),
        (
            {"given": "total"},
            r"one gives log p\(x \| total\), being told each example's total, which the other, ",
        ),
    ],
)
def test_each_difference_is_named(difference: dict[str, Any], message: str) -> None:
    one = Subject("counting", None, "1", "test", (1, 2), None)
    check_comparable({"a": one, "b": one})
    with pytest.raises(ConfigurationError, match=f"a and b cannot be ranked: {message}"):
        check_comparable({"a": one, "b": dataclasses.replace(one, **difference)})


def test_numbers_given_the_total_are_ranked_among_their_own_kind_alone() -> None:
    """The records alone say it, to whoever calls `compare` from Python."""
    proper, size, total = (dataclasses.replace(RECORD, given=given) for given in (None, "total as size", "total"))
    evidence = {"a": HARD, "b": HARD + 1}
    assert compared(evidence, {"a": size, "b": size}).given == "total as size"
    for other in (size, total):
        with pytest.raises(ConfigurationError, match=r"Train both with likelihood.library_size=false \(log p\(x\)\)"):
            compared(evidence, {"a": other, "b": proper})
    with pytest.raises(ConfigurationError, match="one is normalised over the examples with that total, and the other over all"):
        compared(evidence, {"a": size, "b": total})


def test_what_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="there are 1 models to compare; give at least two"):
        compared({"a": HARD}, {"a": RECORD})
    with pytest.raises(DataError, match=r"scored on \[100, 200\] examples"):
        compared({"a": HARD, "b": HARD[:100]}, {"a": RECORD, "b": RECORD})
