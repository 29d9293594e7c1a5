"""A key of the configuration: its default, the values that it may hold, and what it is for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .rules import Rule

# In `Key.papers`: any value but the key's default.
CHANGED = "(changed)"


@dataclasses.dataclass(frozen=True)
class Key:
    """One key.

    - `default`: its value where none is given. `rule`: what it may hold. `help`: what it is, in a few words.
    - `papers`: a value, or `CHANGED`, and the papers (keys of `references.toml`) that it comes from.
    - `only_with`: another key of the same part, without which, at its default, this one has no effect.
    """

    default: Any
    rule: Rule
    help: str
    papers: Mapping[Any, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    only_with: str = ""

    def papers_of(self, value: Any) -> tuple[str, ...]:
        """The papers behind a value."""
        return self.papers.get(value, ()) if value == self.default else self.papers.get(value, self.papers.get(CHANGED, ()))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        default = list(self.default) if isinstance(self.default, tuple) else self.default
        return {"default": default, "allowed": self.rule.describe(), "help": self.help}
