"""The grid of a sweep: which keys take which values, and the members that they make with their seeds. No JAX is needed."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence

from ..config import parse_overrides
from ..config.rules import COUNT
from ..config.sections import LARGEST_SEED
from ..errors import ConfigurationError, shortened

# More are a mistake in the command, or a job for a search.
MOST_MEMBERS = 10_000
_LONGEST_NAME = 120


@dataclasses.dataclass(frozen=True)
class Axis:
    """A key and the values that it takes, as they are written in `--set`."""

    key: str
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Setting:
    """One point of the grid: a value for each key that is swept. Its members differ in their seeds alone."""

    values: tuple[tuple[str, str], ...]

    @property
    def words(self) -> str:
        """`objective.beta=4, model.latent_dim=2`; "the one setting" where nothing is swept but the seed."""
        return ", ".join(f"{key}={value}" for key, value in self.values) or "the one setting"


@dataclasses.dataclass(frozen=True)
class Member:
    """A model to train: its setting and its seed."""

    setting: Setting
    seed: int

    @property
    def overrides(self) -> list[str]:
        """As for `--set`."""
        return [f"{key}={value}" for key, value in self.setting.values]

    @property
    def name(self) -> str:
        """The name of its run's folder."""
        pieces = [f"{key}={value}" for key, value in self.setting.values]
        safe = [re.sub(r"[^\w.=+-]+", "-", piece).strip("-") for piece in pieces]
        return "_".join([*safe, f"seed={self.seed}"])


def parse_axes(overrides: Sequence[str]) -> tuple[list[Axis], list[str]]:
    """The keys with several values, separated by commas, and the `--set` of those with one.

    >>> parse_axes(["objective.beta=1,4", "network.hidden_widths=[200,200],[400]", "training.epochs=5"])[1]
    ['training.epochs=5']

    Raises `ConfigurationError` for an unknown key, a value twice, a key twice, and the seed, which `--seeds` is for.
    """
    axes: list[Axis] = []
    single: list[str] = []
    for override in overrides:
        key, equals, text = (piece.strip() for piece in override.partition("="))
        values = _split(text)
        # Without a "=" it is refused here.
        parse_overrides([f"{key}={value}" for value in values] if equals else [override])
        if len(values) == 1:
            single.append(override)
            continue
        if key == "training.seed":
            raise ConfigurationError(f"--set training.seed={text}: the seeds of a sweep are given by --seeds N and --seed FIRST.")
        if len(set(values)) < len(values) or "" in values:
            what = "an empty value" if "" in values else "a value twice"
            raise ConfigurationError(f"--set {key}={shortened(text)} has {what}; expected different values, as 1,2,4.")
        if any(axis.key == key for axis in axes):
            raise ConfigurationError(f"--set {key} is given twice with several values; give them all at once: {key}=1,2,4.")
        axes.append(Axis(key, tuple(values)))
    return axes, single


def members_of(axes: Sequence[Axis], seeds: int, first_seed: int) -> list[Member]:
    """All of them, seed by seed within each setting; raises `ConfigurationError` where they are too many, or names clash."""
    COUNT.convert("--seeds", seeds)
    if first_seed + seeds - 1 > LARGEST_SEED:
        raise ConfigurationError(f"--seed is {first_seed} with --seeds {seeds}; the last may be {LARGEST_SEED:,} at most.")
    number = seeds
    for axis in axes:
        number *= len(axis.values)
    if number > MOST_MEMBERS:
        raise ConfigurationError(
            f"the values and seeds make {number:,} models; expected {MOST_MEMBERS:,} at most. Sweep fewer keys at once."
        )
    settings = [
        Setting(tuple(zip([axis.key for axis in axes], values, strict=True)))
        for values in itertools.product(*[axis.values for axis in axes])
    ]
    members = [Member(setting, first_seed + seed) for setting in settings for seed in range(seeds)]
    names: dict[str, Member] = {}
    for member in members:
        clash = names.setdefault(member.name, member)
        if clash is not member or len(member.name) > _LONGEST_NAME:
            what = f"the same folder as {clash.setting.words}" if clash is not member else "too long a name for a folder"
            raise ConfigurationError(f"{member.setting.words} would have {what}; write its values more simply.")
    return members


def shard_of(members: Sequence[Member], shard: str | None) -> list[Member]:
    """Those of `--shard I/N`: every N-th setting from the I-th on (from 1), with all of its seeds."""
    if shard is None:
        return list(members)
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", shard)
    index, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= index <= count:
        raise ConfigurationError(f"--shard is {shard!r}; expected I/N with I from 1 to N, such as 1/4.")
    settings = list(dict.fromkeys(member.setting for member in members))
    own = set(settings[index - 1 :: count])
    return [member for member in members if member.setting in own]


def _split(text: str) -> list[str]:
    """The values between commas; those within brackets and quotes are parts of a value.

    >>> _split("[200,200], [400]"), _split("elu,tanh")
    (['[200,200]', '[400]'], ['elu', 'tanh'])
    """
    values, depth, quote, start = [], 0, "", 0
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "[{(":
            depth += 1
        elif sign in "]})":
            depth -= 1
        elif sign == "," and depth <= 0:
            values.append(text[start:place].strip())
            start = place + 1
    return [*values, text[start:].strip()]
