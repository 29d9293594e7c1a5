"""`lowerbound tune`: a search for good settings within some minutes, shared by as many processes as there are."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config.rules import COUNT, POSITIVE
from .app import DataDir, Json, app, seed_option
from .console import print_json, show_text
from .runtime import StopRequest, prepare_jax, say
from .sweep import Data, Epochs, Jobs, Out, Recipe, Samples

if TYPE_CHECKING:
    from ..sweep.table import Table


@app.command(
    epilog="Examples: lowerbound tune digits --minutes 30 --out tuned · lowerbound tune digits --set model.latent_dim=2:64 "
    "--set network.hidden_widths=[200],[400] --out tuned"
)
def tune(
    out: Out,
    data: Data = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="section.key=LOW:HIGH|A,B,...|VALUE",
            help="A range or choices to search, or a value for all; by default rate, latents and batch size are searched.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long this call may take; steps that run then are left 10 s later.")] = 30.0,
    trials: Annotated[int | None, typer.Option(help="How many trials it may begin; as many as fit by default.")] = None,
    seed: Annotated[int, seed_option("the models and of the search")] = 0,
    recipe: Recipe = None,
    epochs: Epochs = None,
    samples: Samples = 100,
    jobs: Jobs = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="The database of the search, for several machines; by default OUT/study.db.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Search settings with the best validation log p(x) by Optuna (the extra `lowerbound[tune]`)."""
    from ..sweep.calls import check_optuna, check_search, search

    # All is checked before anything heavy is imported.
    POSITIVE.convert("--minutes", minutes)
    if trials is not None:
        COUNT.convert("--trials", trials)
    check_optuna()
    call, space = check_search(out, data, recipe, overrides or [], epochs, seed, jobs, samples)
    prepare_jax()
    command = shlex.join(["lowerbound", *sys.argv[1:]])

    def show(page: Path, table: Table) -> None:
        if json:
            print_json({"page": str(page), "verdict": table.verdict, "trials": table.to_json()})
        else:
            show_text(table.verdict)

    def leave(page: Path, table: Table) -> None:
        show(page, table)
        say(f"the time is over, and the running steps were left. Open {page}. Given again, the same command goes on.")
        sys.stdout.flush()
        # Compiled steps cannot be interrupted. Whatever is being written is whole or not there.
        os._exit(int(table.has_failed))

    with StopRequest() as stop_request:
        page, table = search(call, space, data_dir, samples, jobs, minutes, trials, storage, command, stop_request, say, leave)
    show(page, table)
    if stop_request.reason is not None:
        say(f"{stop_request.reason}; all is saved. Give the same command again to go on.")
        raise typer.Exit(1)
    say(f"Open {page}. Given again, the same command goes on.")
    if table.has_failed:
        raise typer.Exit(1)
