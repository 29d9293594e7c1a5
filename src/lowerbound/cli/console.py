"""The one place where tables and results are printed. Names, paths and texts of files are shown as they are, never as markup."""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..assembly.automatic import Choice

# What a terminal would obey rather than show, and halves of characters that no encoding can write.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The text with its control characters spelled out.

    >>> print(visible("\x1b[31mred"))
    \x1b[31mred
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def is_terminal(stream: Any) -> bool:
    """Whether a person reads the stream; a process may have been started without one."""
    return stream is not None and stream.isatty()


def result_console(width: int = 120) -> Console:
    """Where results are printed. Not on a terminal, a table must not be cut to a guessed width, but has `width` columns."""
    from rich.console import Console

    return Console(width=None if is_terminal(sys.stdout) else width, markup=False, emoji=False, highlight=False)


def print_json(fields: Any, *, indent: int | None = 2) -> None:
    """One JSON value on stdout; what is not a finite number in an object becomes null."""
    if isinstance(fields, dict):
        fields = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()
        }
    typer.echo(json.dumps(fields, indent=indent, default=str))


def show_text(text: str) -> None:
    """Print a paragraph of a result."""
    result_console().print(visible(text))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table below its title; `numbers` are the columns that stand to the right. Without `columns` it has no header."""
    from rich.table import Table

    table = Table(title=visible(title), title_justify="left", show_header=bool(columns))
    for column in columns or [""] * len(rows[0]):
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(visible, row))
    result_console(140).print(table)


def show_choices(title: str, choices: Sequence[Choice]) -> None:
    """Print what the data chose, and why; nothing where they chose nothing."""
    if choices:
        show_table(title, ("section", "keys", "because"), [(each.section, each.settings, each.reason) for each in choices])


def show_numbers(title: str, rows: Sequence[tuple[str, Any, float | None, str]], name: str = "number") -> None:
    """Print numbers with their standard errors and what each is; a row without a value is left out, a text is its own value."""
    columns = (name, "value", "standard error", "what it is")
    shown = [
        (label, value if isinstance(value, str) else f"{value:,.3f}", "" if error is None else f"{error:.3f}", what)
        for label, value, error, what in rows
        if value is not None
    ]
    show_table(title, columns, shown, numbers=columns[1:3])


@contextlib.contextmanager
def counting(total: int, *, quiet: bool, what: str = "evaluating") -> Iterator[Callable[[int], None]]:
    """A bar over examples with the time left, on a terminal; nothing elsewhere. Gives the function that moves it."""
    if quiet or not is_terminal(sys.stderr):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(visible(what), total=total)
        yield lambda done: progress.update(task, completed=done)
