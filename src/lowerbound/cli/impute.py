"""`impute`: a table with holes in, the same table filled out, with draws, intervals, and what is known of how right they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigurationError, DataError
from .app import DataDir, Json, Key, Overwrite, Run, SampleSeed, app
from .console import print_json, show_table, show_text
from .opening import OpenRun, open_run
from .outputs import check_out
from .runtime import say

if TYPE_CHECKING:
    import numpy as np

    from ..data.columns import RawTable
    from ..data.dataset import Dataset
    from ..data.examples import Example
    from ..evaluation import FilledHoles

_ENDINGS = (".csv", ".tsv", ".parquet", ".feather", ".npy")


@app.command(
    epilog="Examples: lowerbound impute runs/people-1 people.csv --out filled.csv · "
    "lowerbound impute runs/people-1 people.csv --out filled.csv --interval 0.9 --draws 20"
)
def impute(
    run: Run,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A table with empty cells, or an array with NaN.")],
    out: Annotated[Path, typer.Option(help="A table (.csv, .tsv, .parquet, .feather) or a .npy array: DATA, holes filled.")],
    draws: Annotated[int, typer.Option(help="So many files more, OUT-01, OUT-02, ..., with a draw in each hole.")] = 0,
    interval: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Intervals with this coverage, 0.9 for example: columns x_low, x_high.")
    ] = None,
    calibration: Annotated[
        str, typer.Option(metavar="DATA", help="For --interval, rows that were not trained on; else the run's held-out rows.")
    ] = "",
    samples: Annotated[int, typer.Option(help="Importance samples per row, K.")] = 200,
    key: Key = "",
    seed: SampleSeed = 0,
    data_dir: DataDir = None,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Fill what is missing: means, most probable values and medians, draws for multiple imputation, and intervals that hold."""
    files = _files(out, draws, has_ends=interval is not None)
    for file in files:
        check_out(file, _ENDINGS, overwrite=overwrite)
    if calibration and interval is None:
        raise ConfigurationError(
            f"--calibration is {calibration!r}, which is for intervals; add --interval 0.9, or leave it out."
        )
    from ..config.rules import COUNT

    COUNT.convert("--samples", samples)
    if interval is not None:
        from ..evaluation import levels_of

        levels_of(interval)
    opened = open_run(run)
    import numpy as np

    from ..data.examples import examples_of
    from ..evaluation import fill_holes

    dataset = opened.other_dataset(data, key, data_dir)
    raw = None if out.suffix == ".npy" else _table(opened, dataset, data, out)
    known = None if interval is None else _calibration(opened, calibration, key, data_dir)
    filled = fill_holes(
        opened.model,
        opened.spec,
        np.asarray(dataset.examples, np.float64),
        examples_of(dataset, np.arange(len(dataset.examples)), opened.spec),
        num_draws=draws,
        interval=interval,
        calibration=known,
        num_samples=samples,
        seed=seed,
    )
    _write(files, raw, filled, opened)
    if json:
        print_json({**_summary(filled, interval, samples), "columns": [column.to_json() for column in filled.columns]})
    else:
        _show(filled, interval, samples, None if known is None else len(known))
    say(f"wrote {int(filled.is_hole.sum()):,} filled holes in {len(filled.rows):,} of {len(filled.values):,} rows to {out}")


def _files(out: Path, draws: int, *, has_ends: bool) -> list[Path]:
    """The filled examples, those of each draw, and of arrays the intervals' ends, which a table holds beside its columns."""
    from ..config.rules import Integer

    count = Integer(0, 9999).convert("--draws", draws)
    width = max(2, len(str(count)))
    numbered = [out.with_name(f"{out.stem}-{number:0{width}d}{out.suffix}") for number in range(1, count + 1)]
    ends = [out.with_name(f"{out.stem}-{end}{out.suffix}") for end in ("low", "high")]
    return [out, *numbered, *(ends if has_ends and out.suffix == ".npy" else [])]


def _calibration(opened: OpenRun, other: str, key: str, data_dir: Path | None) -> Example:
    """Rows that were not trained on."""
    import numpy as np

    from ..data.examples import examples_of

    if other:
        return opened.other_examples(other, key, data_dir)
    if not opened.has_data:
        raise DataError(
            f"{opened.folder.path} holds a model that was saved without its data, so there are no rows to calibrate intervals "
            "with. Give rows that it was not trained on: --calibration DATA."
        )
    split = opened.rows()
    rows = np.concatenate([split.validation, split.test])
    if not len(rows):
        raise DataError(
            f"the run {opened.folder.path} held no rows out, so there are none to calibrate intervals with. Give rows that it "
            "was not trained on: --calibration DATA; or train again with data.validation above 0."
        )
    return examples_of(opened.dataset(data_dir), rows, opened.spec)


