"""`explain-defaults`: what `lowerbound train DATA` would choose, and why; nothing is trained."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .app import DataDir, Json, app
from .console import print_json, show_choices


@app.command(epilog="Example: lowerbound explain-defaults my_table.csv")
def explain_defaults(
    data: Annotated[str, typer.Argument(metavar="DATA", help="As for `lowerbound train`.")],
    key: Annotated[str, typer.Option(help="The variable in a .npz or .mat file.")] = "",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="section.key=value", help="As for `lowerbound train`; repeatable.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say what the default recipe chooses for these data, and why."""
    from ..recipes import resolve_config

    config, chosen = resolve_config(data, "default", overrides or [], {"data": {"key": key}} if key else {})
    from ..assembly.build import infers_labels
    from ..data.datasets import load_configured
    from ..runs.planning import plan

    planned = plan(config, load_configured(config.data, data_dir, are_labels=infers_labels(config)), chosen.given)
    if json:
        choices: list[dict[str, Any]] = [
            {"section": choice.section, "values": dict(choice.values), "reason": choice.reason} for choice in planned.choices
        ]
        print_json({"data": planned.spec.words, "choices": choices, "config": planned.config.to_dict()})
        return
    show_choices(f"{data}: {planned.spec.words}", planned.choices)
    typer.echo("Each key can be set: lowerbound train DATA --set section.key=value. A recipe of its own: lowerbound recipes.")
