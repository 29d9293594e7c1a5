"""`index.html` of a sweep: the settings in a table, curves over what was swept, and what it cost."""

from __future__ import annotations

import base64
import html
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from ..report.page import duration
from ..report.score_text import MINUS
from ..report.shell import Section, heads, page
from ..report.shell import table as html_table
from ..storage.atomic import write_text
from .charts import save_courses, save_scatter, save_values
from .grid import Axis, Member
from .record import PAGE, Home, Sweep
from .table import Row, Table

_DASH = "\N{EN DASH}"
_escape = html.escape


def write_page(home: Home, sweep: Sweep, members: Sequence[Member], table: Table) -> Path:
    """Draw the pictures and write the page; its path. Raises `SavingError`."""
    sections = {
        "table": Section("Settings", "Settings, the best first" if table.best else "Settings", settings_table(table, sweep.axes))
    }
    draw = save_scatter if sweep.kind == "search" else save_values
    if draw(table, sweep.axes, home.path / "values.png"):
        sections["values"] = Section(
            "Curves", f"{table.density} over what was swept", _picture(home.path / "values.png", table.density)
        )
    if save_courses(table, home, members, home.path / "courses.png"):
        sections["courses"] = Section("While training", "The bound while training", _picture(home.path / "courses.png", "bound"))
    sections["cost"] = Section("Cost", "What it cost, and what is missing", _cost(home, table, members))
    is_search = sweep.kind == "search"
    title = f"{'Search on' if is_search else 'Sweep of'} {Path(sweep.base.data or 'faces').name}"
    whole = page(
        f"{title} · lowerbound",
        "lowerbound tune" if is_search else "lowerbound sweep",
        title,
        _lead(table, sweep, members),
        sections,
    )
    write_text(home.path / PAGE, whole)
    return home.path / PAGE


def _lead(table: Table, sweep: Sweep, members: Sequence[Member]) -> str:
    if sweep.kind == "search":
        keys = " and ".join(axis.key for axis in sweep.axes)
        return f"{len(members) - table.missing} trials over {_escape(keys)}. <strong>{_escape(table.verdict)}</strong>"
    swept = " and ".join(f"{axis.key} ({len(axis.values)} values)" for axis in sweep.axes) or "nothing but the seed"
    seeds = "one seed" if sweep.seeds == 1 else f"{sweep.seeds} seeds"
    return (
        f"{len(members) - table.missing} of {len(members)} models, over {_escape(swept)} with {seeds} each. "
        f"<strong>{_escape(table.verdict)}</strong>"
    )


def settings_table(table: Table, axes: Sequence[Axis]) -> str:
    """The settings and their numbers, the best first, as HTML."""
    numbers = (table.density, "over seeds", "behind the best", "ELBO", "KL", "active latents", "minutes")
    head = heads(*(axis.key for axis in axes), "models") + heads(*numbers, values=True)
    body = "".join(f"<tr>{_cells(row, axes)}</tr>" for row in table.rows)
    note = (
        f"Nats per validation example; {table.density} by importance sampling, itself a lower bound in expectation. ± of it is "
        "its standard error over seeds, or over examples where there is one seed; “over seeds” is the deviation of one model. "
        "“Behind the best” is over the same examples, ± the standard error of examples and seeds together. The best of many is "
        "flattered by its number: look at it on the test examples, with lowerbound evaluate."
    )
    refusal = f'<p class="verdict">Not ranked: {_escape(table.refusal)}</p>' if table.refusal else ""
    loose = any(not result.is_enough for row in table.rows for result in row.models if result.log_evidence_nats is not None)
    if loose:
        note += f" For some models the samples are too few, and {table.density} is above what stands here: --samples 1000."
    return f'{refusal}{html_table(head, body)}<p class="small">{_escape(note)}</p>{_failures(table)}'


def _cells(row: Row, axes: Sequence[Axis]) -> str:
    values = dict(row.setting.values)
    models = row.models
    failed = f' <span class="error">{len(row.failures)} failed</span>' if row.failures else ""
    cells = "".join(f'<th scope="row">{_escape(values[axis.key])}</th>' for axis in axes) + f"<td>{len(models)}{failed}</td>"
    behind = _DASH
    if row.behind_nats is not None:
        behind = "the best" if row.behind_error == 0 and row.behind_nats == 0 else _nats(row.behind_nats, row.behind_error)
    kl = [result.kl_nats for result in models if result.kl_nats is not None]
    active = [f"{result.active_units}" for result in models]
    spread = _number(row.seed_spread) if math.isfinite(row.seed_spread) else _DASH
    shown = [
        _DASH if row.log_evidence_nats is None else _nats(row.log_evidence_nats, row.error),
        spread,
        behind,
        _DASH if row.elbo_nats is None else _number(row.elbo_nats),
        _number(sum(kl) / len(kl)) if kl else _DASH,
        f"{', '.join(dict.fromkeys(active))} of {models[0].latent_dim}" if kl else _DASH,
        f"{sum(result.seconds for result in models) / 60:.1f}" if models else _DASH,
    ]
    return cells + "".join(f'<td class="value">{text}</td>' for text in shown)


def _nats(value: float, error: float) -> str:
    text = _number(value)
    return f'{text} <span class="error">± {error:.2g}</span>' if math.isfinite(error) else text


def _number(value: float) -> str:
    return f"{value:,.2f}".replace("-", MINUS)


def _failures(table: Table) -> str:
    items = "".join(
        f"<li>{_escape(row.setting.words)}, seed {seed}: {_escape(reason)}</li>"
        for row in table.rows
        for seed, reason in row.failures.items()
    )
    return f"<p>Without a model:</p><ul>{items}</ul>" if items else ""


def _picture(path: Path, what: str) -> str:
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<figure class="card"><img class="picture" src="data:image/png;base64,{content}" alt="{_escape(what)}"></figure>'


def _cost(home: Home, table: Table, members: Sequence[Member]) -> str:
    models = [result for row in table.rows for result in row.models]
    text = f"<p>{len(models)} models, {duration(sum(result.seconds for result in models))} of training in all"
    text += f"; {table.missing} of {len(members)} are missing: give the same command again.</p>" if table.missing else ".</p>"
    if table.best is not None:
        member = next(each for each in members if each.setting == table.best.setting and each.seed in table.best.results)
        command = f"lowerbound evaluate {shlex.quote(str(home.run(member)))}"
        text += f"<p>The best on the test examples:</p><pre>{_escape(command)}</pre>"
    return text + (
        f'<p class="small">Each model is an ordinary run in {_escape(str(home.path / "runs"))}: every other command opens it.</p>'
    )
