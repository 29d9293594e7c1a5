"""`lowerbound sweep`: a grid of settings with several seeds, side by side, and a page of what came out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from .app import DataDir, Json, app
from .console import print_json, show_text
from .runtime import StopRequest, prepare_jax, say

# `tune` has them too.
Out = Annotated[Path, typer.Option(help="The folder of the page and the runs; given again, it goes on where it was.")]
Data = Annotated[str | None, typer.Argument(metavar="DATA", help="As for train.")]
Recipe = Annotated[str | None, typer.Option(metavar="NAME|FILE.toml", help="As for train.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training data.")]
Samples = Annotated[int, typer.Option(help="Importance samples for each validation example.")]
Jobs = Annotated[int | None, typer.Option(help="Models that train at once; by default one on each core.")]


@app.command(
    epilog="Examples: lowerbound sweep digits --set objective.beta=1,2,4 --set model.latent_dim=2,5,10 --seeds 3 --out beta · "
    "lowerbound sweep digits --seeds 8 --epochs 50 --out seeds"
)
def sweep(
    out: Out,
    data: Data = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="section.key=A,B,...", help="The values that a key takes; with one value, for all models."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds each setting has.")] = 1,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    recipe: Recipe = None,
    epochs: Epochs = None,
    samples: Samples = 100,
    jobs: Jobs = None,
    one_by_one: Annotated[
        bool, typer.Option("--one-by-one", help="One after the other: each to the bit as if trained alone.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Train every N-th setting only, from the I-th on: for a job array.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Train many models of the same data and lay them beside each other by their validation log p(x)."""
    from ..sweep.calls import check_call, go_on

    # All is checked before anything heavy is imported.
    jobs = 1 if one_by_one else jobs
    call = check_call(out, data, recipe, overrides or [], epochs, seeds, seed, shard, jobs, samples)
    prepare_jax()
    with StopRequest() as stop_request:
        page, table = go_on(call, data_dir, samples, jobs, shlex.join(["lowerbound", *sys.argv[1:]]), stop_request, say)
    if json:
        print_json({"page": str(page), "verdict": table.verdict, "missing": table.missing, "settings": table.to_json()})
    else:
        show_text(table.verdict)
    if stop_request.reason is not None:
        say(f"{stop_request.reason}; all is saved. Give the same command again to go on.")
        raise typer.Exit(1)
    say(f"Open {page}.")
    if table.has_failed:
        raise typer.Exit(1)