def _table(opened: OpenRun, dataset: Dataset, data: str, out: Path) -> RawTable:
    """All columns of the table as they were read, those too that are no part of an example."""
    import numpy as np

    from ..data.columns import RawTable
    from ..data.columns.reading import read_raw
    from ..data.table_sets import tokens_of

    if len(opened.spec.event_shape) != 1:
        raise ConfigurationError(
            f"--out is {out}, a table, but the examples have shape {opened.spec.event_shape}, which is no row. Give a .npy file."
        )
    if dataset.table is None:
        names = dataset.feature_names or tuple(f"x{number}" for number in range(opened.spec.num_elements))
        columns = np.asarray(dataset.examples, np.float64).T
        return RawTable(data, names, tuple(columns))
    whole = read_raw(data, missing=tokens_of(opened.config.data.missing), query=opened.config.data.query)
    # Where rows were left out on the way in, only what was read is there to be filled.
    return whole if len(whole) == len(dataset.examples) else dataset.table


def _write(files: list[Path], raw: RawTable | None, filled: FilledHoles, opened: OpenRun) -> None:
    versions = [filled.values, *filled.draws]
    if raw is None:
        from .outputs import write_npy

        arrays = versions if filled.low is None or filled.high is None else [*versions, filled.low, filled.high]
        for file, array in zip(files, arrays, strict=True):
            write_npy(file, array)
        return
    from ..data.columns import Column
    from ..data.columns.as_written import as_written
    from ..data.columns.column import whole_columns
    from ..data.columns.filled import ends_of_column, filled_table
    from ..data.columns.writing import write_table
    from ..data.endings import TEXT_ENDINGS, ending_of

    spec = opened.spec
    columns = spec.columns or tuple(
        Column(name, "real", decimals=0 if whole else -1)
        for name, whole in zip(spec.feature_names or raw.names, spec.whole_elements, strict=True)
    )
    ends: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if filled.low is not None and filled.high is not None:
        for number, column in enumerate(columns):
            found = ends_of_column(column, filled.low[:, number], filled.high[:, number])
            if found is not None and filled.is_hole[:, number].any():
                ends[column.name] = found
    whole = whole_columns(columns)
    numbers = [name for name, cells in zip(raw.names, raw.columns, strict=True) if cells.dtype.kind == "f"]
    is_text, decimals = ending_of(files[0]) in TEXT_ENDINGS, {column.name: column.decimals for column in columns}
    written = as_written(raw, decimals) if is_text else raw
    for file, values in zip(files, versions, strict=True):
        table = filled_table(written, columns, values)
        own = ends if file is files[0] else {}
        names = list(table.names)
        for name in own:
            names += [_free_name(f"{name}_{end}", names) for end in ("low", "high")]
        added = tuple(end for pair in own.values() for end in pair)
        write_table(file, names, (*table.columns, *added), whole=whole, numbers=numbers)


def _free_name(name: str, taken: list[str]) -> str:
    """The name, longer where a column of the table has it already."""
    while name in taken:
        name += "_"
    return name


def _summary(filled: FilledHoles, interval: float | None, samples: int) -> dict[str, object]:
    return {
        "version": 1,
        "num_rows": len(filled.values),
        "num_rows_with_holes": len(filled.rows),
        "num_holes": int(filled.is_hole.sum()),
        "num_samples": samples,
        "rows_with_few_effective_samples": filled.few_effective,
        "interval": interval,
    }


def _show(filled: FilledHoles, interval: float | None, samples: int, num_calibration: int | None) -> None:
    from ..evaluation.holes import ASSUMED

    names = ["column", "kind", "holes", f"effective samples of {samples:,}"]
    if interval is not None:
        names += ["held-out cells", "error", "the model's own intervals hold", "corrected ones hold", "width"]
    rows = []
    for column in filled.columns:
        if not column.num_holes:
            continue
        row = [column.name, column.kind, f"{column.num_holes:,}", f"{column.effective_sample_size:,.3g}"]
        if interval is not None:
            found = column.coverage
            row += (
                ["too few known", "", "", "", ""]
                if found is None
                else [
                    f"{found.num_cells:,}",
                    f"{found.error:.3f}",
                    *(
                        ["", "", ""]
                        if column.kind in ("binary", "categorical")
                        else [
                            f"{found.own_coverage:.1%}",
                            f"{found.coverage:.1%} ± {found.coverage_error:.1%}",
                            f"{found.width:.2f}",
                        ]
                    ),
                ]
            )
        rows.append(row)
    if not rows:
        show_text("There is no hole in these rows.")
        return
    show_table("Holes", names, rows, numbers=names[2:])
    if filled.few_effective:
        show_text(
            f"{filled.few_effective:,} rows have fewer than ten effective samples: what fills them rests on few draws. Take "
            f"more: --samples {10 * samples}."
        )
    if interval is not None:
        show_text(
            f"Intervals of {interval:.0%} are measured on {num_calibration:,} rows that were not trained on, whose known cells "
            "were hidden in turn. Error: of the filled values over the column's standard deviation; of categories the share that "
            f"is wrong. Width: over that of the column's own quantiles. {ASSUMED}"
        )
