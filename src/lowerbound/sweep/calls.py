"""One call of `lowerbound sweep` or `lowerbound tune`: its checks, which need no JAX, and its work."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config.rules import COUNT, Integer
from ..config.sections import LARGEST_SEED
from ..errors import ConfigurationError
from ..recipes import resolve_config
from .grid import Member, members_of, parse_axes, shard_of
from .record import Base, Home, Sweep
from .space import Range, as_text, parse_space

if TYPE_CHECKING:
    from .table import Table


class Call(NamedTuple):
    """What one call is to do: `own` are the members that it trains, `members` those of the sweep as a whole."""

    home: Home
    sweep: Sweep
    members: list[Member]
    own: list[Member]


def check_optuna() -> None:
    """Raise `ConfigurationError` where Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise ConfigurationError("lowerbound tune needs Optuna, which is not installed: pip install 'lowerbound[tune]'.")


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
    """What the options ask for, every member's configuration checked; nothing is written.

    Raises `ConfigurationError`.
    """
    axes, single = parse_axes(overrides)
    base = _base(data, recipe, single, epochs, jobs, samples)
    Integer(0, LARGEST_SEED).convert("--seed", first_seed)
    asked = members_of(axes, seeds, first_seed)
    for member in {member.setting: member for member in asked}.values():
        _check(base, member.overrides)
    own = shard_of(asked, shard)
    sweep = Home(out).joined(Sweep(base, tuple(axes), seeds, first_seed))
    return Call(Home(out), sweep, members_of(sweep.axes, sweep.seeds, sweep.first_seed), own)


def check_search(
    out: Path,
    data: str | None,
    recipe: str | None,
    overrides: Sequence[str],
    epochs: int | None,
    seed: int,
    jobs: int | None,
    samples: int,
) -> tuple[Call, dict[str, Range | tuple[str, ...]]]:
    """As `check_call`, for `lowerbound tune`: the call, without members yet, and what may be chosen."""
    space, axes, single = parse_space(overrides)
    base = _base(data, recipe, single, epochs, jobs, samples)
    for key, kind in space.items():
        ends = [as_text(int(end) if kind.is_whole else end) for end in (kind.low, kind.high)] if isinstance(kind, Range) else kind
        for value in ends:
            _check(base, [f"{key}={value}"])
    return Call(Home(out), Home(out).joined(Sweep(base, tuple(axes), 1, seed, "search")), [], []), space


def _base(
    data: str | None, recipe: str | None, single: Sequence[str], epochs: int | None, jobs: int | None, samples: int
) -> Base:
    COUNT.convert("--samples", samples)
    if jobs is not None:
        COUNT.convert("--jobs", jobs)
    return Base(_absolute(data), _absolute(recipe), tuple(single), epochs)


def _check(base: Base, overrides: Sequence[str]) -> None:
    """Raise `ConfigurationError` when a model cannot be configured so, or nothing would be held out to look at it by."""
    flags = {"training": {} if base.epochs is None else {"epochs": base.epochs}}
    config, _ = resolve_config(base.data, base.recipe, [*base.overrides, *overrides], flags)
    if config.data.validation == 0:
        raise ConfigurationError(
            "data.validation is 0, but models are laid side by side by their validation examples; set it above 0."
        )


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

    worker = Worker(call.home, call.sweep.base, data_dir, samples, command, should_stop, say)
    with _warning_once():
        # Data that cannot be read are no member's failure, and leave nothing behind.
        worker.load()
        call.home.write_record(call.sweep)
        worker.do_all(call.own, jobs)
    table = tabulate(call.home, call.members)
    return write_page(call.home, call.sweep, call.members, table), table


def search(
    call: Call,
    space: dict[str, Range | tuple[str, ...]],
    data_dir: Path | None,
    samples: int,
    jobs: int | None,
    minutes: float,
    num_trials: int | None,
    storage: str | None,
    command: str,
    should_stop: Callable[[], str | None],
    say: Callable[[str], None],
    leave: Callable[[Path, Table], None],
) -> tuple[Path, Table]:
    """As `go_on`, for `lowerbound tune`.

    - `leave`: told the page and its table, ends the process: where the time is over, and steps that nothing can interrupt go on.
    """
    from .page import write_page
    from .search import Search, at_the_end, clock, open_study, sqlite_in
    from .table import tabulate
    from .work import Worker

    worker = Worker(call.home, call.sweep.base, data_dir, samples, command, should_stop, say)
    seed = call.sweep.first_seed
    with _warning_once():
        worker.load()
        study = None if storage is None else open_study(storage, seed)
        call.home.write_record(call.sweep)
        study = study or open_study(sqlite_in(call.home.path), seed)
        seconds_left = clock(minutes)
        found = Search(worker, study, space, seed, num_trials, seconds_left)

        def written() -> tuple[Path, Table]:
            members = [trial for trial in found.trials() if found.study_trial(trial).state.name != "PRUNED"]
            table = tabulate(call.home, members)
            return write_page(call.home, call.sweep, members, table), table

        def give_up() -> None:
            # Half of the minutes, of which there are 60 seconds each.
            found.give_up(30 * minutes)
            leave(*written())

        with at_the_end(seconds_left, give_up):
            found.go_on(jobs)
    return written()


@contextlib.contextmanager
def _warning_once() -> Iterator[None]:
    """Show each warning once: what is odd about the data would be said again for each model."""
    shown: set[str] = set()
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_new(message: Warning | str, *args: Any, **others: Any) -> None:
            if str(message) not in shown:
                shown.add(str(message))
                show(message, *args, **others)

        warnings.showwarning = show_new
        yield


def _absolute(name: str | None) -> str | None:
    """A file is found again from any folder; a named set keeps its name."""
    if name is None or not (path := Path(name).expanduser()).exists() or ("/" not in name and not path.suffix):
        return name
    return str(path.resolve())
