"""`classify`: a label of each example with its probability, and how far the probabilities can be trusted."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .app import DataDir, Json, Key, Overwrite, Run, SampleSeed, Split, app
from .console import print_json, show_table, show_text
from .opening import OpenRun, open_run
from .outputs import check_out
from .runtime import say

if TYPE_CHECKING:
    import numpy as np

    from ..data.dataset import Dataset
    from ..data.examples import Example
    from ..evaluation import Classification, Label

ASSUMED = (
    "Of rows without a label this holds where labels are missing for reasons that the rest of a row tells (missing at random), "
    "and the rows are like these."
)


@app.command(
    epilog="Examples: lowerbound classify runs/people-1 people.csv --column colour --out colours.csv · "
    "lowerbound classify runs/digits-1"
)
def classify(
    run: Run,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help="The rows to label; else the run's own split.")] = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A column of categories to predict from the others; else the classes of the model."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="For the classes of a model: classifier, q(y|x) of one that infers them; bayes, p(y|x) from p(x|y) "
            "of each class; auto is the first where there is one.",
        ),
    ] = "auto",
    split: Split = "test",
    out: Annotated[Path | None, typer.Option(help="A .csv table: of each example its class, and the probability of all.")] = None,
    samples: Annotated[int, typer.Option(help="Importance samples per row, K; the classifier takes none.")] = 200,
    key: Key = "",
    seed: SampleSeed = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Predict a label, with probabilities, and say how right they are where the label is known: accuracy and calibration.

    They are measured on held-out rows of the run (--split), or on DATA where these are others and have labels; beside them stand
    a strong classifier that learned from the same rows, and the shares of the classes.
    """
    if out is not None:
        check_out(out, (".csv",), overwrite=overwrite)
    from ..config.rules import COUNT

    COUNT.convert("--samples", samples)
    opened = open_run(run)
    import numpy as np

    from ..evaluation import label_of, label_probabilities

    label = label_of(opened.model, opened.spec, column, name="--column")

    def probabilities(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
        examples = _examples(opened, dataset, rows, label)
        return label_probabilities(opened.model, examples, label, by=by, num_samples=samples, seed=seed)

    is_other = data is not None and not opened.is_own(data)
    dataset = None if data is None else opened.other_dataset(data, key, data_dir, unknown=label.name)
    found = None if dataset is None else probabilities(dataset, np.arange(len(dataset.examples)))
    own = opened.dataset(data_dir) if opened.has_data or data is None else None
    if found is not None and dataset is not None and (is_other or not opened.rows().sizes[split]):
        measured, says, whose = dataset, found, str(data)
        rows = np.arange(len(found) if is_other else 0)
    else:
        assert own is not None
        # Labels are compared in rows that were not trained on.
        measured, rows, whose = own, opened.part(split), f"the {split} split"
        says = probabilities(measured, rows)
    known, labels = _labels(measured, rows, label)
    # A label that cannot be compared is said before anything is written.
    figures = {} if not len(known) else _figures(opened, own, label, measured, rows[known], labels, says[known], seed)
    if out is not None:
        _write(out, label, says if found is None else found, _letter(opened, label, by))
        say(f"wrote the classes of {len(says if found is None else found):,} examples to {out}")
    if not figures:
        if out is None:
            say("these examples have no labels to compare with; write their classes to a file with --out labels.csv.")
        return
    fields = {name: figure.to_json() for name, figure in figures.items()}
    record = {"label": label.name, "rows": whose, "by": by, "assumed": ASSUMED, **fields}
    if not is_other:
        opened.folder.write_classification(label.name, record)
    if as_json:
        print_json(record)
    else:
        _show(figures, label, whose)


def _examples(opened: OpenRun, dataset: Dataset, rows: np.ndarray, label: Label) -> Example:
    """The examples without their label, where it is what the model is given."""
    import dataclasses

    from ..data.examples import examples_of

    given = dataset if label.place is not None else dataclasses.replace(dataset, condition=None)
    return examples_of(given, rows, opened.spec)


def _labels(dataset: Dataset, rows: np.ndarray, label: Label) -> tuple[np.ndarray, np.ndarray]:
    """Which of the rows have a label, by their place among them, and the numbers of these labels."""
    import numpy as np

    from ..data.labels import label_values
    from ..evaluation import numbers_of_labels

    if label.place is not None:
        codes = np.asarray(dataset.examples[rows])[:, label.place]
        # A value that training did not see has no probability of its own.
        known = np.flatnonzero(codes < len(label.classes))
        return known, codes[known].astype(int)
    if dataset.condition is None:
        return np.empty(0, int), np.empty(0, int)
    values, found = label_values(dataset.condition, dataset.condition_name)
    known = np.flatnonzero(found[rows])
    return known, numbers_of_labels(label, values[rows[known]].tolist())


def _figures(
    opened: OpenRun,
    own: Dataset | None,
    label: Label,
    dataset: Dataset,
    rows: np.ndarray,
    labels: np.ndarray,
    says: np.ndarray,
    seed: int,
) -> dict[str, Classification]:
    """Of the model, and of others that learned from the run's own rows, where they are there."""
    import numpy as np

    from ..assembly.build import told_labels
    from ..evaluation import LabelledRows, classification, peers

    found = {"model": classification(says, labels, seed=seed)}
    if own is None:
        return found
    train = opened.part("train")
    told = told_labels(opened.config, own, opened.rows()) if label.place is None and opened.model.infers_condition else None
    train = train if told is None else train[told[train]]
    known, numbers = _labels(own, train, label)
    columns, rest = opened.spec.columns, slice(None)
    if label.place is not None:
        columns = (*columns[: label.place], *columns[label.place + 1 :])
        rest = np.arange(len(opened.spec.columns)) != label.place

    def others(of: Dataset, rows: np.ndarray) -> np.ndarray:
        examples = np.asarray(of.examples[rows])
        return examples if label.place is None else examples[:, rest]

    taught = LabelledRows(others(own, train[known]), numbers)
    asked = LabelledRows(others(dataset, rows), labels)
    return {**found, **peers(taught, asked, columns, len(label.classes), seed=seed)}


def _letter(opened: OpenRun, label: Label, by: str) -> str:
    """q(y|x) is what a classifier says, p(y|x) what follows from the density."""
    return "q" if label.place is None and opened.model.infers_condition and by != "bayes" else "p"


def _show(figures: dict[str, Classification], label: Label, whose: str) -> None:
    columns = ("who", "accuracy", "calibration error", "were it calibrated", "log loss [nats]")
    rows: list[Sequence[Any]] = [
        (
            name,
            f"{each.accuracy:.2%} ± {each.accuracy_standard_error:.2%}",
            f"{each.calibration_error:.3f} ± {each.calibration_error_standard_error:.3f}",
            f"{each.calibration_error_by_chance:.3f}",
            f"{each.log_loss:.3f} ± {each.log_loss_standard_error:.3f}",
        )
        for name, each in figures.items()
    ]
    model = figures["model"]
    title = f"{label.name}, {len(label.classes)} classes: {model.num_rows:,} labelled examples of {whose}"
    show_table(title, columns, rows, numbers=columns[1:])
    show_text(
        f"Calibration error: the mean distance of confidence and accuracy over {model.num_bins} bins of equally many rows; "
        f"so few rows show that of the fourth column where probabilities are just right. {ASSUMED}"
    )


def _write(out: Path, label: Label, probabilities: np.ndarray, letter: str) -> None:
    """A row for each example: its class by name, and the probability of each."""
    from ..data.columns.cells import guarded
    from ..data.conditions import in_words
    from ..storage.atomic import write_text

    classes = [in_words(each) for each in label.classes]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", *(f"{letter}({name}|x)" for name in classes)])
    for number, row in zip(probabilities.argmax(axis=1).tolist(), probabilities.tolist(), strict=True):
        writer.writerow([guarded(classes[number]), *(f"{value:.9g}" for value in row)])
    write_text(out, text.getvalue())
