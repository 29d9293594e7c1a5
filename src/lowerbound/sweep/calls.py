"""One call of `lowerbound sweep`: its checks, which need no JAX, and its work."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..config.rules import COUNT
from ..errors import ConfigurationError, DataWarning
from ..recipes import resolve_config
from .grid import Member, members_of, parse_axes, shard_of
from .record import Base, Home, Sweep

if TYPE_CHECKING:
    from .table import Table


class Call(NamedTuple):
    """What one call is to do: `own` are the members that it trains, `members` those of the sweep as a whole."""

    home: Home
    sweep: Sweep
    members: list[Member]
    own: list[Member]


def check_call(
    out: Path,
    data: str | None,
    recipe: str | None,
    overrides: Sequence[str],
    epochs: int | None,
    seeds: int,
    first_seed: int,
    shard: str | None,
    jobs: int | None,
    samples: int,
) -> Call:
    """What the options ask for, every member's configuration checked; only `sweep.json` is written, at the end.

    Raises `ConfigurationError`, and `SavingError`.
    """
    axes, single = parse_axes(overrides)
    COUNT.convert("--samples", samples)
    if jobs is not None:
        COUNT.convert("--jobs", jobs)
    base = Base(_absolute(data), _absolute(recipe), tuple(single), epochs)
    asked = members_of(axes, seeds, first_seed)
    for member in {member.setting: member for member in asked}.values():
        flags = {"training": {} if epochs is None else {"epochs": epochs}}
        config, _ = resolve_config(base.data, base.recipe, [*single, *member.overrides], flags)
        if config.data.validation == 0:
            raise ConfigurationError(
                "data.validation is 0, but a sweep lays models side by side by their validation examples; set it above 0."
            )
    own = shard_of(asked, shard)
    sweep = Home(out).begin(Sweep(base, tuple(axes), seeds, first_seed))
    return Call(Home(out), sweep, members_of(sweep.axes, sweep.seeds, sweep.first_seed), own)


def go_on(
    call: Call,
    data_dir: Path | None,
    samples: int,
    jobs: int | None,
    command: str,
    should_stop: Callable[[], str | None],
    say: Callable[[str], None],
) -> tuple[Path, Table]:
    """Train and score the call's members and write the page; its path, and the table in it. What is done is saved at once."""
    from .page import write_page
    from .table import tabulate
    from .work import Worker

    said: set[str] = set()

    def say_once(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    worker = Worker(call.home, call.sweep.base, data_dir, samples, command, should_stop, say_once)
    with warnings.catch_warnings():
        # What is odd about the data would be said once for each model.
        warnings.simplefilter("once", DataWarning)
        worker.do_all(call.own, jobs)
    table = tabulate(call.home, call.members)
    return write_page(call.home, call.sweep, call.members, table), table


def _absolute(name: str | None) -> str | None:
    """A file is found again from any folder; a named set keeps its name."""
    if name is None or not (path := Path(name).expanduser()).exists() or ("/" not in name and not path.suffix):
        return name
    return str(path.resolve())
