"""`schema`: of what kind each column of a table is, and why; as a table, as JSON, or as a file to edit."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError
from .app import Json, Overwrite, app
from .console import print_json, show_table
from .outputs import check_out
from .runtime import say

if TYPE_CHECKING:
    from ..data.columns import Column, RawTable


@app.command(
    epilog="Examples: lowerbound schema people.csv · lowerbound schema people.csv --out people.toml · "
    "lowerbound train people.csv --schema people.toml"
)
def schema(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A .csv, .tsv, .parquet or .feather table, or the URL of a database.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Write the kinds to this file, to be edited.")] = None,
    stated: Annotated[
        str, typer.Option("--schema", metavar="FILE.toml", help="The kinds as this file states them; others are inferred.")
    ] = "",
    query: Annotated[str, typer.Option(help="Of a database, the SQL whose rows are the table.")] = "",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="data.key=value", help="As for `lowerbound train`; repeatable.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Say of what kind each column of a table is, and which values decided it."""
    if out is not None:
        check_out(out, (".toml",), overwrite=overwrite)
    from ..assembly.laws import check_law
    from ..recipes import resolve_config

    flags = {"data": {key: value for key, value in (("schema", stated), ("query", query)) if value}}
    config, _ = resolve_config(data, "default", overrides or [], flags)
    from ..data.table_sets import table_and_columns

    table, columns = table_and_columns(config.data)
    for column in columns:
        check_law(column, stated)
    if out is not None:
        from ..data.columns.schema_file import to_toml
        from ..storage.atomic import write_text

        write_text(out, to_toml(columns, table.source))
    if json:
        print_json({"data": table.source, "rows": len(table), "columns": [_fields(column) for column in columns]})
    else:
        _show(table, columns)
    if out is not None:
        say(f"wrote {out}; edit it, and use it: lowerbound train {shlex.quote(data)} --schema {shlex.quote(str(out))}")


def _fields(column: Column) -> dict[str, object]:
    return {
        "name": column.name,
        "kind": column.kind,
        "reason": column.reason,
        "likelihood": column.likelihood,
        "left_out": column.is_left_out,
        "missing": column.missing,
        "categories": list(column.categories),
        "counts": list(column.counts),
        "low": column.low,
        "high": column.high,
    }


def _show(table: RawTable, columns: tuple[Column, ...]) -> None:
    if not columns:
        raise DataError(f"{table.source} has no columns besides those that are set aside.")
    rows = [
        (
            column.name,
            f"{column.kind} (left out)" if column.is_left_out else column.kind,
            column.reason,
            f"{column.missing:.1%}" if column.missing else "",
        )
        for column in columns
    ]
    show_table(f"{table.source}: {len(table):,} rows", ("column", "kind", "because", "missing"), rows, numbers=("missing",))
