"""`doctor`: what is the matter with a run, in plain words, the most important first."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError, LowerboundError, ModelFolderError
from .app import DataDir, Json, Key, OtherData, Run, app, check_split
from .console import print_json, result_console, show_text, visible
from .opening import OpenRun, open_run
from .runtime import say

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis
    from ..runs.folder import RunFolder
    from ..summaries import RunSummary

_COLOURS = {"serious": "bold red", "warning": "bold yellow", "note": "bold cyan"}


@app.command(epilog="Example: lowerbound doctor runs/faces-1")
def doctor(
    run: Run,
    data: OtherData = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="The part of the data to examine: train, validation, test; one held out if possible.",
            callback=check_split,
        ),
    ] = None,
    key: Key = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say what is the matter with a run, the most important first, with the figure behind it and what to try."""
    opened = open_run(run)
    folder, model, spec, config = opened
    if data is not None:
        return _diagnose_with(opened, data, key, data_dir, as_json=json)
    from ..diagnosis import diagnose
    from ..summaries import summarize

    rows = opened.rows()
    shown = split or rows.best_held_out
    if rows.sizes[shown] == 0:
        raise DataError(
            f"the {shown} split of {folder.path} is empty: nothing was held out for it. Leave out --split, or use --split train."
        )
    dataset, problem = None, ""
    try:
        dataset = opened.dataset(data_dir)
    except LowerboundError as error:
        problem = str(error)
    evaluation = _evaluation(folder, shown)
    summary = summarize(folder, model, spec, config, dataset, rows, shown, evaluation, data_problem=problem)
    diagnosis = diagnose(summary)
    if json:
        about = {"run": str(folder.path), "split": shown, "data_problem": problem or None}
        print_json({**about, **diagnosis.to_json(), "figures": _figures_of(summary)})
    else:
        _show_diagnosis(summary, diagnosis)


def _diagnose_with(opened: OpenRun, data: str, key: str, data_dir: Path | None, *, as_json: bool) -> None:
    """The checks that a model and other data allow, with their advice in Python: a saved model has no command that made it."""
    from ..estimator.advice import diagnose_fitted
    from ..estimator.folder import load_estimator

    dataset = opened.other_dataset(data, key, data_dir)
    diagnosis = diagnose_fitted(load_estimator(opened.folder.path), dataset, None)
    if as_json:
        print_json({"run": str(opened.folder.path), "split": None, "data": data, "data_problem": None, **diagnosis.to_json()})
    else:
        show_text(f"{opened.folder.path.name}, {len(dataset.examples):,} examples of {data}: {diagnosis}")


def _evaluation(folder: RunFolder, split: str) -> dict[str, Any] | None:
    """The scores that the end of training wrote, where they are about this split and can be read."""
    try:
        scores = folder.scores()
    except ModelFolderError:
        return None
    return scores if scores and scores["split"] == split else None


def _figures_of(summary: RunSummary) -> dict[str, Any]:
    """The statistics behind the findings, as plain numbers; None for those that were not measured."""
    examined: Any = summary.examination
    aggregate, predictive = getattr(examined, "aggregate", None), getattr(examined, "predictive", None)
    figures: dict[str, Any] = {
        "latent_dim": summary.latent_dim,
        "active_latents": [int(index) for index in summary.latent_is_active.nonzero()[0]] if len(summary.latent_means) else None,
        "kl_by_latent_nats": None if summary.kl_by_latent_nats is None else [float(value) for value in summary.kl_by_latent_nats],
    }
    for name in ("mutual_information_nats", "mutual_information_error", "aggregate_kl_nats", "aggregate_kl_error", "most_nats"):
        figures[name] = getattr(aggregate, name, None)
    for name, field in (("mmd", "discrepancy"), ("neighbour_agreement", "neighbours")):
        test = getattr(examined, field, None)
        figures |= {name: getattr(test, "value", None), f"{name}_p_value": getattr(test, "p_value", None)}
    figures["far_share"] = getattr(examined, "far_share", None)
    figures["likelihood_distance"] = getattr(predictive, "overall_distance", None)
    figures["num_examples"] = getattr(examined, "num_examples", None)
    # What is not a finite number becomes null, which JSON can carry.
    return {name: None if isinstance(value, float) and value * 0 != 0 else value for name, value in figures.items()}


def _show_diagnosis(summary: RunSummary, diagnosis: Diagnosis) -> None:
    """The verdict, then each finding: what, by which figure, what to do, and the command."""
    from rich.table import Table
    from rich.text import Text

    console = result_console()

    def paragraph(label: str, colour: str, *texts: tuple[str, str]) -> None:
        """A word at the left, and beside it some paragraphs, each with its style."""
        table = Table.grid(padding=0)
        table.add_column(width=9)
        table.add_column()
        for number, (text, style) in enumerate(texts):
            table.add_row(Text("" if number else label, style=colour), Text(visible(text), style=style))
        console.print()
        console.print(table)

    examined = summary.examination
    where = "" if examined is None else f", {examined.num_examples:,} examples of the {examined.split} split"
    console.print(Text.assemble((visible(summary.name), "bold"), f"{where}: {diagnosis.verdict}"))
    if summary.data_problem:
        unread = "The data of this run could not be used, so only its record and its model were read."
        paragraph("data", "bold red", (unread, "bold"), (summary.data_problem, ""))
    for _, finding in diagnosis.findings:
        figure = f"{finding.figure[0].upper()}{finding.figure[1:]}."
        colour = _COLOURS[finding.severity]
        paragraph(finding.severity, colour, (finding.sentence, "bold"), (figure, "dim"), (finding.advice, ""))
        if finding.command:
            # A command is copied from the screen, so no line of it may be broken.
            console.print(f"         $ {finding.command}", soft_wrap=True)
    console.print()
    console.print(Text(f"Checked: {'; '.join(check.title for check in diagnosis.done)}.", style="dim"))
    if diagnosis.impossible:
        console.print(Text(f"Could not be checked {diagnosis.lacking}.", style="dim"))
    if summary.choices:
        sections = ", ".join(dict.fromkeys(choice.section for choice in summary.choices))
        where = f"lowerbound info {shlex.quote(summary.folder or summary.name)}"
        console.print(Text(f"Chosen for these data: {sections}. Why: {visible(where)}", style="dim"), soft_wrap=True)


def say_verdict(diagnosis: Diagnosis, run: Path) -> None:
    """Two lines for the end of training: the verdict, and the most serious finding with the way to all of them."""
    worst = diagnosis.most_serious
    say(f"doctor: {diagnosis.verdict}")
    first = "nothing serious." if worst is None else f"{worst.sentence.partition(': ')[0].rstrip('.')} ({worst.figure})."
    say(f"        {first} All of it: lowerbound doctor {shlex.quote(str(run))}")
