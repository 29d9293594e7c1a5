"""The configuration of a run: what may be set, its defaults, and its checks. Nothing here but `context.py` imports JAX."""

from .catalogue import CATALOGUE, Entry
from .keys import CHANGED, Key
from .overrides import parse_overrides
from .part import PartConfig
from .rules import Boolean, Integer, ListOf, OneOf, Real, Rule, Text, WordOr
from .run import SECTIONS, ResolvedConfig, RunConfig, check_keys, keys_of_section, load_toml, merged, with_changes
from .sections import DataConfig, TrainingConfig

__all__ = [
    "CATALOGUE",
    "CHANGED",
    "SECTIONS",
    "Boolean",
    "DataConfig",
    "Entry",
    "Integer",
    "Key",
    "ListOf",
    "OneOf",
    "PartConfig",
    "Real",
    "ResolvedConfig",
    "Rule",
    "RunConfig",
    "Text",
    "TrainingConfig",
    "WordOr",
    "check_keys",
    "keys_of_section",
    "load_toml",
    "merged",
    "parse_overrides",
    "with_changes",
]
