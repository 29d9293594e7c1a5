"""A run's whole configuration, and its way to and from nested dictionaries and TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NewType

import tomli_w

from .. import __version__
from ..errors import ConfigurationError, closest_name, unknown_name_message
from ..storage.regular import MISSING, not_a_file
from ..storage.upgrades import FIRST_LINE, upgraded_config, writing_release
from .catalogue import class_of, entries_of, keys_of, names_of
from .entry import AUTO, KINDS
from .keys import Key
from .part import PartConfig
from .rules import OneOf
from .sections import DataConfig, TrainingConfig

_PLAIN: dict[str, type] = {"data": DataConfig, "training": TrainingConfig}
SECTIONS = ("data", *KINDS, "training")


def keys_of_section(section: str, part: str = "") -> Mapping[str, Key]:
    """The keys of a section by name, besides `name` where it names a part; of all parts of the kind where `part` is empty."""
    if section in _PLAIN:
        return {field.name: field.metadata["key"] for field in dataclasses.fields(_PLAIN[section])}
    if part:
        return keys_of(section, part)
    return {key: value for entry in entries_of(section).values() for key, value in entry.keys.items()}


def _names_in(section: str) -> tuple[str, ...]:
    return (*(("name",) if section in KINDS else ()), *keys_of_section(section))


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run, apart from the data themselves. Each key has a default.

    Raises `ConfigurationError` when a value is not allowed or two keys contradict each other; the message names `section.key`.

    >>> RunConfig.from_dict({"model": {"latent_dim": 10}}).model.latent_dim
    10
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: PartConfig = dataclasses.field(default_factory=lambda: PartConfig("model"))
    prior: PartConfig = dataclasses.field(default_factory=lambda: PartConfig("prior"))
    posterior: PartConfig = dataclasses.field(default_factory=lambda: PartConfig("posterior"))
    likelihood: PartConfig = dataclasses.field(default_factory=lambda: PartConfig("likelihood"))
    mask: PartConfig = dataclasses.field(default_factory=lambda: PartConfig("mask"))
    network: PartConfig = dataclasses.field(default_factory=lambda: PartConfig("network"))
    objective: PartConfig = dataclasses.field(default_factory=lambda: PartConfig("objective"))
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if self.training.early_stopping_patience > 0 and self.data.validation == 0:
            raise ConfigurationError(
                f"training.early_stopping_patience is {self.training.early_stopping_patience} but data.validation is 0, so there "
                "is no validation bound to stop on; set data.validation=0.1, or training.early_stopping_patience=0."
            )

    @classmethod
    def from_dict(cls, sections: Mapping[str, Any]) -> RunConfig:
        """From a nested dictionary; a key that is left out keeps its default, an unknown one is refused."""
        check_keys(sections)
        return cls(**{section: _section(section, keys) for section, keys in sections.items()})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain nested dictionaries, with lists for tuples: ready for JSON and TOML. Of a part, the keys that it has."""
        return {section: _plain(getattr(self, section)) for section in SECTIONS}

    def to_toml(self) -> str:
        """The whole configuration as the text of a TOML file that `lowerbound train --recipe` takes back."""
        return f"{FIRST_LINE.format(__version__)}\n\n{tomli_w.dumps(self.to_dict())}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should read of these choices before training begins."""
        found = tuple(remark for kind in KINDS if (remark := getattr(self, kind).remark))
        if self.likelihood.get("scale", "") == "from-z" and not class_of("mask", self.mask.name).is_ignorable:
            found += (
                f"mask.name is {self.mask.name!r} and likelihood.scale is from-z, so that nothing says how far from the others "
                "missing values lie, and filled ones may be absurd; set likelihood.scale=shared.",
            )
        return found

    def updated(self, changes: Mapping[str, Any]) -> RunConfig:
        """This configuration with the keys of the nested dictionary `changes` replaced, checked as a whole."""
        check_keys(changes)
        return RunConfig.from_dict(with_changes(self.to_dict(), changes))


# A configuration without "auto": what `lowerbound.assembly.build.resolve` makes of one and of a description of the data.
ResolvedConfig = NewType("ResolvedConfig", RunConfig)


def _section(section: str, keys: Mapping[str, Any]) -> Any:
    if section in _PLAIN:
        return _PLAIN[section](**keys)
    name = OneOf(names_of(section)).convert(f"{section}.name", keys.get("name", KINDS[section].default))
    return PartConfig(section, name, {key: value for key, value in keys.items() if key != "name"})


