"""`lowerbound reproduce`: a paper's figures trained again, a little at a time."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from .app import DataDir, app, seed_option
from .runtime import StopRequest, prepare_jax, say


@app.command(
    epilog="Examples: lowerbound reproduce kingma-2014 --out paper · "
    "lowerbound reproduce kingma-2014 --figure 5 --minutes 10 --out paper"
)
def reproduce(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="Which paper: kingma-2014.")],
    out: Annotated[Path, typer.Option(help="The folder of the page and the runs; given again, it goes on where it was.")],
    figure: Annotated[int | None, typer.Option(metavar="2|3|4|5", help="This figure only; all of them by default.")] = None,
    minutes: Annotated[float, typer.Option(help="How long this call may take: as many points as fit.")] = 30.0,
    seed: Annotated[int | None, seed_option("the weights, the batches and the noise; 0 by default")] = None,
    data_dir: DataDir = None,
) -> None:
    """Train a paper's figures again and lay them beside the paper's own, on one page."""
    from ..reproduction.calls import check_call, go_on

    # All is checked before anything heavy is imported.
    call = check_call(paper, out, figure, minutes, seed, data_dir)
    prepare_jax()
    with StopRequest() as stop_request:
        page = go_on(call, shlex.join(["lowerbound", *sys.argv[1:]]), stop_request, say)
    again = f"Go on with: {call.found.command(out)}"
    if stop_request.reason is not None:
        say(f"{stop_request.reason}; all is saved. {again}")
        raise typer.Exit(1)
    say(f"Open {page}. {again}" if call.is_open else f"all points are there. Open {page}")
