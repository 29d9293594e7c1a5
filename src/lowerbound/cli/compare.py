"""`compare`: runs on the same test examples, ranked where that is fair and refused where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigurationError
from .console import show_table, show_text
from .evaluate import ProposalOptions, check_samples, counting, keeping
from .opening import check_split, open_run, own_examples

if TYPE_CHECKING:
    from ..evaluation import Comparison


def compare_runs(
    runs: list[Path], num_samples: int, split: str, data_dir: Path | None, seed: int, options: ProposalOptions, *, as_json: bool
) -> None:
    """Print the log-evidence of the same examples under each run's model, and the paired differences."""
    check_split(split)
    check_samples(num_samples)
    options.check()
    if len(runs) < 2:
        raise ConfigurationError(f"compare needs at least two runs and got {len(runs)}, for example: lowerbound compare A B")
    if len({str(run.resolve()) for run in runs}) < len(runs):
        raise ConfigurationError("compare was given the same run twice; give different ones.")
    opened = {str(run): open_run(run) for run in runs}
    check_comparable({name: _what_is_measured(*parts, split) for name, parts in opened.items()}, split)
    from ..evaluation import Estimate, compare, estimate_evidence
    from ..evaluation.estimates import BoundCurve, importance_estimate

    evidence: dict[str, np.ndarray] = {}
    records: dict[str, Estimate] = {}
    proposal = options.build()
    for name, (folder, model, spec, config) in opened.items():
        data = own_examples(folder, config, spec, split, data_dir)
        with counting(len(data), quiet=as_json, what=name) as advance:
            found = estimate_evidence(
                model,
                data,
                num_samples,
                seed=seed,
                proposal=proposal,
                unfinished=keeping(folder, len(data)),
                on_progress=advance,
            )
        evidence[name] = np.asarray(found.log_evidence)
        curve = BoundCurve.of(found, num_samples)
        records[name] = importance_estimate(found, curve, model.measure, proposal.description)
    comparison = compare(evidence, records)
    if as_json:
        from .progress import print_json

        print_json({"split": split, **comparison.to_json()}, indent=2)
    else:
        _show(comparison, split)


def _what_is_measured(folder: Any, model: Any, spec: Any, config: Any, split: str) -> dict[str, Any]:
    """What must agree for two log-evidences to be about the same thing."""
    if not model.has_density:
        raise ConfigurationError(
            f"{folder.path} is a deterministic autoencoder: it defines no log p(x) to compare. Compare runs of models with a "
            "likelihood (posterior.name=diagonal-gaussian, objective.name=elbo)."
        )
    record = folder.info()["data"]
    return {
        "measure": {"counting": "log-probabilities", "lebesgue": "log-densities"}[model.measure],
        "data": record["data_sha256"],
        "rows": np.sort(getattr(folder.split(), split)).tobytes(),
        "order": getattr(folder.split(), split).tobytes(),
        "condition": record["condition_sha256"],
    }


def check_comparable(found: dict[str, dict[str, Any]], split: str) -> None:
    """Raise `ConfigurationError` when the runs' numbers are about different things, which are named."""
    names = list(found)
    first = names[0]
    for other in names[1:]:
        a, b = found[first], found[other]
        why = ""
        if a["data"] != b["data"]:
            why = "they are about other data, or the same data in other units. Train both on the same file."
        elif a["measure"] != b["measure"]:
            why = (
                f"one gives {a['measure']}, the other {b['measure']}, and neither is larger for being better. Train both with "
                "likelihoods of one kind: for data with levels bernoulli, categorical or discretized-logistic are all "
                "log-probabilities (lowerbound parts likelihood)."
            )
        elif a["rows"] != b["rows"]:
            why = (
                f"their {split} examples are not the same ones. Train both with the same data.split_seed, data.validation and "
                "data.test."
            )
        elif a["order"] != b["order"]:
            why = f"their {split} examples come in another order. Train both with the same data.split_seed."
        elif a["condition"] != b["condition"]:
            why = "one is told a condition that the other is not (or another one), so p(x|c) would stand beside p(x)."
        if why:
            raise ConfigurationError(f"{first} and {other} cannot be ranked: {why}")


def _show(comparison: Comparison, split: str) -> None:
    kind = "log-probabilities" if comparison.measure == "counting" else "log-densities in your units"
    title = f"{split} split, the same {comparison.num_examples:,} examples, {kind}, {comparison.num_samples:,} importance samples"
    columns = ("run", "log evidence [nats]", "standard error", "behind the best [nats]", "its standard error, paired")
    rows = [
        (
            each.name,
            f"{each.log_evidence_nats:,.3f}",
            f"{each.standard_error:.3f}",
            *(("", "") if place == 0 else (f"{each.behind_nats:,.3f}", f"{each.behind_standard_error:.3f}")),
        )
        for place, each in enumerate(comparison.contenders)
    ]
    show_table(title, columns, rows, numbers=columns[1:])
    show_text(comparison.verdict)
