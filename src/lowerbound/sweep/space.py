"""What a search may choose: ranges and choices of keys. No JAX is needed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from ..config import parse_overrides
from ..errors import ConfigurationError
from .grid import Axis, parse_axes

# From this ratio on, a range is searched by its logarithm.
_LOG_FROM = 10.0
_RANGE = re.compile(r"\s*([-+.\deE]+)\s*:\s*([-+.\deE]+)\s*")
# What is searched where nothing is said: what helps most models, and is a key of each of them.
USUAL = ("training.learning_rate=3e-4:1e-2", "model.latent_dim=2:64", "training.batch_size=50,100,200")


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones only, or searched by their logarithm."""

    low: float
    high: float
    is_whole: bool
    is_log: bool


def parse_space(overrides: Sequence[str]) -> tuple[dict[str, Range | tuple[str, ...]], list[Axis], list[str]]:
    """The keys to search, the same as axes (as they were typed), and the `--set` of keys with one value.

    `KEY=LOW:HIGH` is a range, whole numbers where both ends are, by logarithm where it spans a factor of ten or more;
    `KEY=A,B,C` are choices. Where nothing is to be searched, it is what is `USUAL`, less the keys that have a value.

    >>> space, _, single = parse_space(["training.learning_rate=1e-4:1e-2", "training.epochs=5"])
    >>> space["training.learning_rate"].is_log, single
    (True, ['training.epochs=5'])

    Raises `ConfigurationError`.
    """
    ranges = {override.partition("=")[0].strip(): match for override in overrides if (match := _match(override))}
    rest = [override for override in overrides if not _match(override)]
    choices, single = parse_axes(rest)
    if not ranges and not choices:
        said = {override.partition("=")[0].strip() for override in single}
        return parse_space([*single, *[each for each in USUAL if each.partition("=")[0] not in said]])
    space: dict[str, Range | tuple[str, ...]] = {axis.key: axis.values for axis in choices}
    axes = list(choices)
    for key, match in ranges.items():
        if key in space or key == "training.seed":
            raise ConfigurationError(
                f"--set {key}={match[0]}: {'--seed is for it' if key not in space else 'it is given twice'}."
            )
        space[key] = _range(key, match[1], match[2])
        axes.append(Axis(key, (match[0],)))
    return space, axes, single


def _match(override: str) -> re.Match[str] | None:
    return _RANGE.fullmatch(override.partition("=")[2])


def _range(key: str, low: str, high: str) -> Range:
    try:
        ends = [float(low), float(high)]
    except ValueError:
        ends = [0.0, 0.0]
    if not -1e300 < ends[0] < ends[1] < 1e300:
        raise ConfigurationError(
            f"--set {key}={low}:{high} is no range; expected LOW:HIGH with LOW below HIGH, such as 1e-4:1e-2."
        )
    parse_overrides([f"{key}={end}" for end in (low, high)])
    is_whole = all(re.fullmatch(r"[-+]?\d+", end) for end in (low, high))
    return Range(ends[0], ends[1], is_whole, ends[0] > 0 and ends[1] / ends[0] >= _LOG_FROM)


def as_text(value: Any) -> str:
    """A chosen value as it is written in `--set`: a number with the digits that it has."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
