"""A run's whole configuration, and its way to and from nested dictionaries and TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from .. import __version__
from ..errors import ConfigurationError, closest_name, unknown_name_message
from ..storage.atomic import write_text
from .sections import (
    DataConfig,
    LikelihoodConfig,
    ModelConfig,
    NetworkConfig,
    ObjectiveConfig,
    PosteriorConfig,
    PriorConfig,
    TrainingConfig,
    converted,
)

SECTIONS: dict[str, type] = {
    "data": DataConfig,
    "model": ModelConfig,
    "prior": PriorConfig,
    "posterior": PosteriorConfig,
    "likelihood": LikelihoodConfig,
    "network": NetworkConfig,
    "objective": ObjectiveConfig,
    "training": TrainingConfig,
}
_KEYS = {section: tuple(field.name for field in dataclasses.fields(cls)) for section, cls in SECTIONS.items()}


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run, apart from the data themselves. Each key has a default.

    Raises `ConfigurationError` when a value is not allowed or two keys contradict each other; the message names `section.key`.

    >>> RunConfig.from_dict({"model": {"latent_dim": 10}}).model.latent_dim
    10
    """

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    prior: PriorConfig = dataclasses.field(default_factory=PriorConfig)
    posterior: PosteriorConfig = dataclasses.field(default_factory=PosteriorConfig)
    likelihood: LikelihoodConfig = dataclasses.field(default_factory=LikelihoodConfig)
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    objective: ObjectiveConfig = dataclasses.field(default_factory=ObjectiveConfig)
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
        return cls(**{name: SECTIONS[name](**converted(SECTIONS[name], keys)) for name, keys in sections.items()})

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain nested dictionaries, with lists for tuples: ready for JSON and TOML."""
        nested = dataclasses.asdict(self)
        return {
            section: {key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()}
            for section, keys in nested.items()
        }

    def to_toml(self) -> str:
        """The whole configuration as the text of a TOML file that `lowerbound train --recipe` takes back."""
        return f"# The configuration of one run of lowerbound {__version__}.\n\n{tomli_w.dumps(self.to_dict())}"

    def updated(self, changes: Mapping[str, Any]) -> RunConfig:
        """This configuration with the keys of the nested dictionary `changes` replaced, checked as a whole."""
        check_keys(changes)
        return RunConfig.from_dict(merged(self.to_dict(), changes))


def write_toml(path: str | Path, config: RunConfig) -> None:
    """Write `config` to a TOML file, wholly or not at all; raises `SavingError`."""
    write_text(path, config.to_toml())


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Two nested dictionaries as one; `changes` wins key by key."""
    sections = [*base, *(section for section in changes if section not in base)]
    return {section: {**base.get(section, {}), **changes.get(section, {})} for section in sections}


def check_keys(sections: Mapping[str, Any], source: str = "") -> None:
    """Refuse an unknown section or key, with the nearest right one; `source` (a file's name) begins the message."""
    prefix = f"{source}: " if source else ""
    for section, keys in sections.items():
        if section not in SECTIONS:
            raise ConfigurationError(prefix + _unknown_section_message(section, keys))
        if not isinstance(keys, Mapping):
            raise ConfigurationError(
                f"{prefix}{section} is {keys!r}; expected a section, with keys among {', '.join(_KEYS[section])}."
            )
        for key in keys:
            if key not in _KEYS[section]:
                raise ConfigurationError(prefix + unknown_key_message(section, key))


def unknown_key_message(section: str, key: str) -> str:
    """The text for a key that its section does not have; a section that does have it is named."""
    homes = [f"{home}.{key}" for home, keys in _KEYS.items() if key in keys]
    if key != "name" and homes:
        return f"configuration key {section}.{key} does not exist. Did you mean {' or '.join(homes)}?"
    nearest = closest_name(key, _KEYS[section])
    message = unknown_name_message(f"configuration key of section [{section}]", key, _KEYS[section])
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
    homes = {name: f"{section}.{name}" for section, names in _KEYS.items() for name in names if name != "name"}
    nearest = closest_name(key, homes)
    return homes[nearest] if nearest else None


def load_toml(path: str | Path) -> dict[str, Any]:
    """The nested dictionary in a TOML file, as yet unchecked; raises `ConfigurationError` when it is missing or not TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"there is no configuration file {path}; give the path of a TOML file that exists.") from None
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} could not be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} is not a TOML file: {error}. Expected lines such as\n[model]\nlatent_dim = 20"
        ) from error
