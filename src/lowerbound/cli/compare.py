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
    from ..evaluation import Comparison, Subject
    from ..models import AbstractLatentVariableModel
    from ..runs.folder import RunFolder


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
    from ..evaluation import Estimate, compare, estimate_evidence
    from ..evaluation.comparison import check_comparable
    from ..evaluation.estimates import BoundCurve, importance_estimate

    # Before anything is computed.
    subjects = {name: _subject(*parts, split) for name, parts in opened.items()}
    check_comparable(subjects)

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
        records[name] = importance_estimate(found, curve, model, proposal.description)
    comparison = compare(evidence, records, subjects)
    if as_json:
        from .progress import print_json

        print_json({"split": split, **comparison.to_json()}, indent=2)
    else:
        _show(comparison, split)


def _subject(folder: RunFolder, model: AbstractLatentVariableModel, spec: Any, config: Any, split: str) -> Subject:
    """What the run's log-evidence is about."""
    from ..evaluation import Subject
    from ..evaluation.latents import check_density

    check_density(model, "log p(x) to compare", str(folder.path))
    record = folder.info()["data"]
    rows = getattr(folder.split(), split).tolist()
    return Subject(model.measure, model.given, record["data_sha256"], split, tuple(rows), record["condition_sha256"])


def _show(comparison: Comparison, split: str) -> None:
    from ..evaluation.estimates import kind_of_number

    kind = kind_of_number(comparison.measure, comparison.given)
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
