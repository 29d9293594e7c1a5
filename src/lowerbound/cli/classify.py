"""`classify`: the labels that a semi-supervised model gives to examples, and how many of those that are known it gets wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import DataDir, Json, Key, Overwrite, Run, Split, app
from .console import print_json, show_text
from .opening import open_run
from .outputs import check_out
from .runtime import say

if TYPE_CHECKING:
    import numpy as np


@app.command(epilog="Examples: lowerbound classify runs/digits-1 · lowerbound classify runs/digits-1 new.npy --out labels.csv")
def classify(
    run: Run,
    data: Annotated[str | None, typer.Argument(metavar="DATA", help="Other data than the run's own.")] = None,
    split: Split = "test",
    out: Annotated[Path | None, typer.Option(help="A .csv table: of each example its class, and q(y|x) of each class y.")] = None,
    key: Key = "",
    data_dir: DataDir = None,
    as_json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Name the most probable class of each example, and count the errors where its label is known."""
    if out is not None:
        check_out(out, (".csv",), overwrite=overwrite)
    opened = open_run(run)
    import numpy as np

    from ..data.conditions import in_words
    from ..data.examples import examples_of
    from ..data.labels import label_values
    from ..evaluation import check_infers_labels, class_probabilities, classification_error

    check_infers_labels(opened.model)
    dataset = opened.dataset(data_dir) if data is None else opened.other_dataset(data, key, data_dir)
    rows = opened.part(split) if data is None else np.arange(len(dataset.examples))
    assert opened.spec.condition is not None
    classes = opened.spec.condition.categories
    probabilities = class_probabilities(opened.model, examples_of(dataset, rows, opened.spec))
    found = probabilities.argmax(axis=1)
    labels, known = np.empty(0), np.zeros(len(rows), bool)
    if dataset.condition is not None:
        labels, known = (each[rows] for each in label_values(dataset.condition, dataset.condition_name))
    # A label that cannot be compared is said before anything is written.
    error = classification_error(classes, found[known], labels[known]) if known.any() else None
    if out is not None:
        _write(out, [in_words(each) for each in classes], found, probabilities)
        say(f"wrote the classes of {len(found):,} examples to {out}")
    if error is None:
        if out is None:
            say("these examples have no labels to compare with; write their classes to a file with --out labels.csv.")
        return
    if as_json:
        print_json(error.to_json())
    else:
        show_text(error.words)


def _write(out: Path, classes: Sequence[str], found: np.ndarray, probabilities: np.ndarray) -> None:
    """A row for each example: its class by name, and the probability of each."""
    from ..data.columns.cells import guarded
    from ..storage.atomic import write_text

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", *(f"q({name}|x)" for name in classes)])
    for number, row in zip(found.tolist(), probabilities.tolist(), strict=True):
        writer.writerow([guarded(classes[int(number)]), *(f"{value:.9g}" for value in row)])
    write_text(out, text.getvalue())