def _plain(section: Any) -> dict[str, Any]:
    values = {"name": section.name, **section.values} if isinstance(section, PartConfig) else vars(section)
    return {key: _plain_value(value) for key, value in values.items()}


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Two nested dictionaries as one; `changes` wins key by key."""
    sections = [*base, *(section for section in changes if section not in base)]
    return {section: {**base.get(section, {}), **changes.get(section, {})} for section in sections}


def with_changes(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`changes` on top of `base`; where they name another part, what was said of the former one is kept only where it fits.

    Kept are the keys that the new part has too, and of these the values that were not the former part's own defaults: so
    `--set prior.name=vamp` works on any recipe, and `--set objective.name=iwae` takes that objective's number of samples. What
    was said of "auto" stays, for it was said of whatever is chosen.
    """
    kept = {section: dict(keys) for section, keys in base.items()}
    for kind in KINDS:
        former, name = kept.get(kind, {}).get("name", KINDS[kind].default), changes.get(kind, {}).get("name")
        if kind not in kept or name in (None, former) or not {name, former} <= set(names_of(kind)):
            continue
        old, new = keys_of(kind, former), keys_of(kind, name)
        kept[kind] = {
            key: value
            for key, value in kept[kind].items()
            if key in old and value != _plain_value(old[key].default) and (key in new or former == AUTO)
        }
    return merged(kept, changes)


def _plain_value(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def check_keys(sections: Mapping[str, Any], source: str = "") -> None:
    """Refuse an unknown section or key, with the nearest right one; `source` (a file's name) begins the message."""
    prefix = f"{source}: " if source else ""
    for section, keys in sections.items():
        if section not in SECTIONS:
            raise ConfigurationError(prefix + _unknown_section_message(section, keys))
        if not isinstance(keys, Mapping):
            raise ConfigurationError(
                f"{prefix}{section} is {keys!r}; expected a section, with keys among {', '.join(_names_in(section))}."
            )
        for key in keys:
            if key not in _names_in(section):
                raise ConfigurationError(prefix + unknown_key_message(section, key))


def unknown_key_message(section: str, key: str) -> str:
    """The text for a key that its section does not have; a section that does have it is named."""
    homes = [f"{home}.{key}" for home in SECTIONS if key in keys_of_section(home)]
    if homes and key != "name":
        return f"configuration key {section}.{key} does not exist. Did you mean {' or '.join(homes)}?"
    nearest = closest_name(key, _names_in(section))
    message = unknown_name_message(f"configuration key of section [{section}]", key, _names_in(section))
    return message if nearest or not (elsewhere := _closest_key(key)) else f"{message} Elsewhere there is {elsewhere}."


def _unknown_section_message(section: str, keys: Any) -> str:
    if isinstance(keys, Mapping):
        return unknown_name_message("configuration section", section, SECTIONS)
    nearest = _closest_key(section)
    hint = f" Did you mean {nearest}?" if nearest else ""
    return (
        f"configuration key {section!r} is in no section.{hint} "
        f"A key is written section.key, with a section among {', '.join(SECTIONS)}."
    )


def _closest_key(key: str) -> str | None:
    """The dotted name, in any section, whose last part most resembles `key`."""
    homes = {name: f"{section}.{name}" for section in SECTIONS for name in keys_of_section(section)}
    nearest = closest_name(key, homes)
    return homes[nearest] if nearest else None


def load_toml(path: str | Path) -> dict[str, Any]:
    """The nested dictionary in a TOML file, as yet unchecked; one that an earlier release wrote for a run is upgraded.

    Raises `ConfigurationError` when it is missing, no regular file, or not TOML.
    """
    reason = not_a_file(path)
    if reason == MISSING:
        raise ConfigurationError(f"there is no configuration file {path}; give the path of a TOML file that exists.")
    if reason is not None:
        raise ConfigurationError(f"the configuration file {path} {reason}; expected a TOML file.")
    try:
        text = Path(path).read_text(encoding="utf-8")
        return upgraded_config(tomllib.loads(text), writing_release(text))
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} could not be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigurationError(f"{path} is not a TOML file: {why}. Expected lines such as\n[model]\nlatent_dim = 20") from error
