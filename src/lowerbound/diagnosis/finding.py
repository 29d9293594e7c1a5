"""What a check finds: a sentence, the figure behind it, what to do, and a command that does it."""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import shlex
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np

from ..config import RunConfig
from ..summaries import RunSummary

Severity = Literal["serious", "warning", "note"]
ORDER: dict[str, int] = {"serious": 0, "warning": 1, "note": 2}
# A difference of less than three of its standard errors may be chance.
STANDARD_ERRORS = 3.0
# A record too short to speak of its trend.
FEWEST_RECORDS = 20
_MOST_NAMES = 5


@dataclasses.dataclass(frozen=True)
class Finding:
    """- `severity`: "serious" (the numbers or samples mislead), "warning" (worth acting on) or "note" (worth knowing).
    - `sentence`: what is the matter, in plain words. `figure`: the number that shows it.
    - `advice`: what to do, in words. `command`: what a person types to do it; "" where no one command does.
    """

    severity: Severity
    sentence: str
    figure: str
    advice: str
    command: str = ""

    def __str__(self) -> str:
        command = f" {self.command}" if self.command else ""
        return f"{self.severity}: {self.sentence} ({self.figure}) {self.advice}{command}"


@dataclasses.dataclass(frozen=True)
class Check:
    """- `name`: for machines. `title`: what is looked at. `find`: the finding, or None.
    - `possible`: whether the run has what it takes; `needs`: what that is, in words.
    - `needs_training`: False where an untrained model is enough, because the data, the settings or the record are looked at.
    """

    name: str
    title: str
    find: Callable[[RunSummary], Finding | None]
    possible: Callable[[RunSummary], bool] = lambda summary: True
    needs: str = ""
    needs_training: bool = True

    def impossible(self, needs: str) -> Check:
        """The same check, for a run that lacks `needs`."""
        return dataclasses.replace(self, possible=lambda summary: False, needs=needs)


def retrain(summary: RunSummary, *settings: str) -> str:
    """The command that trains such a run again with other settings (`section.key=value`), from its own configuration; "" where it
    has them all already. A setting that it has is left out."""
    settings = tuple(setting for setting in settings if not _has(summary.config, setting))
    if not settings:
        return ""
    recipe = shlex.quote(f"{summary.folder or summary.name}/config.toml")
    return " ".join(["lowerbound train --recipe", recipe, *(f"--set {shlex.quote(setting)}" for setting in settings)])


def is_new(summary: RunSummary, *settings: str) -> bool:
    """Whether neither the run nor one that it was made from had all of these settings (`section.key=value`) already, and the run
    is not what came of a step the same way: half the latents after half the latents would be the same advice again."""
    had = any(all(_has(config, setting) for setting in settings) for config in (summary.config, *summary.tried))
    return not had and not any(all(_went_on(summary.config, origin, setting) for setting in settings) for origin in summary.tried)


def _value(config: RunConfig, key: str) -> Any:
    """What a configuration says of `section.key`; None where its part has no such key."""
    with contextlib.suppress(AttributeError):
        return operator.attrgetter(key)(config)
    return None


def _has(config: RunConfig, setting: str) -> bool:
    key, _, wanted = setting.partition("=")
    value = _value(config, key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            return value == float(wanted)
    return str(value) == wanted


def _went_on(config: RunConfig, origin: RunConfig, setting: str) -> bool:
    """Whether the number that is set was moved already, from `origin` to `config`, the way it would be moved now."""
    key, _, wanted = setting.partition("=")
    before, now = _value(origin, key), _value(config, key)
    if not all(isinstance(value, int | float) for value in (before, now)):
        return False
    with contextlib.suppress(ValueError):
        return (now - before) * (float(wanted) - now) > 0
    return False


def first_new(summary: RunSummary, *remedies: tuple[str, tuple[str, ...]]) -> tuple[str, str]:
    """The advice and the command of the first remedy (a sentence and settings) that was not tried; the last one's words alone
    where all were."""
    for advice, settings in remedies:
        if is_new(summary, *settings):
            return advice, retrain(summary, *settings)
    return f"{remedies[-1][0]} What can be set for this was tried: look at the data and the decoder.", ""


def short(value: float) -> str:
    """A figure with three digits or so."""
    digits = f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return digits.replace("-", "\N{MINUS SIGN}")


def ranges(numbers: Iterable[int]) -> str:
    """`0-3, 7`: whole numbers in order, consecutive ones together."""
    groups: list[list[int]] = []
    for number in sorted(numbers):
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(f"{group[0]}-{group[-1]}" if len(group) > 2 else ", ".join(map(str, group)) for group in groups)


def named_elements(summary: RunSummary, elements: np.ndarray) -> str:
    """The names of some elements, the first few of them: `columns 'age', 'price' and 3 more`."""
    numbers = [int(element) for element in elements]
    names = ", ".join(summary.spec.element_name(number) for number in numbers[:_MOST_NAMES])
    more = f" and {len(numbers) - _MOST_NAMES} more" if len(numbers) > _MOST_NAMES else ""
    return f"{summary.spec.element_word}{'' if len(numbers) == 1 else 's'} {names}{more}"
