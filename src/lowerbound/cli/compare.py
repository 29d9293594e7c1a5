"""`compare`: runs on the same test examples, ranked where that is fair and refused where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigurationError
from .app import DataDir, Json, Key, SampleSeed, Split, app
from .console import counting, print_json, show_table, show_text
from .evaluate import build_proposal, check_options, keeping
from .opening import OpenRun, open_run

if TYPE_CHECKING:
    from ..data.examples import Example
    from ..evaluation import Comparison, Subject


@app.command(
    epilog="Examples: lowerbound compare runs/faces-1 runs/faces-2 --samples 1000 · "
    "lowerbound compare model-1 model-2 --data new.csv"
)
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="The folders of two runs or more.")],
    samples: Annotated[int, typer.Option(help="Importance samples per example, K.")] = 1000,
    split: Split = "test",
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Examples for all of them, in place of the runs' own; saved models need it."),
    ] = None,
    proposal: Annotated[str, typer.Option(metavar="NAME", help="As for evaluate: posterior, widened, refined.")] = "posterior",
    key: Key = "",
    data_dir: DataDir = None,
    seed: SampleSeed = 0,
    json: Json = False,
) -> None:
    """Rank runs by the evidence of the same examples, with paired error bars; refused where the numbers are not comparable."""
    check_options({"num_samples": samples}, proposal=proposal)
    if len(runs) < 2:
        raise ConfigurationError(f"compare needs at least two runs and got {len(runs)}, for example: lowerbound compare A B")
    if len({str(run.resolve()) for run in runs}) < len(runs):
        raise ConfigurationError("compare was given the same run twice; give different ones.")
    opened = {str(run): open_run(run) for run in runs}
    from ..evaluation.comparison import Contribution, check_comparable, compare, contribution

    # Before anything is computed.
    if data is None:
        subjects = {name: _subject(each, split) for name, each in opened.items()}
        check_comparable(subjects)
        examples = {name: each.examples(split, data_dir) for name, each in opened.items()}
    else:
        subjects, examples = {}, {}
        for name, each in opened.items():
            subjects[name], examples[name] = _other(each, data, key, data_dir)
        check_comparable(subjects)

    found: dict[str, Contribution] = {}
    drawn_from = build_proposal(proposal)
    for name, each in opened.items():
        rows = examples[name]
        with counting(len(rows), quiet=json, what=name) as advance:
            kept = keeping(each.folder, len(rows)) if each.has_data else None
            found[name] = contribution(
                each.model, rows, samples, seed=seed, proposal=drawn_from, unfinished=kept, on_progress=advance
            )
    comparison = compare(found, subjects)
    if json:
        print_json({"data": data, "split": None if data else split, **comparison.to_json()})
    else:
        _show(comparison, data or f"{split} split")


def _subject(run: OpenRun, split: str) -> Subject:
    """What the run's log-evidence is about."""
    from ..evaluation import Subject, masses_of
    from ..evaluation.latents import check_density

    rows = getattr(run.rows(), split).tolist()
    model, record = run.model, run.folder.info()["data"]
    check_density(model, "log p(x) to compare", str(run.folder.path))
    about = record["data_sha256"], split, tuple(rows), record["condition_sha256"]
    return Subject(model.measure, model.given, *about, masses_of(model, run.spec))


def _other(run: OpenRun, data: str, key: str, data_dir: Path | None) -> tuple[Subject, Example]:
    """What the log-evidence of other data is about, as the model sees them, and these data."""
    import numpy as np

    from ..data.examples import examples_of
    from ..data.splits import data_sha256
    from ..evaluation import Subject, masses_of
    from ..evaluation.latents import check_density

    check_density(run.model, "log p(x) to compare", str(run.folder.path))
    dataset, given = run.other_dataset(data, key, data_dir), run.spec.condition
    # Of a table another model may take other columns, or take them for others.
    seen = data_sha256(np.asarray(dataset.examples))
    told = None if given is None else given.words
    masses = masses_of(run.model, run.spec)
    subject = Subject(run.model.measure, run.model.given, seen, data, condition=told, masses=masses)
    return subject, examples_of(dataset, np.arange(len(dataset.examples)), run.spec)


def _show(comparison: Comparison, whose: str) -> None:
    from ..evaluation.estimates import kind_of_number

    kind = kind_of_number(comparison.measure, comparison.given)
    title = f"{whose}, the same {comparison.num_examples:,} examples, {kind}, {comparison.num_samples:,} importance samples"
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
