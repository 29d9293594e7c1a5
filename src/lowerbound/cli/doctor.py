"""`doctor`: what is the matter with a run, in plain words, the most important first."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, LowerboundError, ModelFolderError
from .console import result_console, visible
from .opening import check_split, open_run
from .runtime import say

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..data.dataset import Dataset
    from ..data.splits import Split
    from ..diagnosis import Diagnosis
    from ..runs.folder import RunFolder
    from ..summaries import RunSummary

_COLOURS = {"serious": "bold red", "warning": "bold yellow", "note": "bold cyan"}


def doctor_run(run: Path, split: str | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Print the diagnosis of a run; its exit status does not depend on what is found."""
    if split is not None:
        check_split(split)
    folder, model, spec, config = open_run(run)
    from ..diagnosis import diagnose
    from ..summaries import summarize

    rows = folder.split()
    shown = split or next(name for name in ("test", "validation", "train") if rows.sizes[name])
    if rows.sizes[shown] == 0:
        raise DataError(
            f"the {shown} split of {folder.path} is empty: nothing was held out for it. Leave out --split, or use --split train."
        )
    dataset, problem = _own_data(folder, config, rows, data_dir)
    evaluation = _evaluation(folder, shown)
    summary = summarize(folder, model, spec, config, dataset, rows, shown, evaluation, data_problem=problem)
    diagnosis = diagnose(summary)
    if as_json:
        from .progress import print_json

        about = {"run": str(folder.path), "split": shown, "data_problem": problem or None}
        print_json({**about, **diagnosis.to_json(), "figures": figures_of(summary)}, indent=2)
        return
    show_diagnosis(summary, diagnosis)


def _own_data(folder: RunFolder, config: RunConfig, rows: Split, data_dir: Path | None) -> tuple[Dataset | None, str]:
    """The run's own data; or None, and why they cannot be used."""
    from ..data.datasets import load_dataset
    from ..data.splits import check_same_data, split_record

    try:
        dataset = load_dataset(config.data.name, config.data.key, data_dir, config.data.condition)
        check_same_data(folder.info()["data"], split_record(dataset.examples, rows, dataset.condition))
    except LowerboundError as error:
        return None, str(error)
    return dataset, ""


def _evaluation(folder: RunFolder, split: str) -> dict[str, Any] | None:
    """The scores that the end of training wrote, where they are about this split and can be read."""
    try:
        scores = folder.scores()
    except ModelFolderError:
        return None
    return scores if scores and scores["split"] == split else None


def figures_of(summary: RunSummary) -> dict[str, Any]:
    """The statistics behind the findings, as plain numbers; None for those that were not measured."""
    examination = summary.examination
    figures: dict[str, Any] = {
        "latent_dim": summary.latent_dim,
        "active_latents": [int(index) for index in summary.latent_is_active.nonzero()[0]] if len(summary.latent_means) else None,
        "kl_by_latent_nats": None if summary.kl_by_latent_nats is None else [float(value) for value in summary.kl_by_latent_nats],
    }
    aggregate = None if examination is None else examination.aggregate
    for name in ("mutual_information_nats", "mutual_information_error", "aggregate_kl_nats", "aggregate_kl_error", "most_nats"):
        figures[name] = None if aggregate is None else getattr(aggregate, name)
    tests = {} if examination is None else {"mmd": examination.discrepancy, "neighbour_agreement": examination.neighbours}
    for name in ("mmd", "neighbour_agreement"):
        test = tests.get(name)
        figures[name] = None if test is None else test.value
        figures[f"{name}_p_value"] = None if test is None else test.p_value
    figures["far_share"] = None if examination is None else examination.far_share
    figures["likelihood_distance"] = None if examination is None else examination.predictive.overall_distance
    figures["num_examples"] = None if examination is None else examination.num_examples
    # What is not a finite number becomes null, which JSON can carry.
    return {name: None if isinstance(value, float) and value * 0 != 0 else value for name, value in figures.items()}


def show_diagnosis(summary: RunSummary, diagnosis: Diagnosis) -> None:
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


def say_verdict(diagnosis: Diagnosis, run: Path) -> None:
    """Two lines for the end of training: the verdict, and the most serious finding with the way to all of them."""
    worst = diagnosis.most_serious
    say(f"doctor: {diagnosis.verdict}")
    first = "nothing serious." if worst is None else f"{worst.sentence.partition(': ')[0].rstrip('.')} ({worst.figure})."
    say(f"        {first} All of it: lowerbound doctor {shlex.quote(str(run))}")
