"""`score`: log p(x) of each example, one row each, with what its estimate is worth and which column makes it unlikely."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import DataDir, Key, Overwrite, Run, SampleSeed, app
from .opening import open_run
from .outputs import check_out, write_npy, write_table
from .runtime import say


@app.command(epilog="Example: lowerbound score runs/table-1 new_rows.csv --out scores.csv --columns")
def score(
    run: Run,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A named set, a file or a folder of images.")],
    out: Annotated[Path, typer.Option(help="A .csv or .npy file: one row per example.")],
    samples: Annotated[int, typer.Option(help="Importance samples per example, K.")] = 100,
    columns: Annotated[bool, typer.Option("--columns", help="E[log p(x_j|z)] of each column j too.")] = False,
    key: Key = "",
    seed: SampleSeed = 0,
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Write log p(x) of each example in nats, its standard error and effective sample size, its ELBO and KL."""
    check_out(out, (".csv", ".npy"), overwrite=overwrite)
    opened = open_run(run)
    import numpy as np

    from ..evaluation import element_shares, estimate_evidence

    examples = opened.other_examples(data, key, data_dir)
    found = estimate_evidence(opened.model, examples, samples, seed=seed)
    size = np.asarray(found.effective_sample_size, np.float64)
    # The variance of a mean of K weights over its square, to first order that of its logarithm.
    error = np.sqrt(np.maximum(1 / np.maximum(size, 1.0) - 1 / samples, 0.0)) if samples > 1 else np.full(len(size), np.nan)
    # log p(x | total) is not log p(x), in a file least of all, which nobody explains.
    given = "_given_total" if opened.model.given else ""
    table = {
        f"log_evidence{given}_nats": found.log_evidence,
        "standard_error_nats": error,
        "effective_sample_size": size,
        f"elbo{given}_nats": found.elbo,
        "kl_nats": found.kl,
    }
    names, rows = list(table), [np.stack([np.asarray(column, np.float64) for column in table.values()], axis=1)]
    if columns:
        own = [opened.spec.element_name(element).strip("'") for element in range(opened.spec.num_elements)]
        names += [f"{name}: log p(x|z) nats" for name in own]
        rows.append(element_shares(opened.model, examples, seed=seed).astype(np.float64))
    scores = np.concatenate(rows, axis=1)
    if out.suffix == ".npy":
        write_npy(out, scores)
    else:
        write_table(out, scores, names)
    say(f"wrote {', '.join(table)} of {len(scores):,} examples to {out}")
