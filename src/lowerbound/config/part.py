"""A section of the configuration that names a part: the name, and a value for each key of that part."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError, unknown_name_message
from .catalogue import entry_of, keys_of, readers_of
from .entry import AUTO, KINDS


@dataclasses.dataclass(frozen=True)
class PartConfig:
    """The part of a kind ("prior", ...) by its name, and the values of all its keys, given or the part's defaults.

    A value is read as an attribute. Raises `ConfigurationError` for an unknown name, for a key that the part does not have, and
    for a value that its rule does not allow.

    >>> PartConfig("objective", "iwae", {"gradient": "dreg"}).num_samples
    5
    """

    kind: str
    name: str = ""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        name = self.name or KINDS[self.kind].default
        keys = keys_of(self.kind, name)
        for key in self.values:
            if key not in keys:
                raise ConfigurationError(_unknown_key_message(self.kind, name, key, self.values[key]))
        given = {key: keys[key].rule.convert(f"{self.kind}.{key}", value) for key, value in self.values.items()}
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", {key: given.get(key, keys[key].default) for key in keys})
        for checked in KINDS[self.kind].automatic if name == AUTO else (name,):
            entry_of(self.kind, checked).check(self.kind, self.values)

    def __getattr__(self, key: str) -> Any:
        values = vars(self).get("values", {})
        if key not in values:
            raise AttributeError(f"the section {vars(self).get('name')!r} has no {key!r}; it has {', '.join(['name', *values])}")
        return values[key]

    def __hash__(self) -> int:
        return hash((self.kind, self.name, *self.values.items()))

    def get(self, key: str, otherwise: Any) -> Any:
        """The value of a key, or `otherwise` where the part does not have it."""
        return self.values.get(key, otherwise)

    def replaced(self, **values: Any) -> PartConfig:
        """The same part with some values replaced."""
        return PartConfig(self.kind, self.name, {**self.values, **values})

    @property
    def remark(self) -> str:
        """What is said of these values when training begins; "" for nothing."""
        return "" if self.name == AUTO else entry_of(self.kind, self.name).remark(self.values)

    @property
    def changed(self) -> dict[str, Any]:
        """The values that are not the part's defaults."""
        keys = keys_of(self.kind, self.name)
        return {key: value for key, value in self.values.items() if value != keys[key].default}


def _unknown_key_message(kind: str, name: str, key: str, value: Any) -> str:
    """The text for a key that the part does not have: who has it, or the nearest that this part has."""
    readers = readers_of(kind, key)
    if readers:
        return (
            f"{kind}.{key} is {value!r}, but {kind}.name is {name!r}, which does not read it; leave it out, or "
            f"choose a {kind} that does: {', '.join(readers)}."
        )
    own = keys_of(kind, name)
    return unknown_name_message(f"configuration key of section [{kind}]", key, own)
