"""`fidelity`: how near the rows that a run's model draws are to real ones, beside floors and a ceiling."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigurationError, DataError
from .app import LARGEST_TREE_SEED, DataDir, Json, Key, Overwrite, Run, Split, app, seed_option
from .console import print_json, show_table, show_text
from .opening import open_run
from .outputs import check_out, write_csv
from .runtime import say

if TYPE_CHECKING:
    from ..evaluation.fidelity import Fidelity


@app.command(epilog="Example: lowerbound fidelity runs/adult-1 --target income")
def fidelity(
    run: Run,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="Real rows that the model did not see, in place of the run's own.")
    ] = None,
    count: Annotated[
        int, typer.Option("-n", help="How many rows to draw; 0: as many as there are of training, up to 20,000.")
    ] = 0,
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="A column that trees learn from synthetic rows, and are asked of in real ones.")
    ] = "",
    split: Split = "test",
    training: Annotated[
        str, typer.Option(metavar="DATA", help="The rows of training, for a model that was saved without them.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="A .csv table: every figure, of each column and pair too.")] = None,
    key: Key = "",
    seed: Annotated[int, seed_option("the draws, folds and trees", largest=LARGEST_TREE_SEED)] = 0,
    data_dir: DataDir = None,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Draw rows from a run's model, and say how near they are to real rows that it never saw: columns, pairs, a classifier."""
    from ..config.rules import COUNT

    if count:
        COUNT.convert("-n", count)
    if out is not None:
        check_out(out, (".csv",), overwrite=overwrite)
    opened = open_run(run)
    import numpy as np

    from ..data.examples import examples_of
    from ..evaluation.fidelity.coding import FEWEST_ROWS
    from ..evaluation.fidelity.of_model import check_is_rows, model_fidelity

    check_is_rows(opened.spec)
    if opened.has_data and training:
        raise ConfigurationError(f"--training is {training!r}, but {run} knows its own rows of training; leave it out.")
    if not opened.has_data and not (training and data):
        raise ConfigurationError(
            f"{run} holds a model that was saved without its data; give real rows that it did not see, and its rows of training: "
            f"lowerbound fidelity {shlex.quote(str(run))} DATA --training DATA."
        )
    if opened.has_data:
        dataset, train = opened.dataset(data_dir), opened.part("train")
    else:
        dataset = opened.other_dataset(training, key, data_dir)
        train = np.arange(len(dataset.examples))
    training_rows = np.asarray(dataset.examples)[train]
    condition = examples_of(dataset, train, opened.spec).condition if opened.model.condition_dim else None
    if data is None:
        held_out, whose = np.asarray(dataset.examples)[opened.part(split)], f"the {split} split"
    else:
        held_out, whose = np.asarray(opened.other_dataset(data, key, data_dir).examples), data
    if len(held_out) < FEWEST_ROWS:
        raise DataError(
            f"{whose} has {len(held_out):,} rows; expected {FEWEST_ROWS} real rows or more, which new ones are compared with. "
            f"Give more: lowerbound fidelity {shlex.quote(str(run))} DATA."
        )
    found = model_fidelity(
        opened.model,
        opened.spec,
        training_rows,
        held_out,
        condition=None if opened.model.infers_condition or condition is None else np.asarray(condition),
        num_rows=count,
        target=target,
        seed=seed,
        on_progress=lambda name: say(f"comparing {name}"),
    )
    if out is not None:
        _write(out, found)
        say(f"wrote every figure to {out}")
    if json:
        print_json({"real_rows": whose, **found.to_json()})
    else:
        _show(found, whose)


def _show(found: Fidelity, whose: str) -> None:
    head, rows = found.table()
    title = f"{found.num_synthetic:,} rows drawn, {found.num_compared:,} of each kind beside real rows of {whose}; 1 is best"
    show_table(title, head, rows, numbers=head[1:])
    head, rows = found.columns_table()
    title = "the shape of each column, the farthest from real rows first; of the model also the mean trend of its pairs"
    show_table(f"{title}{', and holes' if found.has_holes else ''}", head, rows, numbers=head[2:])
    show_text("\n".join(found.sentences))


def _write(out: Path, found: Fidelity) -> None:
    from ..data.columns.cells import guarded

    head, lines = found.lines()
    write_csv(out, head, ((line[0], guarded(line[1]), *line[2:]) for line in lines))
