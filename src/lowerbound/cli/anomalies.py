"""What `score` adds with a rate: how odd each row is, its p-value, its flag, and the columns that make it unlikely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigurationError
from .opening import OpenRun
from .outputs import write_csv
from .runtime import say

if TYPE_CHECKING:
    import numpy as np

    from ..data.examples import Example
    from ..data.spec import DataSpec

FALSE_ALARMS, FALSE_DISCOVERIES = "--false-alarm-rate", "--false-discovery-rate"
MOST_COLUMNS = 3
# Less is what a usual row loses here and there.
_LEAST_NATS = 1.0
_VALIDATION_SHARE = 3
COLUMNS = ("score", "p_value", "flag")


class Rate(NamedTuple):
    """The rate that was asked for, and by which option."""

    option: str
    value: float


class Judged(NamedTuple):
    """What was found of each row.

    - `score`: which score it is. `reason`: why. `calibration`: what it was calibrated with, in words.
    - `lost`: by how many nats each element makes each row unlikely; None where an element cannot be weighed alone.
    """

    score: str
    reason: str
    rate: Rate
    num_calibration: int
    calibration: str
    scores: np.ndarray
    p_values: np.ndarray
    flags: np.ndarray
    lost: np.ndarray | None


def asked_rate(false_alarms: float | None, false_discoveries: float | None) -> Rate | None:
    """The rate of the two options; None for neither. Raises `ConfigurationError` for both, and for what is no rate."""
    from ..config.rules import Real

    if false_alarms is not None and false_discoveries is not None:
        raise ConfigurationError(
            f"{FALSE_ALARMS} and {FALSE_DISCOVERIES} are both given; expected one: a share of the normal rows that is flagged, "
            "or a share of the flagged rows that is normal."
        )
    for option, value in ((FALSE_ALARMS, false_alarms), (FALSE_DISCOVERIES, false_discoveries)):
        if value is not None:
            return Rate(option, Real(0.0, below=1.0, strictly_above=True).convert(option, value))
    return None


def judge(opened: OpenRun, examples: Example, rate: Rate, data_dir: Path | None, seed: int) -> Judged:
    """Score rows and flag them, by rows of the run that it was not trained on.

    Raises `ConfigurationError` where there are too few of these for the rate, `DataError` where they are not as they were.
    """
    import numpy as np

    from ..data.examples import examples_of
    from ..evaluation import (
        check_calibration,
        check_density,
        fit_scorer,
        flags_at_false_alarm_rate,
        flags_at_false_discovery_rate,
        lost_nats,
        p_values,
    )

    check_density(opened.model, "score of oddness", str(opened.folder.path))
    split = opened.rows()
    rng = np.random.default_rng(seed)
    if split.sizes["test"] and split.sizes["validation"]:
        choosing, calibrating, calibration = split.validation, split.test, "rows of the test split"
    else:
        part = "test" if split.sizes["test"] else "validation"
        held_out = rng.permutation(getattr(split, part))
        cut = -(-len(held_out) // _VALIDATION_SHARE)
        choosing, calibrating = np.sort(held_out[:cut]), np.sort(held_out[cut:])
        calibration = f"rows of the {part} split (the others of it chose the score)"
    if split.sizes["test"] == 0:
        calibration += ", by which training chose when to stop, so that somewhat more may be flagged than is said"
    check_calibration(rate.option, rate.value, len(calibrating), calibration)
    dataset = opened.dataset(data_dir)
    known = np.concatenate([split.train, choosing])
    rows, normal = (examples_of(dataset, part, opened.spec) for part in (known, calibrating))
    held_out = len(split.train) + np.arange(len(choosing))
    scorer = fit_scorer([opened.model], opened.spec, [rows], [held_out], seed=seed)
    scores = scorer([examples])
    p = p_values(scorer([normal]), scores)
    flags = (flags_at_false_alarm_rate if rate.option == FALSE_ALARMS else flags_at_false_discovery_rate)(p, rate.value)
    try:
        lost = lost_nats(opened.model, examples, normal, seed=seed)
    except ConfigurationError as error:
        say(f"note: no columns are named: {error}")
        lost = None
    return Judged(scorer.score, scorer.reason, rate, len(normal), calibration, scores, p, flags, lost)


def columns_of_row(lost: np.ndarray, spec: DataSpec) -> list[tuple[str, float]]:
    """The names of at most three elements that make a row most unlikely, with the nats that each costs."""
    order = (-lost).argsort(kind="stable")[:MOST_COLUMNS].tolist()
    return [(spec.element_name(each).strip("'"), float(lost[each])) for each in order if lost[each] >= _LEAST_NATS]


def words(judged: Judged) -> list[str]:
    """What was done and what it promises, in sentences."""
    from ..evaluation import false_alarm_limits, flags_allowed

    rate, count = judged.rate.value, len(judged.flags)
    flagged, n = int(judged.flags.sum()), judged.num_calibration
    sentences = [f"score: {judged.score} ({judged.reason})"]
    if judged.rate.option == FALSE_ALARMS:
        low, high = false_alarm_limits(n, rate)
        sentences.append(
            f"flagged {flagged:,} of {count:,} rows, p <= {rate:g}. Of rows like the {n:,} {judged.calibration}, "
            f"{flags_allowed(n, rate) / (n + 1):.3g} are flagged in the mean over calibrations; with this one from {low:.2g} to "
            f"{high:.2g} (99 %)."
        )
    else:
        least = math.ceil(count / (rate * (n + 1)))
        sentences.append(
            f"flagged {flagged:,} of {count:,} rows. In expectation at most {rate:g} of the flagged ones are like the {n:,} "
            f"{judged.calibration} (Benjamini and Hochberg; it holds for p-values that share a calibration, Bates et al. 2023, "
            f"where rows are independent). The smallest p-value is 1/{n + 1:,}: {least:,} rows or more are flagged, or none."
        )
    return sentences


def to_json(judged: Judged, spec: DataSpec, table: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """All of it for machines, with the numbers of `table` under their names."""
    rows = []
    for row, numbers in enumerate(table.tolist()):
        found = [] if judged.lost is None else columns_of_row(judged.lost[row], spec)
        rows.append(
            {
                "score": float(judged.scores[row]),
                "p_value": float(judged.p_values[row]),
                "flag": bool(judged.flags[row]),
                "columns": [{"name": column, "lost_nats": nats} for column, nats in found],
                **dict(zip(names, numbers, strict=True)),
            }
        )
    return {
        "score": judged.score,
        "reason": judged.reason,
        judged.rate.option.lstrip("-").replace("-", "_"): judged.rate.value,
        "num_calibration": judged.num_calibration,
        "calibration": judged.calibration,
        "num_flagged": int(judged.flags.sum()),
        "rows": rows,
    }


def write_judged(out: Path, table: np.ndarray, names: Sequence[str], judged: Judged, spec: DataSpec) -> None:
    """A .csv table: the numbers of `table`, and of each row its score, p-value, flag and columns; or leave the file as it was."""
    from ..data.columns.cells import guarded

    rows, shown = [], [] if judged.lost is None else ["unlikely_columns"]
    for row, numbers in enumerate(table.tolist()):
        cells = [f"{judged.scores[row]:.15g}", f"{judged.p_values[row]:.15g}", str(int(judged.flags[row]))]
        if judged.lost is not None:
            found = "; ".join(f"{name} ({nats:.3g} nats)" for name, nats in columns_of_row(judged.lost[row], spec))
            cells.append(guarded(found))
        rows.append([*cells, *(f"{value:.15g}" for value in numbers)])
    write_csv(out, [*COLUMNS, *shown, *names], rows)
