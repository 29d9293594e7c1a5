"""`score`: log p(x) of each example, one row each, with what its estimate is worth and which column makes it unlikely."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..devices.processes import check_place, ended, is_first, join
from ..errors import ConfigurationError
from .anomalies import COLUMNS, FALSE_ALARMS, FALSE_DISCOVERIES, asked_rate, judge, to_json, words, write_judged
from .app import Coordinator, DataDir, Devices, Json, Key, Overwrite, Process, Processes, Run, SampleSeed, app
from .console import print_json
from .devices import check_devices, devices_for
from .opening import open_run
from .outputs import check_out, write_npy, write_table
from .runtime import say


@app.command(
    epilog="Examples: lowerbound score runs/table-1 new_rows.csv --out scores.csv --columns · "
    "lowerbound score runs/table-1 new_rows.csv --false-alarm-rate 0.01 --out flagged.csv"
)
def score(
    run: Run,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A named set, a file or a folder of images.")],
    out: Annotated[Path | None, typer.Option(help="A .csv or .npy file: one row per example.")] = None,
    samples: Annotated[int, typer.Option(help="Importance samples per example, K.")] = 100,
    columns: Annotated[bool, typer.Option("--columns", help="E[log p(x_j|z)] of each column j too.")] = False,
    false_alarm_rate: Annotated[
        float | None,
        typer.Option(FALSE_ALARMS, help="Flag rows: of rows like the run's held-out ones this share, and no more in the mean."),
    ] = None,
    false_discovery_rate: Annotated[
        float | None,
        typer.Option(
            FALSE_DISCOVERIES, help="Flag rows: of those that are flagged, this share at most is like the held-out ones."
        ),
    ] = None,
    key: Key = "",
    seed: SampleSeed = 0,
    data_dir: DataDir = None,
    devices: Devices = None,
    coordinator: Coordinator = None,
    processes: Processes = None,
    process: Process = None,
    as_json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Write log p(x) of each example in nats, its standard error and effective sample size, its ELBO and KL.

    With a rate, flag odd ones too: score, conformal p-value, flag, and the columns that make the row unlikely.
    """
    check_devices(devices)
    check_place(coordinator, processes, process)
    rate = asked_rate(false_alarm_rate, false_discovery_rate)
    if out is not None:
        check_out(out, (".csv", ".npy"), overwrite=overwrite)
    elif not as_json:
        raise ConfigurationError("--out is missing; give a .csv or .npy file, or --json for the standard output.")
    join(coordinator, processes, process)
    opened = open_run(run)
    import numpy as np

    from ..evaluation import element_shares, estimate_evidence

    examples = opened.other_examples(data, key, data_dir, may_be_odd=rate is not None)
    # What the flags cannot do is said before the work.
    judged = None if rate is None else judge(opened, examples, rate, data_dir, seed)
    found = estimate_evidence(opened.model, examples, samples, seed=seed, mesh=devices_for(devices))
    ended()
    if not is_first():
        return
    size = np.asarray(found.effective_sample_size, np.float64)
    # The variance of a mean of K weights over its square, to first order that of its logarithm.
    error = np.sqrt(np.maximum(1 / np.maximum(size, 1.0) - 1 / samples, 0.0)) if samples > 1 else np.full(len(size), np.nan)
    # log p(x | total) and log p(x, mask) are not log p(x), in a file least of all, which nobody explains.
    given = {None: "", "mask too": "_with_mask"}.get(opened.model.given, "_given_total")
    table = {
        f"log_evidence{given}_nats": found.log_evidence,
        "standard_error_nats": error,
        "effective_sample_size": size,
        f"elbo{given}_nats": found.elbo,
        "kl_nats": found.kl,
    }
    names, rows = list(table), [np.stack([np.asarray(column, np.float64) for column in table.values()], axis=1)]
    if columns:
        spec = opened.spec
        own = spec.feature_names or [spec.element_name(element) for element in range(spec.num_elements)]
        names += [f"{name}: log p(x|z) nats" for name in own]
        shares = element_shares(opened.model, examples, seed=seed).astype(np.float64)
        if examples.observed is not None:
            # A cell without a value has no probability, and 0 would be that of a certain one.
            shares[~np.asarray(examples.observed).reshape(shares.shape)] = np.nan
        rows.append(shares)
    scores = np.concatenate(rows, axis=1)
    if out is not None and out.suffix == ".npy":
        own = [] if judged is None else [np.stack([judged.scores, judged.p_values, judged.flags.astype(np.float64)], axis=1)]
        write_npy(out, np.concatenate([*own, scores], axis=1))
    elif out is not None and judged is not None:
        write_judged(out, scores, names, judged, opened.spec)
    elif out is not None:
        write_table(out, scores, names)
    if as_json and judged is not None:
        print_json(to_json(judged, opened.spec, scores, names))
    elif as_json:
        print_json({"rows": [dict(zip(names, row, strict=True)) for row in scores.tolist()]})
    for sentence in () if judged is None else words(judged):
        say(sentence)
    if out is not None:
        say(f"wrote {', '.join([*(() if judged is None else COLUMNS), *table])} of {len(scores):,} examples to {out}")
